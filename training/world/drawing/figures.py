"""People as pictograms, about 52 units tall."""

from training.world.drawing.animals import draw_head as draw_animal_head
from training.world.drawing.palette import CLOTHES, HAIR, OUTLINE, RGB, SKIN, TROUSERS, WHITE
from training.world.drawing.pen import Pen, Point, outlined
from training.world.drawing.poses import POSES, Pose
from training.world.scene import Person

HEAD = (0.0, -43.5)
HEAD_RADIUS = 7.6
_HALF_WIDTH = {"slim": 5.2, "average": 7.6, "heavy": 11.5}
_LIMB = {"slim": 3.6, "average": 4.6, "heavy": 5.8}


def draw_person(pen: Pen, person: Person) -> None:
    """Draw one person; the pen's origin is the ground under them."""
    pose = POSES[person.activity]
    pen = pen.at(0, -pose.lift, angle=pose.lean)
    pen.note(-13, -54, 13, 0)
    outlined(pen, lambda p: _body(p, person, pose))
    _face(pen.at(HEAD[0], HEAD[1] + pose.drop), person)


def grip(person: Person) -> Point:
    """Where the holding hand is, in figure units (the lean left out)."""
    pose = POSES[person.activity]
    x, y = pose.arms[pose.grip][1]
    return (x, y + pose.drop - pose.lift)


def _body(pen: Pen, person: Person, pose: Pose) -> None:
    skin = SKIN[person.skin]
    trunk = pen.at(0, pose.drop)
    head = trunk.at(*HEAD)
    if person.clothing is None:  # a small head: the proportions of a mannequin, plainly an adult
        head = head.at(0, 2, 0.74)
    if person.animal_head is None:
        _hair_behind(head, person)
    _legs(pen, person, pose)
    trunk.line([(0, -38), (0, -34)], 5, skin)
    _trunk(trunk, pen, person, pose)
    for side in (0, 1):
        _arm(trunk, person, pose, side)
    if person.animal_head:
        draw_animal_head(head.at(0, -0.5, 1.18), person.animal_head)
        return
    head.disc(0, 0, HEAD_RADIUS, skin)
    _hair_front(head, person)
    if person.hat:
        _HATS[person.hat](head)


def _legs(pen: Pen, person: Person, pose: Pose) -> None:
    skin, cloth = SKIN[person.skin], CLOTHES[person.colour]
    width = _LIMB[person.build] + 1.2
    hip = min(_HALF_WIDTH[person.build] - 2.5, 5.0)
    long = {"shirt": TROUSERS, "suit": cloth, "coat": TROUSERS, "overalls": cloth}
    colour = long.get(person.clothing or "", skin)
    for side, (knee, foot) in zip((-1, 1), pose.legs, strict=True):
        top = (side * hip, -19 + pose.drop)
        pen.line([top, knee, foot], width, colour)
        if person.clothing == "swimwear":  # shorts half-way down the thigh: plainly clothed
            half = ((top[0] + knee[0]) / 2, (top[1] + knee[1]) / 2)
            pen.line([top, half], width + 0.8, cloth)
        toe = (foot[0] + (2.2 if side > 0 else -2.2), foot[1])
        bare = person.clothing in (None, "swimwear")
        pen.line([foot, toe], 3.6, skin if bare else OUTLINE)


def _outline_of_trunk(person: Person) -> list[Point]:
    w = _HALF_WIDTH[person.build]
    if person.gender == "man":
        return [(-w - 1.2, -36), (w + 1.2, -36), (w, -18), (-w, -18)]
    return [(-w, -36), (w, -36), (w - 1.8, -27), (w + 0.8, -18), (-w - 0.8, -18), (-w + 1.8, -27)]


