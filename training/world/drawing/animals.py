"""The animals, and their heads, which are also drawn on people."""

from training.world.drawing.palette import OUTLINE, RGB, WHITE
from training.world.drawing.pen import Pen, outlined

COATS: dict[str, RGB] = {
    "dog": (176, 112, 52),
    "cat": (240, 150, 50),
    "horse": (120, 62, 30),
    "bird": (40, 120, 220),
    "fish": (250, 110, 30),
    "cow": (245, 242, 238),
    "rabbit": (190, 180, 190),
}


def draw_animal(pen: Pen, animal: str) -> None:
    """A whole animal, about 30 wide and 26 tall, standing on the pen's origin, facing right."""
    pen.note(-15, -26, 15, 0)
    if animal == "fish":
        outlined(pen, _fish)
    elif animal == "bird":
        outlined(pen, _bird)
    else:
        outlined(pen, lambda p: _four_legged(p, animal))


def _four_legged(pen: Pen, animal: str) -> None:
    coat = COATS[animal]
    tall = animal in ("horse", "cow")
    top = -15.0 if tall else -11.0
    leg = 3.2 if tall else 3.0
    if animal != "rabbit":
        for x in (-9, -5, 4, 8):
            pen.line([(x, top + 4), (x, -1.2)], leg, coat)
    pen.oval(-1, top + 2.5, 12, 6.2 if tall else 5.2, coat)
    if animal == "rabbit":
        pen.oval(-3, -6.5, 9, 7, coat)
        pen.disc(-12, -6, 3.2, WHITE)
        pen.line([(2, -1.4), (8, -1.4)], 2.8, coat)
    elif animal == "horse":
        pen.line([(-12, top), (-15, -6)], 3, OUTLINE)
        pen.line([(9, top + 1), (12, -20)], 6, coat)
        pen.line([(6, top - 3), (9, -24)], 2.6, OUTLINE)
    elif animal == "cat":
        pen.line([(-12, top + 2), (-16, -15), (-13, -21)], 2.4, coat)
    elif animal == "dog":
        pen.line([(-12, top + 1), (-16, -17)], 2.8, coat)
    elif animal == "cow":
        pen.line([(-12, top), (-14, -7)], 1.6, coat)
        if not pen.ink:
            pen.oval(-5, top + 1.5, 4, 3, OUTLINE)
            pen.oval(4, top + 4, 3, 2.4, OUTLINE)
            pen.oval(-1, -6.6, 3, 2, (240, 160, 170))
    heads = {"horse": (14, -21, 0.8), "cow": (13, -17, 0.85), "rabbit": (7, -13.5, 0.8)}
    x, y, scale = heads.get(animal, (11, -16.5, 0.85))
    draw_head(pen.at(x, y, scale), animal)


def _bird(pen: Pen) -> None:
    pen.line([(-1, -4), (-1, -1)], 1.6, (230, 150, 30))
    pen.line([(4, -4), (4, -1)], 1.6, (230, 150, 30))
    pen.polygon([(-6, -10), (-18, -15), (-17, -8)], (24, 80, 160))
    pen.oval(1, -10, 10, 7.2, COATS["bird"])
    draw_head(pen.at(9, -19, 0.85), "bird")
    if not pen.ink:
        pen.polygon([(-8, -12), (5, -13), (-4, -5)], (24, 80, 160))


def _fish(pen: Pen) -> None:
    """In a round bowl, so that it may be anywhere."""
    pen.disc(0, -13.5, 13.5, (150, 215, 245))
    pen.oval(2, -13, 8.5, 5.6, COATS["fish"])
    pen.polygon([(-5, -13), (-12, -19), (-12, -7)], COATS["fish"])
    if not pen.ink:
        pen.box(0, -18, 2, -8.5, WHITE)
        pen.disc(6.5, -14, 1.5, WHITE)
        pen.disc(6.8, -14, 0.9, OUTLINE)


def draw_head(pen: Pen, animal: str) -> None:
    """The head from the front, about 15 wide, centred on the pen's origin."""
    coat = COATS[animal]
    _ears(pen, animal, coat)
    if animal == "horse":
        pen.oval(0, 0, 5.2, 9, coat)
        pen.oval(0, 6.5, 4.6, 3.6, (190, 140, 100))
    elif animal == "fish":
        pen.oval(0, 0, 8, 6.6, coat)
        pen.polygon([(-3, -6), (3, -6), (0, -12)], coat)
        pen.oval(0, 4, 3.2, 2.2, (255, 200, 140))
    else:
        pen.oval(0, 0, 7, 6.6, coat)
    if not pen.ink:
        _muzzle(pen, animal)
        for x in (-2.9, 2.9):
            pen.disc(x, -1.4, 1.5, WHITE)
            pen.disc(x, -1.2, 1.0, OUTLINE)


def _ears(pen: Pen, animal: str, coat: RGB) -> None:
    for s in (-1, 1):
        if animal == "dog":
            pen.oval(s * 7, 1, 2.6, 5.6, (110, 62, 26))
        elif animal == "cat":
            pen.polygon([(s * 2, -5), (s * 7, -2), (s * 6.8, -11)], coat)
        elif animal == "horse":
            pen.polygon([(s * 1, -7), (s * 4.6, -5), (s * 4, -13)], coat)
        elif animal == "cow":
            pen.line([(s * 4, -5), (s * 7.5, -10)], 2.2, (225, 205, 150))
            pen.oval(s * 8, -2, 3.2, 1.9, OUTLINE)
        elif animal == "rabbit":
            pen.oval(s * 3, -12, 2.3, 7.5, coat)


def _muzzle(pen: Pen, animal: str) -> None:
    if animal == "dog":
        pen.oval(0, 3, 3.8, 3.2, (230, 190, 140))
        pen.oval(0, 1.6, 1.7, 1.2, OUTLINE)
    elif animal == "cat":
        pen.polygon([(-1.2, 1.4), (1.2, 1.4), (0, 3)], (220, 80, 100))
        for s in (-1, 1):
            pen.line([(s * 2, 3), (s * 7, 2)], 0.6, WHITE)
    elif animal == "bird":
        pen.polygon([(-2.4, 0.6), (2.4, 0.6), (0, 6)], (250, 190, 30))
    elif animal == "cow":
        pen.oval(0, 4, 4.6, 3, (240, 160, 170))
        pen.oval(-5, -2.5, 2, 3, OUTLINE)
    elif animal == "rabbit":
        pen.oval(0, 3, 2.6, 2, WHITE)
        pen.disc(0, 1.8, 1, (230, 110, 140))
        for s in (-1, 1):
            pen.oval(s * 3, -12, 1.0, 5, (240, 170, 190))
    elif animal == "horse":
        pen.polygon([(-1.6, -8), (1.6, -8), (0, 0)], OUTLINE)
