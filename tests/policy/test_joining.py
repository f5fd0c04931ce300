"""A policy joined with the one that it extends and with its word lists."""

import pytest

from deployments.policy import Policy, load_policy
from deployments.policy.loading import read_policy
from tests.policy.parts import GOOD, write


@pytest.fixture
def joined(tmp_path):
    """The policy of a text beside GOOD in `base.yaml` and other files."""

    def load(text: str, **others: str) -> Policy:
        for name, other in {"base": GOOD, **others}.items():
            write(tmp_path, other, f"{name}.yaml")
        return load_policy(write(tmp_path, text))

    return load


def test_a_policy_that_says_nothing_is_the_one_that_it_extends(joined, tmp_path):
    assert joined("extends: base.yaml\n") == load_policy(tmp_path / "base.yaml")


def test_mappings_are_changed_key_by_key_and_the_rest_stays(joined, tmp_path):
    child = "extends: base.yaml\nname: child\ncategories: {violence: {action: steer}}\n"
    policy, base = joined(child), load_policy(tmp_path / "base.yaml")
    assert policy.name == "child"
    changed = base.categories["violence"].model_copy(update={"action": "steer"})
    assert policy.categories == {**base.categories, "violence": changed}
    assert (policy.cnn, policy.output) == (base.cnn, base.output)


def test_a_list_replaces_the_list_below_it(joined):
    base = GOOD.replace("why: it is", "terms: [knife, blade]\n    why: it is")
    child = "extends: base.yaml\ncategories: {violence: {terms: [gun]}}\n"
    assert joined(child, base=base).categories["violence"].terms == ("gun",)


def test_null_takes_a_key_of_the_policy_below_away(joined):
    policy = joined("extends: base.yaml\ncategories: {mascot: null}\n")
    assert list(policy.categories) == ["violence"]


def test_a_chain_is_joined_from_its_end(joined):
    middle = "extends: base.yaml\nname: middle\nversion: '2'\n"
    policy = joined("extends: middle.yaml\nname: child\n", middle=middle)
    assert (policy.name, policy.version) == ("child", "2")
    assert list(policy.categories) == ["violence", "mascot"]


def test_files_are_looked_for_beside_the_file_that_names_them(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    write(folder, f"{GOOD}word_lists: words.yaml\n", "base.yaml")
    write(folder, "violence: {terms: [knife]}\n", "words.yaml")
    write(tmp_path, "violence: {terms: [wrong]}\n", "words.yaml")
    file = read_policy(write(tmp_path, "extends: shared/base.yaml\n"))
    assert file.policy is not None
    assert file.policy.categories["violence"].terms == ("knife",)
    assert file.files == [tmp_path / "policy.yaml", folder / "base.yaml", folder / "words.yaml"]


def test_word_lists_are_added_to_the_policy_s_own(joined):
    own = GOOD.replace("why: it is", "terms: [knife]\n    why: it is")
    words = "violence: {terms: [gun], block_terms: [gore], exceptions: [gun dog]}\nmascot: null\n"
    violence = joined(f"{own}word_lists: words.yaml\n", words=words).categories["violence"]
    assert violence.terms == ("knife", "gun")
    assert (violence.block_terms, violence.exceptions) == (("gore",), ("gun dog",))


def test_words_of_a_policy_are_added_to_those_of_the_one_that_it_extends(joined):
    base = f"{GOOD}word_lists: words.yaml\n"
    child = "extends: base.yaml\nword_lists: more.yaml\n"
    words = {"words": "violence: {terms: [knife]}\n", "more": "violence: {terms: [gun]}\n"}
    assert joined(child, base=base, **words).categories["violence"].terms == ("knife", "gun")
