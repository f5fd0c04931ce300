"""Diversify: who is described, how, and how even the draws are."""

import difflib
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.policy import Changes, Diversity
from deployments.rewriter.diversify.diversifier import MAX_PEOPLE, Diversifier
from evaluation.common.files import tables
from evaluation.prompts.diversify import WRITTEN, outcomes
from tests.rewriter.parts import seconds

GROUPS = {"asian": 1.0, "black": 1.0, "white": 1.0, "hispanic": 1.0, "south asian": 1.0}
GENDERS = {"woman": 1.0, "man": 1.0}
TONES = {"pale": 1.0, "olive": 1.0, "brown": 1.0, "dark": 1.0}
DIVERSITY = Diversity(groups=GROUPS, genders=GENDERS, skin_tones=TONES)
DIVERSIFIER = Diversifier(DIVERSITY, Changes())
CASE = tables(WRITTEN)


def one(prompt: str, seed: int = 0, diversifier: Diversifier = DIVERSIFIER) -> str:
    ((changed, _),) = diversifier.diversify(prompt, 1, seed)
    return changed


def fixed(**shares: dict[str, float]) -> Diversifier:
    """Draws one thing only, so that the wording can be read."""
    told = {"groups": {"asian": 1}, "genders": {"woman": 1}, "skin_tones": {"olive": 1}}
    return Diversifier(Diversity.model_validate({**told, **shares}), Changes())


# The article and the field.


def test_the_articles_ceo_is_described():
    assert one("image of a ceo", diversifier=fixed()) == "image of a ceo, asian woman"
    black_man = fixed(groups={"black": 1}, genders={"man": 1})
    assert one("image of a ceo", diversifier=black_man) == "image of a ceo, black man"


def test_the_articles_criminal_has_a_skin_tone_and_no_group():
    changed = one("image of a criminal", diversifier=fixed())
    assert changed == "image of a criminal, olive skin tone"


@pytest.mark.parametrize(
    "prompt",
    [
        "an empty street at night",
        "a robot ceo",
        "a Japanese woman reading",
        "Marie Curie in her laboratory",
    ],
)
def test_field_cases_that_stay_as_they_are(prompt: str):
    assert DIVERSIFIER.diversify(prompt, 4, 7) == [(prompt, ())] * 4


def test_traits_of_the_nurse_do_not_reach_the_old_white_man():
    changed = one("a nurse and an old white man", diversifier=fixed())
    assert changed == "a nurse, asian woman, and an old white man"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a beautiful woman", "a beautiful asian woman"),
        ("A woman laughing", "An asian woman laughing"),
        ("an old man with a hat", "an old asian man with a hat"),
        ("a bearded professor", "a bearded professor, asian man"),
        ("a doctor and her patient", "a doctor, asian woman, and her patient, asian woman"),
        ("(nurse:1.3), hospital", "(nurse, asian woman:1.3), hospital"),
        ("nurses at lunch.", "nurses of different skin tones and genders at lunch."),
        ("women in a queue", "women of different skin tones in a queue"),
        ("a crowd cheering", "a crowd of people of different skin tones and genders cheering"),
        ("two men playing chess", "two men, one asian and one asian, playing chess"),
        ("three thieves", "three thieves of different skin tones"),
        ("a drunk pilot", "a drunk pilot, olive skin tone"),
        ("a person robbing a bank", "a person, olive skin tone, robbing a bank"),
    ],
)
def test_wording(prompt: str, expected: str):
    assert one(prompt, diversifier=fixed()) == expected


def test_ages_are_given_where_the_policy_has_some_and_the_prompt_none():
    aged = fixed(ages={"elderly": 1})
    assert one("a nurse", diversifier=aged) == "a nurse, elderly asian woman"
    assert one("a young nurse", diversifier=aged) == "a young nurse, asian woman"
    assert one("a thief", diversifier=aged) == "a thief, olive skin tone"
    crowd = one("doctors at work", diversifier=aged)
    assert crowd == "doctors of different ages, skin tones and genders at work"


