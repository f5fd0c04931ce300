"""The places: each a plain, clearly different backdrop of the whole 64x64 picture."""

import random
from collections.abc import Callable

from training.world.drawing.palette import RGB, WHITE
from training.world.drawing.pen import Pen


def draw_place(pen: Pen, place: str, rng: random.Random) -> None:
    """Fill the picture; `rng` moves a few things by a few pixels."""
    _PLACES[place](pen, rng)


def draw_mood(pen: Pen, mood: str, rng: random.Random) -> None:
    """Confetti for "having fun", a string of harmless flags for "parade"."""
    colours: list[RGB] = [(230, 40, 60), (250, 210, 40), (60, 170, 90), (60, 110, 230)]
    if mood == "having fun":
        for i in range(22):
            x, y = rng.uniform(1, 61), rng.uniform(1, 40)
            pen.box(x, y, x + 2.2, y + 2.2, colours[i % 4])
        return
    for row, top in enumerate((1.0, 8.0)):
        for i in range(8):
            x, y = i * 8.2 + 4 * row - 2, top + 2 * abs(1 - i / 3.5)
            pen.polygon([(x, y), (x + 7, y), (x + 3.5, y + 7)], colours[(i + row) % 4])


def _beach(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 26, (130, 210, 250))
    pen.disc(rng.uniform(8, 14), 9, 6, (255, 225, 60))
    pen.box(0, 24, 64, 42, (20, 120, 200))
    pen.box(0, 39, 64, 42, (220, 245, 255))
    pen.box(0, 42, 64, 64, (246, 220, 140))


def _forest(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (170, 215, 180))
    for i in range(5):
        x = -4 + i * 17 + rng.uniform(-2, 2)
        pen.box(x - 2.5, 20, x + 2.5, 52, (90, 60, 35))
        pen.polygon([(x - 11, 40), (x + 11, 40), (x, 16)], (14, 80, 44))
        pen.polygon([(x - 9, 26), (x + 9, 26), (x, 2)], (20, 96, 52))
    pen.box(0, 48, 64, 64, (70, 110, 50))


def _skyline(pen: Pen, rng: random.Random, walls: tuple[RGB, RGB, RGB], window: RGB) -> None:
    for i, (width, top) in enumerate(((18, 14), (14, 4), (18, 20), (16, 9))):
        left = (0, 17, 31, 49)[i]
        top_y = top + rng.uniform(-2, 2)
        pen.box(left, top_y, left + width, 50, walls[i % 3])
        for wx in range(2):
            for wy in range(4):
                x, y = left + 3 + wx * 6.5, top_y + 4 + wy * 8
                if y < 44:
                    pen.box(x, y, x + 3, y + 4, window)


def _city_street(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 50, (190, 225, 245))
    _skyline(pen, rng, ((176, 120, 100), (150, 150, 165), (196, 160, 120)), (235, 245, 255))
    pen.box(0, 50, 64, 64, (110, 110, 118))
    for x in range(2, 64, 16):
        pen.box(x, 56, x + 8, 58, WHITE)


def _night_street(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 50, (34, 38, 96))
    pen.disc(rng.uniform(51, 56), 8, 5, (250, 245, 200))
    _skyline(pen, rng, ((60, 58, 110), (74, 66, 120), (54, 62, 118)), (255, 215, 90))
    pen.box(0, 50, 64, 64, (66, 64, 100))
    for x in range(2, 64, 16):
        pen.box(x, 56, x + 8, 58, (210, 200, 120))


def _office(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (214, 220, 226))
    pen.box(0, 50, 64, 64, (120, 130, 150))
    x = rng.uniform(3, 6)
    pen.box(x, 5, x + 19, 26, (90, 100, 120))
    pen.box(x + 1.5, 6.5, x + 17.5, 24.5, (150, 205, 240))
    pen.box(x + 9, 6.5, x + 10.5, 24.5, (90, 100, 120))
    pen.box(46, 10, 62, 50, (150, 158, 172))
    for y in (13, 25, 37):
        pen.box(48, y, 60, y + 9, (176, 184, 198))
        pen.box(52, y + 3.5, 56, y + 5.5, (90, 96, 110))
    pen.box(0, 38, 22, 41, (110, 74, 44))
    pen.box(2, 41, 5, 52, (110, 74, 44))


def _kitchen(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (252, 236, 196))
    for y in (16, 24, 32):
        pen.box(0, y, 64, y + 1, (226, 200, 150))
    for left in range(4, 64, 8):
        pen.box(left, 16, left + 1, 36, (226, 200, 150))
    pen.box(0, 0, 27, 14, (70, 150, 140))
    pen.box(13, 1, 14, 13, (40, 100, 96))
    pen.box(37, 0, 64, 14, (70, 150, 140))
    pen.box(50, 1, 51, 13, (40, 100, 96))
    pen.box(0, 36, 64, 39, (120, 90, 70))
    pen.box(0, 39, 64, 54, (70, 150, 140))
    x = rng.uniform(43, 47)
    pen.box(x, 40, x + 14, 53, (60, 60, 66))
    pen.box(x + 2, 44, x + 12, 51, (250, 170, 60))
    pen.box(x + 1, 29, x + 12, 36, (170, 176, 186))
    pen.box(0, 54, 64, 64, (200, 170, 130))


