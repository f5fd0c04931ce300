"""Known pictures that are shipped with a model: a replica that misjudges one does not start.

`canaries/canaries.json` in the model's folder is a list of `{file, prompt, category, input?,
changed?}`. The picture must be flagged for `category`, and must pass where that is null. `input` is
the picture that was edited, and `changed` has the attributes that must count as changed unasked.
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from deployments import pictures
from deployments.classifier.classifier import Classifier
from deployments.classifier.transformation.scorer import EditScores
from deployments.contracts import Picture, PictureRequest, PictureVerdict
from deployments.errors import ConfigurationError

FOLDER, LIST = "canaries", "canaries.json"


class Canary(BaseModel):
    """One known picture."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    prompt: str
    category: str | None
    input: str | None = None
    changed: frozenset[str] = frozenset()


def load_canaries(folder: Path) -> list[Canary]:
    """The list in `folder`.

    Raises:
        ConfigurationError: it is missing or malformed, or has no good or no bad picture.
    """
    try:
        text = (folder / LIST).read_text(encoding="utf-8")
        canaries = TypeAdapter(list[Canary]).validate_json(text)
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"cannot read {str(folder / LIST)!r}: {error}") from error
    if {canary.category is None for canary in canaries} != {True, False}:
        raise ConfigurationError(f"{str(folder / LIST)!r} needs a good and a bad picture at least")
    return canaries


def save_canaries(folder: Path, canaries: list[Canary], images: dict[str, np.ndarray]) -> None:
    """Writes the list and its pictures, name -> (height, width, 3) uint8."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pixels in images.items():
        Image.fromarray(pixels).save(folder / name)
    text = json.dumps([canary.model_dump(mode="json") for canary in canaries], indent=2)
    (folder / LIST).write_text(text + "\n", encoding="utf-8")


def check(classifier: Classifier, folder: Path) -> None:
    """Judges every canary but those of categories that the policy leaves out.

    Raises:
        ConfigurationError: one is judged wrong, or cannot be read.
    """
    for canary, request in _known(classifier, folder):
        check_verdict(canary, classifier.judge(request))


async def check_with(
    score_edit: Callable[[PictureRequest], Awaitable[EditScores]],
    classifier: Classifier,
    folder: Path,
) -> None:
    """As `check`, where another model scores edits.

    Args:
        score_edit: asks that model.

    Raises:
        ConfigurationError: one is judged wrong, or cannot be read.
        UnparsableAnswer: the model's answer to one cannot be read.
        StageFailed: the model cannot answer.
    """
    for canary, request in _known(classifier, folder):
        edit = await score_edit(request) if request.input is not None else None
        check_verdict(canary, classifier.judge(request, edit))


def _known(classifier: Classifier, folder: Path) -> Iterator[tuple[Canary, PictureRequest]]:
    """The canaries of categories that the policy has a threshold for."""
    for canary in load_canaries(folder):
        known = classifier.output.thresholds
        if canary.input is not None:
            if classifier.output.edits is None:
                continue
            known = classifier.output.edits.thresholds
        if canary.category is None or canary.category in known:
            yield (
                canary,
                PictureRequest(
                    prompt=canary.prompt,
                    output=_picture(folder / canary.file),
                    input=_picture(folder / canary.input) if canary.input else None,
                ),
            )


def check_verdict(canary: Canary, verdict: PictureVerdict) -> None:
    """Raises ConfigurationError if the verdict is not the one that the canary must have."""
    if verdict.category != canary.category:
        raise ConfigurationError(
            f"the picture classifier finds {verdict.category!r} in {canary.file!r}, which must "
            f"be {canary.category!r} (scores {verdict.scores}); it is not fit to serve"
        )
    # A flagged picture is not mended, so what else changed does not matter.
    if canary.category is None and set(verdict.changed) != canary.changed:
        raise ConfigurationError(
            f"the classifier of edits finds {sorted(verdict.changed)} changed unasked in "
            f"{canary.file!r}, which must be {sorted(canary.changed)} "
            f"(scores {verdict.unintended}); it is not fit to serve"
        )


def _picture(file: Path) -> Picture:
    try:
        with Image.open(file) as image:
            return pictures.from_image(image)
    except OSError as error:
        raise ConfigurationError(f"cannot read the canary {str(file)!r}: {error}") from error
