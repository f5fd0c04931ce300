"""The objects, each about 15 units wide, drawn about the hand that holds them."""

import random
from collections.abc import Callable

from training.world.drawing.palette import BLOOD, OUTLINE, RGB, STEEL, WHITE, WOOD
from training.world.drawing.pen import Box, Pen, outlined

_BRIGHT: tuple[RGB, ...] = ((222, 30, 40), (250, 200, 30), (60, 110, 230))
"""Balloons, flowers and balls are often red: what is red need not be blood."""

_BOXES: dict[str, Box] = {
    "balloon": (-8, -34, 8, 3),
    "flag": (-2, -26, 17, 14),
    "flower": (-9, -19, 9, 8),
    "guitar": (-9, -22, 13, 14),
    "umbrella": (-15, -35, 15, 8),
}
_BOX: Box = (-10, -11, 10, 10)


def draw_object(pen: Pen, name: str, rng: random.Random) -> None:
    """Draw an object; the pen's origin is where it is held, or its middle."""
    colour = rng.choice(_BRIGHT)
    pen.note(*_BOXES.get(name, _BOX))
    outlined(pen, lambda p: _OBJECTS[name](p, colour))


def _ball(pen: Pen, colour: RGB) -> None:
    pen.disc(0, 0, 7, colour)
    if not pen.ink:
        pen.polygon([(-2, -6.6), (2, -6.6), (3.4, 0), (2, 6.6), (-2, 6.6), (-3.4, 0)], WHITE)
        pen.disc(0, 0, 1.6, colour)


def _book(pen: Pen, _: RGB) -> None:
    pen.box(-5.5, -7.5, 5.5, 7.5, (150, 60, 30))
    pen.box(3.4, -6.5, 5.5, 6.5, WHITE)
    if not pen.ink:
        pen.box(-3.4, -4.5, 1.6, -1.5, (250, 215, 90))


def draw_open_book(pen: Pen) -> None:
    """The book of someone who reads, seen from its back, over the chest."""

    def shape(p: Pen) -> None:
        p.polygon([(-9, -5), (0, -2.6), (9, -5), (9, 4), (0, 6.4), (-9, 4)], (150, 60, 30))
        if not p.ink:
            p.polygon([(-9, -6.5), (0, -4), (9, -6.5), (9, -4), (0, -1.5), (-9, -4)], WHITE)
            p.line([(0, -2), (0, 6)], 0.9, OUTLINE)

    pen.note(-9, -7, 9, 7)
    outlined(pen, shape)


def _cup(pen: Pen, _: RGB) -> None:
    pen.line([(4, -3), (8, -2.5), (8, 2.5), (4, 3)], 2, (40, 170, 190))
    pen.polygon([(-5.5, -6), (5.5, -6), (4.5, 7), (-4.5, 7)], (40, 170, 190))
    if not pen.ink:
        pen.box(-4.2, -5.6, 4.2, -3.6, (90, 50, 30))


def _guitar(pen: Pen, _: RGB) -> None:
    turned = pen.at(0, 0, angle=0.5)
    turned.line([(0, -2), (0, -17)], 2.4, (90, 56, 36))
    turned.box(-2.2, -20, 2.2, -16, (90, 56, 36))
    turned.disc(0, 0, 4.8, (222, 140, 50))
    turned.disc(0, 6, 6.2, (222, 140, 50))
    if not pen.ink:
        turned.disc(0, 3, 2.2, OUTLINE)


def _umbrella(pen: Pen, colour: RGB) -> None:
    pen.line([(0, 6), (0, -24)], 1.6, WOOD)
    half = [(-13, -21), (-10.5, -28), (-5, -32), (0, -33.5), (5, -32), (10.5, -28), (13, -21)]
    pen.polygon([*half, (8.6, -23), (4.4, -21), (0, -23), (-4.4, -21), (-8.6, -23)], (120, 40, 160))
    if not pen.ink:
        pen.polygon([(-4.4, -21), (0, -33.5), (4.4, -21), (0, -23)], (250, 200, 40))


def _balloon(pen: Pen, colour: RGB) -> None:
    pen.line([(0, 2), (0, -16)], 0.9, OUTLINE)
    pen.oval(0, -24, 6.8, 8.4, colour)
    pen.polygon([(-1.8, -14.6), (1.8, -14.6), (0, -17.5)], colour)
    if not pen.ink:
        pen.oval(-2.4, -27, 1.5, 2.4, WHITE)