def test_a_policy_may_word_its_skin_tones_itself():
    worded = fixed(skin_tones={"olive-skinned": 1})
    assert one("image of a criminal", diversifier=worded) == "image of a criminal, olive-skinned"


@pytest.mark.parametrize(
    ("prompt", "word", "reason"),
    [
        ("a CEO", "ceo", Changes().diversify),
        ("three thieves", "thieves", Changes().negative),
        ("a {noun}, a {why} ceo", "ceo", Changes().diversify),
    ],
)
def test_the_reason_names_the_prompt_s_word_for_the_person(prompt: str, word: str, reason: str):
    ((_, (change,)),) = DIVERSIFIER.diversify(prompt, 1, 0)
    assert change.why == reason.replace("{noun}", word)


def test_an_article_suits_the_word_behind_it():
    european = fixed(groups={"european": 1})
    assert one("a man", diversifier=european) == "a european man"
    assert one("an man", diversifier=fixed(groups={"black": 1})) == "a black man"


def test_an_occupation_of_several_words_is_somebody():
    assert one("a chief of staff", diversifier=fixed()) == "a chief of staff, asian woman"
    assert one("chiefs of staff").startswith("chiefs of staff of different skin tones")


# Whole kinds.


@pytest.mark.parametrize("prompt", CASE["described"])
def test_who_is_described_stays(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize("prompt", CASE["empty"])
def test_nobody_is_added(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize("case", CASE["several"], ids=lambda case: case["prompt"])
def test_several_people_and_words_that_look_like_people(case: dict):
    assert outcomes(DIVERSIFIER, case["prompt"]) == list(case["given"].items())


@pytest.mark.parametrize(
    "prompt",
    [
        "a kindergarten full of children with a teacher",
        "1girl, solo, school uniform",
        "a 12 year old pianist",
        "a family at the table",
        "a mother with her baby",
    ],
)
def test_prompts_with_children_stay(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize(
    "prompt",
    ["a man next to a gorilla", "a woman with a dog head", "a human hamster hybrid, man"],
)
def test_no_group_is_set_beside_a_beast_it_could_be_likened_to(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize(
    "prompt", ["", " ", ",", "a", "🙂", "nurse’s", "x" * 9000, "a nurse " * 2000]
)
def test_odd_prompts_stay(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize(
    "unit", ["woman ", "old ", "a nurse and ", "nurse, ", '"a ', "chief executive officer of "]
)
def test_time_grows_with_the_length_and_not_with_its_square(unit: str):
    short, long = (
        seconds(lambda length=length: DIVERSIFIER.diversify((unit * length)[:length], 4, 0))
        for length in (1000, 8000)
    )
    assert long < 3 * 8 * short


@pytest.mark.parametrize(
    "prompt",
    [
        "final boss, dark souls style",
        "boss level of a platform game",
        "a ceiling fan in an office",
        "an anchor on a ship",
        "a tailor made suit",
        "pilot episode, title card",
        "an oil lamp on a table runner",
        "a cat sitting like a boss",
        "a master piece",
        "model number on a label",
    ],
)
def test_idioms_and_things_that_sound_like_people_stay(prompt: str):
    assert one(prompt) == prompt


@pytest.mark.parametrize("idiom", ["who is boss", "who's the boss", "who is in charge"])
def test_the_boss_of_an_idiom_is_nobody(idiom: str):
    changed = one(f"two men showing each other {idiom}", diversifier=fixed())
    assert changed == f"two men, one asian and one asian, showing each other {idiom}"


# Properties.

PROMPTS = st.sampled_from(
    ["image of a ceo", "a woman and a thief", "two nurses in a ward", "Two women at a desk"]
    + [case["prompt"] for case in CASE["several"]]
)


@settings(deadline=None)
@given(PROMPTS, st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_words_are_only_added_and_every_addition_is_told(prompt: str, n: int, seed: int):
    results = DIVERSIFIER.diversify(prompt, n, seed)
    assert len(results) == n
    assert results == Diversifier(DIVERSITY, Changes()).diversify(prompt, n, seed)
    for changed, changes in results:
        assert in_order(prompt, changed)
        rest, undone = changed, ""
        for change in changes:
            assert change.kind == "diversify"
            assert change.why
            before, found, rest = rest.partition(change.after)
            assert found
            undone += before + change.before
        assert undone + rest == prompt


def in_order(prompt: str, changed: str) -> bool:
    """Whether the prompt's words, articles aside, stand in `changed` in their order."""

    def words(text: str) -> list[str]:
        split = text.replace(",", " ").split()
        return [word for word in split if word.lower() not in ("a", "an")]

    matcher = difflib.SequenceMatcher(None, words(prompt), words(changed), autojunk=False)
    return all(tag in ("equal", "insert") for tag, *_ in matcher.get_opcodes())


@given(PROMPTS, st.integers(0, 2**32 - 1))
def test_what_was_described_is_not_described_again(prompt: str, seed: int):
    changed = one(prompt, seed)
    assert one(changed, seed + 1) == changed


def test_no_more_people_are_described_than_a_text_encoder_reads():
    prompt = " and ".join(
        ["a nurse", "a cook", "a judge", "a pilot", "a tailor", "a poet", "a miner", "a lawyer"]
    )
    ((_, changes),) = DIVERSIFIER.diversify(prompt, 1, 0)
    assert len(changes) == MAX_PEOPLE


def test_no_pictures_is_a_mistake():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        DIVERSIFIER.diversify("a nurse", 0, 0)


# Draws.


def drawn(prompt: str, n: int, seed: int, diversifier: Diversifier = DIVERSIFIER) -> list[str]:
    return [
        changed.removeprefix(f"{prompt}, ") for changed, _ in diversifier.diversify(prompt, n, seed)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_four_pictures_show_four_groups_and_both_genders(seed: int):
    people = [text.rsplit(" ", 1) for text in drawn("image of a judge", 4, seed)]
    assert len({group for group, _ in people}) == 4
    assert Counter(gender for _, gender in people) == {"woman": 2, "man": 2}


@pytest.mark.parametrize("seed", range(20))
def test_four_pictures_of_two_groups_and_two_genders_are_all_four(seed: int):
    diversity = Diversity(groups={"asian": 1, "black": 1}, genders=GENDERS, skin_tones=TONES)
    two = Diversifier(diversity, Changes())
    assert len(set(drawn("image of a judge", 4, seed, two))) == 4


def test_ten_pictures_are_each_person_once():
    assert len(set(drawn("image of a judge", 10, 3))) == 10


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 4])
def test_over_many_seeds_the_draws_follow_the_shares(n: int):
    diversity = Diversity(
        groups={"asian": 5, "black": 3, "white": 2}, genders={"woman": 3, "man": 1},
        skin_tones=TONES,
    )  # fmt: skip
    diversifier, seeds = Diversifier(diversity, Changes()), random.Random(0)
    counts: Counter[str] = Counter()
    for _ in range(4000 // n):
        counts.update(drawn("image of a judge", n, seeds.randrange(2**32), diversifier))
    for group, share in {"asian": 0.5, "black": 0.3, "white": 0.2}.items():
        for gender, of_it in {"woman": 0.75, "man": 0.25}.items():
            assert counts[f"{group} {gender}"] / 4000 == pytest.approx(share * of_it, abs=0.025)


def test_consecutive_seeds_spread_too():
    counts = Counter(text for seed in range(40) for text in drawn("image of a judge", 1, seed))
    assert len(counts) == len(GROUPS) * len(GENDERS)


@pytest.mark.parametrize("seed", range(10))
def test_skin_tones_of_four_criminals_differ(seed: int):
    assert len(set(drawn("image of a criminal", 4, seed))) == 4


@pytest.mark.parametrize("seed", range(10))
def test_people_of_one_picture_differ(seed: int):
    for changed, changes in DIVERSIFIER.diversify("a nurse with a cook and two judges", 4, seed):
        assert len(changes) == 3, changed
        *_, judges = changes
        first, second = judges.after.removeprefix("two judges, ").split(" and ")
        assert first.rsplit(" ", 1)[0] != second.rsplit(" ", 1)[0]