def _trunk(trunk: Pen, pen: Pen, person: Person, pose: Pose) -> None:
    w = _HALF_WIDTH[person.build]
    cloth = CLOTHES[person.colour]
    skin = SKIN[person.skin]
    shape = _outline_of_trunk(person)
    if person.clothing is None:
        trunk.polygon(shape, skin)
    elif person.clothing == "overalls":
        trunk.polygon(shape, (205, 205, 210))
        trunk.box(-w + 1.6, -31, w - 1.6, -18, cloth)
        trunk.line([(-w + 2.6, -35.5), (-w + 2.6, -30)], 2.2, cloth)
        trunk.line([(w - 2.6, -35.5), (w - 2.6, -30)], 2.2, cloth)
        if not pen.ink:
            trunk.box(-2, -29, 2, -26, _shade(cloth))
    elif person.clothing == "swimwear":
        trunk.polygon(shape, skin)
        trunk.polygon([(-w, -33), (w, -33), *shape[2:]], cloth)
        trunk.line([(-w + 2, -36), (-w + 2, -32)], 2.4, cloth)
        trunk.line([(w - 2, -36), (w - 2, -32)], 2.4, cloth)
        if not pen.ink:
            stripe = WHITE if person.colour != "white" else (60, 150, 220)
            trunk.box(-w + 0.5, -27, w - 0.5, -24.5, stripe)
    else:
        trunk.polygon(shape, cloth)
    if person.clothing in ("dress", "coat"):
        _skirt(pen, person, pose, cloth)
    if person.build == "heavy":
        belly = skin if person.clothing is None else cloth
        trunk.oval(0, -22.5, w + 1, 6.5, belly)
    if not pen.ink:
        _details(trunk, person, cloth)


def _skirt(pen: Pen, person: Person, pose: Pose, cloth: RGB) -> None:
    """A flared skirt, or a coat's straight tails which reach lower."""
    w = _HALF_WIDTH[person.build]
    flare, low = (5.5, 2.0) if person.clothing == "dress" else (3.2, 5.0)
    (left, _), (right, _) = pose.legs
    if left[0] > 0:  # both knees on one side: seated
        waist = -24 + pose.drop
        pen.polygon([(-w, waist), (w, waist), (right[0] + 3, right[1] - 3),
                     (right[0] + 3, right[1] + low + 1), (-w, -16 + pose.drop)], cloth)  # fmt: skip
        return
    pen.polygon(
        [(-w + 1, -27), (w - 1, -27), (w + 0.8, -18),
         (max(right[0], w) + flare - 2, right[1] + low), (min(left[0], -w) - flare + 2, left[1] + low),
         (-w - 0.8, -18)],
        cloth,
    )  # fmt: skip


def _details(trunk: Pen, person: Person, cloth: RGB) -> None:
    if person.clothing == "suit":
        shirt = WHITE if person.colour != "white" else (150, 170, 200)
        trunk.polygon([(-3.6, -36), (3.6, -36), (0, -26)], shirt)
        trunk.polygon(
            [(-1.1, -35.5), (1.1, -35.5), (1.4, -28.5), (0, -26.5), (-1.4, -28.5)], (150, 20, 40)
        )
    elif person.clothing == "coat":
        dark = _shade(cloth)
        trunk.line([(0, -36), (0, -8)], 1.2, dark)
        trunk.polygon([(-5, -36), (0, -36), (-1, -29)], dark)
        trunk.polygon([(5, -36), (0, -36), (1, -29)], dark)
        for y in (-25, -20, -15):
            trunk.disc(2.8, y, 1.0, dark)
    elif person.clothing == "shirt":
        trunk.box(-_HALF_WIDTH[person.build], -19.5, _HALF_WIDTH[person.build], -17.5, OUTLINE)
    elif person.clothing == "dress":
        w = _HALF_WIDTH[person.build] - 1.0
        trunk.box(-w, -27, w, -25, _shade(cloth))


def _shade(colour: RGB) -> RGB:
    """Darker, or lighter where it is almost black."""
    if sum(colour) < 200:
        return (colour[0] + 70, colour[1] + 70, colour[2] + 75)
    return (int(colour[0] * 0.68), int(colour[1] * 0.68), int(colour[2] * 0.68))


def _arm(trunk: Pen, person: Person, pose: Pose, side: int) -> None:
    elbow, hand = pose.arms[side]
    w = _HALF_WIDTH[person.build]
    sign = 1 if side else -1
    reach = sign * (w - 7.6)  # wider bodies carry their arms further out
    elbow, hand = (elbow[0] + reach, elbow[1]), (hand[0] + reach, hand[1])
    shoulder = (sign * (w - 0.2), -33.5)
    width = _LIMB[person.build]
    skin, cloth = SKIN[person.skin], CLOTHES[person.colour]
    sleeves = {"shirt": cloth, "suit": cloth, "coat": cloth, "overalls": (205, 205, 210)}
    sleeve = sleeves.get(person.clothing or "", skin)
    trunk.line([shoulder, elbow, hand], width, sleeve)
    if person.clothing == "dress":
        trunk.line(
            [shoulder, ((shoulder[0] + elbow[0]) / 2, (shoulder[1] + elbow[1]) / 2)], width, cloth
        )
    trunk.disc(*hand, width / 2 + 0.4, skin)


