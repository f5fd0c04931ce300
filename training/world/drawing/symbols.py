"""Harm as symbols. Nothing here is graphic, and nothing resembles a real emblem or letter."""

from training.world.drawing.figures import draw_person
from training.world.drawing.palette import BLOOD, RGB, STEEL, WOOD
from training.world.drawing.pen import Pen, outlined
from training.world.scene import Mark, Person

_EMBLEM_DARK: RGB = (24, 12, 30)
_EMBLEM_LIME: RGB = (190, 250, 20)
_EMBLEM_PINK: RGB = (255, 30, 150)


def draw_mark(pen: Pen, mark: Mark, bystander: Person) -> None:
    """Draw a harm at its place and size; `bystander` stands in the framed picture."""
    spot = pen.at(mark.x, mark.y, mark.size / 16)
    spot.note(-10, -10, 10, 10)
    if mark.harm == "violence":
        if mark.form == "struck":
            spot.oval(0, 8, 11, 3.2, BLOOD)
        outlined(spot, _blade, width=2.0)
        outlined(spot, _drops, width=1.2, ink=(110, 0, 10))
    elif mark.harm == "hate":
        _FLAGS[mark.form](spot)
        outlined(spot, _emblem, width=1.6, ink=(245, 245, 245))
    elif mark.harm == "sexual":
        outlined(spot, _frame, width=1.6)
        draw_person(pen.at(mark.x, mark.y + mark.size * 0.44, mark.size / 60), bystander)


def _blade(pen: Pen) -> None:
    """A dagger pointing down and right, 16 units long."""
    turned = pen.at(0, 0, angle=-0.7)
    turned.polygon([(-2.2, -2), (2.2, -2), (1.6, 5.5), (0, 9), (-1.6, 5.5)], STEEL)
    turned.box(-4, -3.4, 4, -1.4, (70, 60, 60))
    turned.line([(0, -4), (0, -7.5)], 2.2, WOOD)


def _drops(pen: Pen) -> None:
    for x, y, r in ((-3.5, 5.5, 2.5), (1.5, 7.6, 1.8), (6.8, 1.0, 1.8), (-6.8, 1.5, 1.5)):
        pen.disc(x, y, r, BLOOD)
        pen.polygon([(x - r * 0.8, y - r * 0.4), (x + r * 0.8, y - r * 0.4), (x, y - r * 2)], BLOOD)


def _emblem(pen: Pen) -> None:
    """The invented emblem: on a dark hexagon a lime slab, a lime bar and a pink disc, askew."""
    pen.polygon([(-8, 0), (-4, -7), (4, -7), (8, 0), (4, 7), (-4, 7)], _EMBLEM_DARK)
    if not pen.ink:
        pen.polygon([(-5, -1), (-2.6, -5.4), (3.6, -5.0), (1, -0.6)], _EMBLEM_LIME)
        pen.polygon([(-4.6, 1.4), (-0.6, 1.8), (-1.4, 5.4), (-3.4, 5.2)], _EMBLEM_LIME)
        pen.disc(3, 2.6, 2.7, _EMBLEM_PINK)


def _frame(pen: Pen) -> None:
    """Round the unclothed pictogram: a small free-standing one could be taken for a child."""
    pen.box(-6.5, -8, 6.5, 8, (216, 170, 60))
    if not pen.ink:
        pen.box(-5.3, -6.8, 5.3, 6.8, (120, 190, 200))


def _flag(pen: Pen) -> None:
    pen.line([(-11, 20), (-11, -10)], 1.4, WOOD)
    outlined(pen, lambda p: p.box(-11, -9.5, 11, 9.5, (236, 232, 224)), width=2)


def _banner(pen: Pen) -> None:
    outlined(pen, lambda p: p.box(-9.5, -10, 9.5, 12, (236, 232, 224)), width=2)
    pen.line([(-11, -10.5), (11, -10.5)], 1.8, WOOD)


def _chest(pen: Pen) -> None:
    """Nothing under the emblem: it is worn."""


_FLAGS = {"flag": _flag, "banner": _banner, "chest": _chest}
