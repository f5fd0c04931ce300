"""From a scene to its picture."""

import math
import random
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from training.world.drawing.animals import draw_animal
from training.world.drawing.backgrounds import draw_mood, draw_place
from training.world.drawing.figures import draw_person, grip
from training.world.drawing.objects import draw_object, draw_open_book
from training.world.drawing.palette import OUTLINE, WHITE
from training.world.drawing.pen import Box, Pen
from training.world.drawing.symbols import draw_mark
from training.world.scene import Person, Scene

UNITS = 64  # everything is placed on a 64x64 grid, whatever the size asked for
OVERSAMPLING = 4
GROUND = 61.5

_BYSTANDER = Person("woman", "light", "average", "brown", "long", None, "red", None, "standing")


def render(scene: Scene, size: int = UNITS) -> np.ndarray:
    """Draw `scene`: (size, size, 3) uint8 RGB. The same scene gives the same pixels."""
    return paint(scene, size)[0]


def paint(scene: Scene, size: int = UNITS) -> tuple[np.ndarray, list[Box]]:
    """The pixels as `render` gives them, and boxes around people, animals, things and marks.

    A person is one box; what they hold, an animal and a mark are boxes of their own.
    """
    canvas = Image.new("RGB", (size * OVERSAMPLING, size * OVERSAMPLING))
    pen = Pen(ImageDraw.Draw(canvas), size * OVERSAMPLING / UNITS)
    # Streams of their own: another place does not move the people.
    surroundings, rng = (random.Random(f"{part}-{scene.seed}") for part in ("place", "inhabitants"))
    draw_place(pen, scene.place, surroundings)
    if scene.mood:
        draw_mood(pen, scene.mood, surroundings)
    if scene.people:
        _draw_people(pen, scene, rng)
    else:
        _draw_still_life(pen, scene, rng)
    for mark in scene.marks:
        skins = [person.skin for person in scene.people]
        draw_mark(pen, mark, replace(_BYSTANDER, skin=skins[0]) if skins else _BYSTANDER)
    boxes = [_shrunk(box) for box in pen.noted]
    return np.asarray(canvas.reduce(OVERSAMPLING)), boxes


def _shrunk(box: Box) -> Box:
    left, top, right, bottom = (side / OVERSAMPLING for side in box)
    return left, top, right, bottom


def _draw_still_life(pen: Pen, scene: Scene, rng: random.Random) -> None:
    """No people: what there is stands large in the middle."""
    both = bool(scene.animal and scene.object)
    x = 32 + rng.uniform(-5, 5)
    if scene.animal:
        scale = rng.uniform(1.1, 1.25) if both else rng.uniform(1.35, 1.6)
        spot = pen.at(22 if both else x, 57 + rng.uniform(-3, 1), scale, flip=rng.random() < 0.5)
        draw_animal(spot, scene.animal)
    if scene.object:
        scale = rng.uniform(1.1, 1.25) if both else rng.uniform(1.5, 1.8)
        y = {"umbrella": 56, "balloon": 56, "flag": 47, "flower": 48}.get(scene.object, 44)
        draw_object(pen.at(50 if both else x, y + rng.uniform(-3, 3), scale), scene.object, rng)


def _draw_people(pen: Pen, scene: Scene, rng: random.Random) -> None:
    alone = len(scene.people) == 1
    lying = [person.activity == "sleeping" for person in scene.people]
    animal_side = 1 if rng.random() < 0.5 else -1
    if scene.animal and alone:
        spot = pen.at(
            32 + animal_side * 20,
            GROUND - (18 if lying[0] else 1),
            0.68,
            flip=animal_side > 0,
        )
        draw_animal(spot, scene.animal)
    for index, person in enumerate(scene.people):
        scale = rng.uniform(0.93, 1.02) * (1.0 if alone else 0.86)
        spread = 3.0 if alone else 1.5
        x = (32.0 if alone else (18.0, 46.0)[index]) + rng.uniform(-spread, spread)
        if lying[index]:
            y = GROUND - 6 if alone or index == 1 else GROUND - 27
            _draw_lying(pen.at(32 + rng.uniform(-2, 2), y, scale), person, rng)
            continue
        # The free side of a lone person is away from the animal; two people hold things outside.
        flip = animal_side < 0 if alone else index == 1
        _draw_upright(pen.at(x, GROUND - rng.uniform(0, 1.5), scale, flip=flip), person, rng)


def _draw_upright(pen: Pen, person: Person, rng: random.Random) -> None:
    if person.activity == "sitting":
        pen.box(-12, -14, 9, -10, (150, 96, 50))
        pen.box(-12, -33, -9, -10, (150, 96, 50))
        pen.box(-11, -10, -8, 0, (120, 74, 40))
        pen.box(5, -10, 8, 0, (120, 74, 40))
    elif person.activity == "jumping":
        pen.oval(0, -0.6, 12, 2.2, (60, 60, 66))
    draw_person(pen, person)
    if person.activity == "dancing":
        for x, y in ((-16, -46), (19, -36)):
            pen.disc(x, y, 2.4, OUTLINE)
            pen.line([(x + 2, y), (x + 2, y - 8), (x + 6, y - 6)], 1.6, OUTLINE)
    if person.activity == "reading":
        draw_open_book(pen.at(0, -25))
    elif person.object:
        _draw_held(pen, person, rng)


def _draw_held(pen: Pen, person: Person, rng: random.Random) -> None:
    x, y = grip(person)
    outward = math.copysign(3.0, x)
    if person.object == "ball":
        y = min(y + 4, -7.0)
    draw_object(pen.at(x + outward, y), str(person.object), rng)


def _draw_lying(pen: Pen, person: Person, rng: random.Random) -> None:
    """On their back along the ground, head on a pillow at the left, the object above them."""
    pen.oval(-22, 1.5, 8, 5.5, WHITE)
    draw_person(pen.at(27, -1, angle=-math.pi / 2), person)
    if person.object and person.activity != "reading":
        draw_object(pen.at(10, -16), person.object, rng)
