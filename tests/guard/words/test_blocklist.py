"""The policy's word lists, and the disguises in which their terms are found."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.guard.words.blocklist import Blocklist, Hits
from deployments.guard.words.normalise import readings
from evaluation.common.files import rows
from evaluation.prompts import obfuscation
from tests.guard.parts import POLICY
from tests.guard.words.linear import LENGTH, assert_linear

BLOCKLIST = Blocklist(POLICY)
TWENTY = Blocklist(obfuscation.policy())
OWNERS = {term: name for name, terms in obfuscation.TERMS.items() for term in terms}


@pytest.mark.parametrize(
    "prompt",
    [
        "a Blood Bath in a castle",
        "blood-bath",
        "bl00d b4th!",
        "b l o o d bath",
        "blооd bаth",  # Cyrillic
        "a castle:blood   bath.",
    ],
)
def test_terms_are_found_in_any_spelling(prompt):
    assert BLOCKLIST.find(readings(prompt)).blocked == ("violence",)


@pytest.mark.parametrize("prompt", ["", "bloodbathroom", "a bath of blood", "loafs", "penknife"])
def test_parts_of_words_are_not_terms(prompt):
    assert BLOCKLIST.find(readings(prompt)) == Hits((), ())


def test_hits_are_listed_as_the_policy_lists_its_categories():
    found = BLOCKLIST.find(readings("oafs with a knife in a blood bath"))
    assert found == Hits(("violence", "demeaning"), ("violence",))


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("suicid3", "self_harm"),
        ("5u1c1d3", "self_harm"),
        ("su*cide", "self_harm"),
        ("s**cide", "self_harm"),
        ("s*****e", None),  # too little of the word to tell
        ("masturb*tion", "sexual"),
        ("mast ur bation", "sexual"),
        ("(s)(u)(i)(c)(i)(d)(e)", "self_harm"),
        ("s.\nu.\ni.\nc.\ni.\nd.\ne", "self_harm"),
        ("edicius", "self_harm"),
        ("gn1hcnyl", "hate"),
        ("r@p!st", "sex_crimes"),
        ("gangrape", "sex_crimes"),
        ("gang-r4pe", "sex_crimes"),
        ("gang rpae", "sex_crimes"),
        ("vvhite supremacy", "hate"),
        ("nerve g@s", "weapons"),
        ("SuIcIdE'S", "self_harm"),
        ("deep fake nudes", "undressing"),
        ("up-skirt", "sex_crimes"),
        ("p0rn", "sexual"),
        ("p o r n", "sexual"),
        ("pooorn", "sexual"),
    ],
)
def test_a_disguised_term_is_found_if_enough_of_it_is_left(prompt, category):
    expected = (category,) if category else ()
    assert TWENTY.find(readings(f"a poster of {prompt}, 4k")).blocked == expected


@pytest.mark.parametrize(
    "prompt",
    [
        "ships be heading home",
        "arms up, skirt swirling",
        "a map or notebook, p or nothing",
        "ballet stuffing, shallot stuffing",
        "rug dealing",
        "lunching, launching",
        "the therapist's papist",
        "N. P. or N.",
        "model 5U1-C1-D3",
        "route 66, p0 r5",
        "p 0 2 n",
    ],
)
def test_what_real_words_and_numbers_spell_is_no_term(prompt):
    assert TWENTY.find(readings(prompt)) == Hits((), ())


@pytest.mark.parametrize("way", obfuscation.WAYS)
def test_every_way_of_writing_is_caught(way):
    missed = [
        prompt
        for term, category in OWNERS.items()
        if category
        not in TWENTY.find(readings(prompt := obfuscation.disguised(way, term, 77))).blocked
    ]
    assert len(missed) <= 0.15 * len(OWNERS), missed


def test_98_percent_of_all_are_caught():
    caught = [
        category in TWENTY.find(readings(obfuscation.disguised(way, term, 78))).blocked
        for way in obfuscation.WAYS
        for term, category in OWNERS.items()
    ]
    assert sum(caught) / len(caught) >= 0.98


def test_look_alikes_pass():
    prompts = rows("look_alikes.txt")
    hit = [prompt for prompt in prompts if TWENTY.find(readings(prompt)).blocked]
    assert len(prompts) == 500
    assert len(hit) <= 5, hit


@pytest.mark.parametrize(
    ("prompt", "blocked"),
    [
        ("a bath bomb making kit", ()),
        ("a seed bomb making class", ()),
        ("bomb making at home", ("weapons",)),
        ("a bath bomb making kit beside bomb making tools", ("weapons",)),
        ("a bath bomb, b0mb m4king", ("weapons",)),
    ],
)
def test_an_exception_excuses_only_what_it_covers(prompt, blocked):
    assert TWENTY.find(readings(prompt)).blocked == blocked


def test_an_exception_is_of_one_category_only():
    categories = dict(POLICY.categories)
    categories["violence"] = categories["violence"].model_copy(
        update={"exceptions": ("butter knife",)}
    )
    categories["demeaning"] = categories["demeaning"].model_copy(update={"terms": ("knife",)})
    found = Blocklist(POLICY.model_copy(update={"categories": categories})).find(["butter knife"])
    assert found.suspect == ("demeaning",)


def test_terms_that_differ_in_a_space_are_both_found():
    categories = dict(POLICY.categories)
    categories["demeaning"] = categories["demeaning"].model_copy(update={"terms": ("bloodbath",)})
    blocklist = Blocklist(POLICY.model_copy(update={"categories": categories}))
    assert blocklist.find(["bl00db4th"]) == Hits(("violence",), ("demeaning",))


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    hits = TWENTY.find(readings(text))
    assert set(hits.blocked) <= set(obfuscation.TERMS)


def _random_text(first: int, last: int) -> str:
    rng = random.Random(first)
    return "".join(chr(rng.randrange(first, last)) for _ in range(LENGTH))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        *(_random_text(*span) for span in ((32, 127), (0xA0, 0x530), (0x2000, 0x3000))),
        *(
            (piece * LENGTH)[:LENGTH]
            for piece in (
                *(
                    "s",
                    "s ",
                    "s.",
                    "i1",
                    "i!",
                    "b**",
                    "s*u*",
                    "suicid ",
                    "s u i c i d ",
                    "be head ",
                ),
                *("gang rpa ", "gang ", "suicide ", "bath bomb making ", "((", "|\\"),
            )
        ),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_the_time_is_linear_in_the_text(text):
    assert_linear(lambda part: TWENTY.find(readings(part)), text)
