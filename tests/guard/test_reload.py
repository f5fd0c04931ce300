"""Word lists change in the files of a running guard."""

import asyncio
import shutil
from pathlib import Path

import pytest
import yaml

from deployments.contracts import GuardRequest
from deployments.guard.reload import PolicyWatch, follow
from deployments.paths import ROOT
from deployments.policy import Policy, load_policy
from tests.guard.parts import POLICY, TableModel
from tests.guard.test_cascade import TABLE, cascade


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped policies, to be edited."""
    return Path(shutil.copytree(ROOT / "configs" / "policies", tmp_path / "policies"))


@pytest.fixture
def watch(folder: Path) -> PolicyWatch:
    """Of a policy that extends another, which has its words in a third file."""
    return PolicyWatch(folder / "museum.yaml", load_policy(folder / "museum.yaml"))


def edit(file: Path, change) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def block_zorblax(words) -> None:
    words["violence"].setdefault("block_terms", []).append("zorblax")


def test_unchanged_files_are_not_news(watch):
    assert [watch.newer() for _ in range(3)] == [None] * 3


@pytest.mark.slow
def test_a_word_in_a_file_that_the_policy_names_is_seen_until_it_is_adopted(watch, folder):
    watch.newer()
    edit(folder / "words.yaml", block_zorblax)
    policy = watch.newer()
    assert policy == load_policy(folder / "museum.yaml")
    assert "zorblax" in policy.categories["violence"].block_terms
    watch.adopt(policy)
    assert watch.newer() is None


def test_a_change_between_building_and_starting_is_seen_at_once(folder):
    built = load_policy(folder / "default.yaml")
    edit(folder / "words.yaml", block_zorblax)
    policy = PolicyWatch(folder / "default.yaml", built).newer()
    assert policy is not None
    assert policy.ref.hash != built.ref.hash


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["violence: [", "violence: {block_terms: 7}", "", None])
def test_a_file_with_mistakes_changes_nothing_until_it_is_mended(watch, folder, broken, caplog):
    watch.newer()
    words = folder / "words.yaml"
    whole = words.read_text(encoding="utf-8")
    words.unlink() if broken is None else words.write_text(broken, encoding="utf-8")
    assert [watch.newer(), watch.newer()] == [None, None]
    assert sum("word lists kept" in record.message for record in caplog.records) == 1
    words.write_text(whole.replace("terms:", "terms:\n  - zorblax", 1), encoding="utf-8")
    assert watch.newer() is not None


def test_more_than_words_takes_a_redeployment(watch, folder, caplog):
    watch.newer()
    edit(folder / "words.yaml", block_zorblax)
    edit(folder / "default.yaml", lambda d: d["categories"]["hate"].update(action="allow"))
    assert watch.newer() is None
    assert "redeploy" in caplog.text


def reworded(**lists: list[str]) -> Policy:
    violence = POLICY.categories["violence"].model_copy(update=lists)
    parts = {name: getattr(POLICY, name) for name in Policy.model_fields}
    return Policy.model_validate(
        {**parts, "categories": {**POLICY.categories, "violence": violence}}
    )


async def test_a_reworded_cascade_blocks_the_new_term_and_says_by_which_policy():
    before = cascade(TableModel(TABLE))
    policy = reworded(block_terms=("zorblax",))
    after = before.reworded(policy)
    request = GuardRequest(prompt="a z0rblax on a lawn")
    old, new = await before.judge(request), await after.judge(request)
    assert (old.action, old.policy) == ("allow", POLICY.ref)
    assert (new.action, new.stage, new.policy) == ("block", "blocklist", policy.ref)


async def test_following_goes_on_after_a_failure(watch, folder):
    watch.newer()
    taken: list[Policy] = []
    failures, done = [OSError("disk")], asyncio.Event()

    async def take(policy: Policy) -> None:
        if failures:
            raise failures.pop()
        taken.append(policy)
        done.set()

    task = asyncio.create_task(follow(watch, 0.01, take))
    edit(folder / "words.yaml", block_zorblax)
    async with asyncio.timeout(10):
        await done.wait()
    task.cancel()
    assert "zorblax" in taken[0].categories["violence"].block_terms
