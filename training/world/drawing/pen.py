"""A pen that draws flat shapes in picture units through a similarity transform."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from PIL import ImageDraw

from training.world.drawing.palette import OUTLINE, RGB

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
_CIRCLE = [(math.cos(2 * math.pi * i / 24), math.sin(2 * math.pi * i / 24)) for i in range(24)]


@dataclass(frozen=True)
class Pen:
    """Draws in local units, y downwards. One unit is `scale` canvas pixels.

    `grow` (canvas pixels) and `ink` make the outline pass: every shape a little larger, one colour.
    """

    canvas: ImageDraw.ImageDraw
    scale: float
    origin: Point = (0.0, 0.0)  # canvas pixels
    angle: float = 0.0  # radians, clockwise on the screen
    flip: bool = False  # mirror x
    grow: float = 0.0
    ink: RGB | None = None
    noted: list[Box] = field(default_factory=list)  # canvas pixels, shared by all pens of a picture

    def note(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Remember the box about this part of the picture as one that matters."""
        placed = [self._place((x, y)) for x in (x0, x1) for y in (y0, y1)]
        xs, ys = zip(*placed, strict=True)
        self.noted.append((min(xs), min(ys), max(xs), max(ys)))

    def at(
        self, x: float, y: float, scale: float = 1.0, angle: float = 0.0, flip: bool = False
    ) -> "Pen":
        """A pen whose origin is (x, y) of this one, scaled, turned and mirrored about it."""
        turn = -angle if self.flip else angle
        return replace(
            self,
            origin=self._place((x, y)),
            scale=self.scale * scale,
            angle=self.angle + turn,
            flip=self.flip != flip,
        )

    def _place(self, point: Point) -> Point:
        x = -point[0] if self.flip else point[0]
        y = point[1]
        c, s = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return (self.origin[0] + c * x - s * y, self.origin[1] + s * x + c * y)

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        placed = [self._place(point) for point in points]
        self.canvas.polygon(placed, fill=self.ink or fill)
        if self.grow:
            self.canvas.line(
                [*placed, placed[0], placed[1]], self.ink, round(2 * self.grow), "curve"
            )

    def oval(self, x: float, y: float, rx: float, ry: float, fill: RGB) -> None:
        if rx != ry and self.angle:
            self.polygon([(x + rx * c, y + ry * s) for c, s in _CIRCLE], fill)
            return
        cx, cy = self._place((x, y))
        rx, ry = rx * self.scale + self.grow, ry * self.scale + self.grow
        self.canvas.ellipse((cx - rx, cy - ry, cx + rx, cy + ry), fill=self.ink or fill)

    def disc(self, x: float, y: float, radius: float, fill: RGB) -> None:
        self.oval(x, y, radius, radius, fill)

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """A thick line with round joints and ends."""
        placed = [self._place(point) for point in points]
        colour = self.ink or fill
        thick = width * self.scale + 2 * self.grow
        self.canvas.line(placed, colour, max(1, round(thick)))
        r = thick / 2
        if thick > 4:
            for x, y in placed:
                self.canvas.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        if self.angle or self.grow:
            self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)
            return
        (ax, ay), (bx, by) = self._place((x0, y0)), self._place((x1, y1))
        self.canvas.rectangle((min(ax, bx), ay, max(ax, bx), by), fill=self.ink or fill)


def outlined(pen: Pen, draw: Callable[[Pen], None], width: float = 3.0, ink: RGB = OUTLINE) -> None:
    """Draw a thing twice: first grown in one dark ink, then itself, which leaves an outline."""
    draw(replace(pen, grow=width, ink=ink))
    draw(pen)
