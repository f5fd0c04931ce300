from pathlib import Path

import pytest

from deployments.classifier import canaries
from deployments.classifier.canaries import Canary
from deployments.classifier.classifier import Classifier
from deployments.errors import ConfigurationError
from tests.classifier import tiny

PIXELS = {"good.png": tiny.pixels(1), "bad.png": tiny.pixels(2)}


def written(folder: Path, good: str | None = None, bad: str | None = "demeaning") -> Path:
    known = [
        Canary(file="good.png", prompt="a park", category=good),
        Canary(file="bad.png", prompt="a park", category=bad),
    ]
    canaries.save_canaries(folder, known, PIXELS)
    return folder


def between(name: str = "demeaning") -> Classifier:
    """A classifier whose threshold lies between its scores of the bad and the good picture."""
    for sign in (1.0, -1.0):
        models = tiny.models(calibration=dict.fromkeys(tiny.CATEGORIES, (sign, 0.0)))
        good, bad = (
            models.pictures.scores(PIXELS[file], "a park")[name] for file in ("good.png", "bad.png")
        )
        if good < bad:
            break
    assert good < bad
    return Classifier(models, tiny.output({name: (good + bad) / 2}))


def test_a_classifier_that_knows_them_may_start(tmp_path):
    canaries.check(between(), written(tmp_path))


def test_one_that_passes_a_bad_picture_may_not(tmp_path):
    blind = Classifier(tiny.models(), tiny.output({"demeaning": 1.0}))
    with pytest.raises(ConfigurationError, match=r"bad\.png.*not fit to serve"):
        canaries.check(blind, written(tmp_path))


def test_one_that_flags_a_good_picture_may_not(tmp_path):
    jumpy = Classifier(tiny.models(), tiny.output({"demeaning": 0.0}))
    with pytest.raises(ConfigurationError, match=r"good\.png"):
        canaries.check(jumpy, written(tmp_path))


def test_categories_that_the_policy_leaves_out_are_passed_over(tmp_path):
    canaries.check(between(), written(tmp_path, bad="violence"))


@pytest.mark.parametrize("damage", ["no list", "no picture", "no good", "key", "not json"])
def test_damaged_canaries_are_a_configuration_error(tmp_path, damage):
    written(tmp_path)
    listing = tmp_path / "canaries.json"
    if damage == "no list":
        listing.unlink()
    elif damage == "no picture":
        (tmp_path / "good.png").unlink()
    elif damage == "no good":
        written(tmp_path, good="hate")
    elif damage == "key":
        listing.write_text(listing.read_text().replace('"file"', '"flie"'))
    elif damage == "not json":
        listing.write_text("[")
    with pytest.raises(ConfigurationError):
        canaries.check(between(), tmp_path)


def edited(folder: Path, changed: frozenset[str]) -> Path:
    """A good and a bad picture, and an edit after which these attributes count as changed."""
    written(folder)
    known = [
        *canaries.load_canaries(folder),
        Canary(file="after.png", input="good.png", prompt="smile", category=None, changed=changed),
    ]
    canaries.save_canaries(folder, known, PIXELS | {"after.png": PIXELS["good.png"]})
    return folder


def with_edits(unintended: float) -> Classifier:
    never = {"violence": 1.0}
    policy = tiny.edits(never, unintended=unintended)
    return Classifier(tiny.models(edits=tiny.edit_scorer()), tiny.output(never, policy))


def test_edits_are_canaries_too(tmp_path):
    # At a threshold of 0 everything counts as changed, at 1 nothing does.
    everything = edited(tmp_path, frozenset(tiny.ATTRIBUTES))
    canaries.check(with_edits(unintended=0.0), everything)
    with pytest.raises(ConfigurationError, match=r"after\.png.*not fit to serve"):
        canaries.check(with_edits(unintended=1.0), everything)
    canaries.check(with_edits(unintended=1.0), edited(tmp_path, frozenset()))


def test_a_classifier_that_judges_no_edits_passes_them_over(tmp_path):
    canaries.check(between(), edited(tmp_path, frozenset({"skin"})))
