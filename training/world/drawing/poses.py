"""How a body is held in each activity."""

from dataclasses import dataclass

from training.world.drawing.pen import Point

Limb = tuple[Point, Point]
"""Elbow and hand, or knee and foot."""


@dataclass(frozen=True)
class Pose:
    """Joints in figure units: feet at y = 0, hips at -19, shoulders at -35, head centre at -43.5.

    `grip` is the hand that holds an object: 0 left, 1 right.
    """

    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    drop: float = 0.0  # how far hips, trunk and head are lowered
    lift: float = 0.0  # how far the whole figure is off the ground
    lean: float = 0.0  # radians
    grip: int = 0


_DOWN_LEFT: Limb = ((-11.5, -27.0), (-12.5, -19.0))
_DOWN_RIGHT: Limb = ((11.5, -27.0), (12.5, -19.0))
_STAND: tuple[Limb, Limb] = (((-4.0, -10.0), (-4.5, -1.5)), ((4.0, -10.0), (4.5, -1.5)))

POSES: dict[str, Pose] = {
    "standing": Pose((_DOWN_LEFT, _DOWN_RIGHT), _STAND),
    "running": Pose(
        (((-12, -30), (-14, -22)), ((10, -26), (17, -31))),
        (((-6, -10), (-17, -9)), ((10, -13), (13, -2))),
        lean=0.18,
        grip=1,
    ),
    "sitting": Pose(
        (((-11, -27), (-12, -19)), ((10, -27), (13, -22))),
        (((8, -13), (9, -1.5)), ((14, -13), (15, -1.5))),
        drop=6,
    ),
    "waving": Pose((_DOWN_LEFT, ((14.5, -37), (15.5, -49))), _STAND),
    "jumping": Pose(
        (((-13, -37), (-15, -46)), ((13, -37), (15, -46))),
        (((-10, -13), (-6, -4)), ((10, -13), (6, -4))),
        lift=8,
    ),
    "sleeping": Pose((_DOWN_LEFT, _DOWN_RIGHT), _STAND),
    "dancing": Pose(
        (((-14.5, -30), (-9, -23)), ((13, -41), (6, -52))),
        (((-3, -10), (-3, -1.5)), ((10, -13), (18, -7))),
        lean=-0.16,
    ),
    "reading": Pose((((-12, -27), (-6, -23)), ((12, -27), (6, -23))), _STAND),
}
