"""The one way out for a picture."""

from deployments.contracts import Contract, Picture, PictureVerdict
from deployments.errors import StageFailed


class Released(Contract):
    """A picture that may leave, at its place among the n asked for. Only `release` makes one."""

    index: int
    picture: Picture


def release(index: int, picture: Picture, verdict: PictureVerdict) -> Released:
    """Lets a picture leave that has a clean verdict on those very pixels.

    Raises:
        StageFailed: the verdict is for other pixels, or it flags them.
    """
    check_pixels(picture, verdict)
    if verdict.flagged:
        raise StageFailed("classifier", "a flagged picture was about to leave")
    return Released(index=index, picture=picture)


def check_pixels(picture: Picture, verdict: PictureVerdict) -> None:
    """Raises StageFailed where a verdict was given on other pixels than the picture's."""
    if verdict.sha256 != picture.sha256:
        raise StageFailed("classifier", "its verdict belongs to another picture")