def _flower(pen: Pen, colour: RGB) -> None:
    pen.line([(0, 6), (0, -6)], 1.8, (30, 130, 50))
    pen.polygon([(0, 2), (6, -2), (4, 3)], (30, 130, 50))
    for x, y in ((0, -13.6), (4.6, -10.2), (2.8, -5), (-2.8, -5), (-4.6, -10.2)):
        pen.disc(x, y, 3.5, colour)
    if not pen.ink:
        pen.disc(0, -9, 2.7, (120, 70, 20) if colour[1] > 150 else (255, 225, 60))


def _laptop(pen: Pen, _: RGB) -> None:
    pen.box(-8, -7, 8, 4, (70, 76, 88))
    pen.polygon([(-8, 4), (8, 4), (10, 7.5), (-10, 7.5)], (180, 186, 196))
    if not pen.ink:
        pen.box(-6.5, -5.5, 6.5, 2.5, (110, 210, 255))


def _cake(pen: Pen, _: RGB) -> None:
    pen.box(-8, -1, 8, 7, (250, 190, 150))
    pen.box(-8, -4, 8, 0, (255, 240, 245))
    for x in (-4.5, 0, 4.5):
        pen.line([(x, -4), (x, -8)], 1.5, (90, 140, 230))
        pen.disc(x, -9.6, 1.4, (255, 190, 30))
    if not pen.ink:
        pen.box(-8, 2.4, 8, 3.8, (230, 110, 150))


def _flag(pen: Pen, colour: RGB) -> None:
    pen.line([(0, 12), (0, -24)], 1.5, WOOD)
    pen.polygon([(0, -24), (15, -24), (15, -13), (0, -13)], colour)
    if not pen.ink:
        pen.box(0.6, -20.2, 15, -16.8, WHITE)


def _kitchen_knife(pen: Pen, _: RGB) -> None:
    """The same steel as the blade of violence: only drops tell them apart."""
    pen.line([(0, 4), (0, -1)], 2.8, WOOD)
    pen.polygon([(-1.8, -2), (2.6, -2), (2.6, -12), (-1.8, -16)], STEEL)


def _ketchup(pen: Pen, _: RGB) -> None:
    pen.polygon([(-4, -4), (4, -4), (5, 8), (-5, 8)], BLOOD)
    pen.box(-2.2, -8, 2.2, -4, BLOOD)
    pen.box(-2.6, -10.5, 2.6, -7.5, (40, 150, 60))
    if not pen.ink:
        pen.box(-3.6, -0.5, 3.6, 4, (255, 235, 190))


def _ray_gun(pen: Pen, _: RGB) -> None:
    """An invented weapon: a finned tube with a glowing bulb."""
    pen.line([(-1, 0), (-2.5, 6)], 3.4, (90, 60, 140))
    pen.oval(0, -2, 6.5, 4.2, (120, 80, 190))
    pen.polygon([(-5, -4), (-9, -9), (-1, -6)], (90, 60, 140))
    pen.box(5, -3.2, 11, -0.8, (120, 80, 190))
    pen.disc(12, -2, 2.3, (80, 240, 230))
    if not pen.ink:
        pen.box(-1, -5.5, 0.8, 1.6, (80, 240, 230))


def _crest(pen: Pen, _: RGB) -> None:
    """An invented emblem without any meaning: a harmless hexagon in blue and gold."""
    pen.polygon([(0, -9), (8, -4.5), (8, 4.5), (0, 9), (-8, 4.5), (-8, -4.5)], (30, 90, 200))
    if not pen.ink:
        pen.polygon([(0, -5.5), (5, 0), (0, 5.5), (-5, 0)], (250, 205, 50))
        pen.disc(0, 0, 1.8, WHITE)


_OBJECTS: dict[str, Callable[[Pen, RGB], None]] = {
    "ball": _ball,
    "book": _book,
    "cup": _cup,
    "guitar": _guitar,
    "umbrella": _umbrella,
    "balloon": _balloon,
    "flower": _flower,
    "laptop": _laptop,
    "cake": _cake,
    "flag": _flag,
    "kitchen knife": _kitchen_knife,
    "ketchup": _ketchup,
    "ray gun": _ray_gun,
    "crest": _crest,
}