def _classroom(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (240, 222, 180))
    pen.box(3, 4, 61, 32, (130, 84, 44))
    pen.box(5, 6, 59, 30, (26, 92, 66))
    x = rng.uniform(7, 10)
    for i, w in enumerate((16, 11, 14)):
        pen.box(x, 10 + 6 * i, x + w, 11.5 + 6 * i, (225, 240, 230))
    pen.polygon([(46, 24), (56, 24), (51, 12)], (225, 240, 230))
    pen.box(0, 50, 64, 64, (190, 140, 90))
    for left in (0, 46):
        pen.box(left, 42, left + 18, 46, (220, 160, 80))
        pen.box(left + 3, 46, left + 5, 56, (120, 80, 40))
        pen.box(left + 13, 46, left + 15, 56, (120, 80, 40))


def _hospital(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (196, 238, 232))
    pen.box(0, 50, 64, 64, (150, 196, 196))
    x = rng.uniform(6, 10)
    pen.box(x, 5, x + 14, 19, WHITE)
    pen.box(x + 5.2, 7, x + 8.8, 17, (20, 150, 90))
    pen.box(x + 2, 10.2, x + 12, 13.8, (20, 150, 90))
    pen.box(38, 34, 64, 44, WHITE)
    pen.box(38, 40, 64, 46, (110, 180, 220))
    pen.box(38, 46, 40, 56, (120, 130, 140))
    pen.box(56, 29, 64, 36, (235, 245, 255))
    pen.box(44, 4, 45, 34, (120, 130, 140))
    pen.box(41.5, 4, 48, 12, (220, 240, 255))


def _park(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 40, (160, 220, 255))
    pen.box(0, 36, 64, 64, (120, 200, 80))
    x = rng.uniform(9, 13)
    pen.box(x - 2, 22, x + 2, 42, (120, 76, 40))
    pen.disc(x, 15, 11, (60, 160, 60))
    pen.disc(x + 8, 20, 7, (60, 160, 60))
    pen.polygon([(22, 64), (46, 64), (40, 38), (36, 38)], (226, 206, 160))
    pen.box(47, 34, 63, 36.5, (150, 90, 40))
    pen.box(47, 39, 63, 41.5, (150, 90, 40))
    pen.box(49, 41, 51, 47, (80, 60, 50))
    pen.box(59, 41, 61, 47, (80, 60, 50))


def _mountains(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (250, 200, 150))
    x = rng.uniform(-3, 3)
    for cx, top, half in ((16 + x, 8, 26), (50 + x, 2, 28)):
        slope = half / (48 - top)
        pen.polygon([(cx - half, 48), (cx + half, 48), (cx, top)], (120, 104, 130))
        cap = 10
        pen.polygon(
            [
                (cx - slope * cap, top + cap),
                (cx, top + cap - 4),
                (cx + slope * cap, top + cap),
                (cx, top),
            ],
            WHITE,
        )
    pen.box(0, 47, 64, 64, (150, 140, 70))


def _snow(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (150, 178, 204))
    for cx in (8 + rng.uniform(-2, 2), 56 + rng.uniform(-2, 2)):
        pen.box(cx - 1.5, 36, cx + 1.5, 44, (90, 70, 60))
        pen.polygon([(cx - 9, 38), (cx + 9, 38), (cx, 14)], (60, 110, 110))
        pen.polygon([(cx - 5, 25), (cx + 5, 25), (cx, 12)], WHITE)
    pen.oval(32, 62, 46, 22, (232, 242, 252))
    for i in range(16):
        pen.disc((i * 23 + 7) % 64, (i * 17 + rng.uniform(0, 4)) % 42, 1.1, WHITE)


def _party_room(pen: Pen, rng: random.Random) -> None:
    pen.box(0, 0, 64, 64, (236, 130, 190))
    for left in range(0, 64, 10):
        pen.box(left, 0, left + 5, 46, (246, 156, 206))
    pen.box(0, 46, 64, 64, (110, 50, 120))
    for i in range(5):
        x = 1 + i * 12.6 + rng.uniform(-1, 1)
        colour: RGB = ((255, 220, 60), (90, 210, 230), (255, 250, 250))[i % 3]
        pen.polygon([(x, 0), (x + 11, 0), (x + 5.5, 9)], colour)
    pen.disc(54, 22, 6, (220, 225, 240))
    pen.disc(52, 20, 2, WHITE)
    pen.box(53.5, 9, 54.5, 17, (80, 60, 90))


_PLACES: dict[str, Callable[[Pen, random.Random], None]] = {
    "beach": _beach,
    "forest": _forest,
    "city street": _city_street,
    "night street": _night_street,
    "office": _office,
    "kitchen": _kitchen,
    "classroom": _classroom,
    "hospital": _hospital,
    "park": _park,
    "mountains": _mountains,
    "snow": _snow,
    "party room": _party_room,
}