def _hair_behind(head: Pen, person: Person) -> None:
    hair = HAIR[person.hair_colour]
    if person.hair_style == "long":
        head.polygon([(-8, -4), (8, -4), (10.5, 13), (5, 14), (-5, 14), (-10.5, 13)], hair)
        head.disc(0, -1.5, 8.8, hair)
    elif person.hair_style == "curly":
        for x, y in ((-7, -5), (7, -5), (-9, 2), (9, 2), (0, -8), (-7, 7), (7, 7)):
            head.disc(x, y, 5, hair)
    elif person.hair_style == "bun":
        head.disc(0, -11, 4.2, hair)
        head.disc(0, -1.5, 8.6, hair)


def _hair_front(head: Pen, person: Person) -> None:
    hair = HAIR[person.hair_colour]
    if person.hair_style == "bald":
        return
    fringe = [
        (-8, 0.5),
        (-8, -4),
        (-5, -7.8),
        (0, -9),
        (5, -7.8),
        (8, -4),
        (8, 0.5),
        (5.5, -3.2),
        (-5.5, -3.2),
    ]
    head.polygon(fringe, hair)
    if person.hair_style == "beard":
        head.polygon(
            [
                (-7.9, 0),
                (-6, 2.6),
                (-3, 2),
                (0, 3),
                (3, 2),
                (6, 2.6),
                (7.9, 0),
                (6.5, 6),
                (0, 10.5),
                (-6.5, 6),
            ],
            hair,
        )


def _face(head: Pen, person: Person) -> None:
    if person.animal_head or person.clothing is None:  # the unclothed pictogram has no features
        return
    pale_ink = person.skin == "dark"
    for x in (-2.8, 2.8):
        if person.activity == "sleeping":
            head.line([(x - 1.3, 0), (x + 1.3, 0)], 0.9, WHITE if pale_ink else OUTLINE)
            continue
        head.disc(x, -0.2, 1.5, WHITE)
        head.disc(x, 0, 0.95, OUTLINE)
    if person.expression == "smiling":
        head.polygon([(-3.6, 2.8), (3.6, 2.8), (2, 5.4), (-2, 5.4)], WHITE)
    else:
        lips: RGB = (190, 50, 60) if person.gender == "woman" else (110, 50, 45)
        head.line([(-1.7, 4.2), (1.7, 4.2)], 1.2, lips)


def _cap(head: Pen) -> None:
    head.polygon([(-8.2, -3), (-7, -8), (0, -11), (7, -8), (8.2, -3)], (0, 130, 150))
    head.polygon([(-2, -4.6), (14, -4), (14, -1.6), (-2, -2.2)], (0, 90, 110))


def _crown(head: Pen) -> None:
    points = [(-8, -4), (-9, -13.5), (-4.5, -9), (0, -15), (4.5, -9), (9, -13.5), (8, -4)]
    head.polygon(points, (250, 200, 20))
    if not head.ink:
        head.disc(0, -7, 1.5, (210, 30, 50))


def _helmet(head: Pen) -> None:
    shell = [(-9.5, -1), (-9.5, -5), (-7, -10), (0, -12.5), (7, -10), (9.5, -5), (9.5, -1)]
    head.polygon(shell, (120, 130, 140))
    head.box(-11, -3.4, 11, -0.8, (90, 98, 108))
    if not head.ink:
        head.box(-1.4, -12, 1.4, -3.4, (235, 200, 60))


def _top_hat(head: Pen) -> None:
    head.box(-6.4, -17, 6.4, -4, (46, 42, 60))
    head.box(-11, -5.5, 11, -2.8, (46, 42, 60))
    if not head.ink:
        head.box(-6.4, -8.4, 6.4, -5.6, (200, 40, 60))


def _chef_hat(head: Pen) -> None:
    for x, y, r in ((-5, -12, 5), (5, -12, 5), (0, -14, 5.2)):
        head.disc(x, y, r, WHITE)
    head.box(-7, -11, 7, -3.4, WHITE)
    if not head.ink:
        head.box(-7, -5.4, 7, -3.8, (200, 205, 215))


_HATS = {
    "cap": _cap,
    "crown": _crown,
    "helmet": _helmet,
    "top hat": _top_hat,
    "chef hat": _chef_hat,
}
