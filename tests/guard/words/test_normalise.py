"""Disguised spellings, and harmless text that must stay as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.guard.words.normalise import letters, normalise, readings
from tests.guard.words.linear import LENGTH, assert_linear


@pytest.mark.parametrize(
    "text",
    [
        "ｎａｋｅｄ",  # full width
        "𝓷𝓪𝓴𝓮𝓭",  # mathematical script
        "nаkеd",  # Cyrillic a and e
        "n\u200baked",  # zero-width space
        "n\u00adaked",  # soft hyphen
        "n\u0336a\u0336k\u0336e\u0336d\u0336",  # struck through
        "ɴᴀᴋᴇᴅ",  # small capitals
        "🅽🅰🅺🅴🅳",  # negative squared
        "ⓝⓐⓚⓔⓓ",  # circled
        "nàkéd",
        "n a k e d",
        "n.a.k.e.d",
        "n-a-k-e-d",
        "n4k3d",
        "n@ked",
        "n – a – k – e – d",
        "n/a/k/e/d",
        "[n][a][k][e][d]",
        "n🔥a🔥k🔥e🔥d",
        "n\na\nk\ne\nd",
        "naaaakeddd",
        "n/\\k3d",  # strokes
        "na|<ed",
        "🇳🇦🇰🇪🇩",  # regional indicators
        "⒩⒜⒦⒠⒟",  # parenthesised
        "ηακεd",  # Greek
        "nᎪᏦᎬᎠ",  # Cherokee
        "ոakҽժ",  # Armenian and Cyrillic
        "na\u2800ked",  # blank Braille
    ],
)
def test_a_disguised_word_is_read(text):
    assert "naked" in readings(text)[-1].lower()


@pytest.mark.parametrize(
    "text",
    [
        "a crowd of 142,460 people at a stadium",
        "35mm film, 4k, f1.8, 1girl, 12yo, 3rd of may",
        "an 8-year-old oak tree",
        "what a view! really?",
        "portrait,8k,hdr,85mm,f1.8, kodak 800t, iso200, 1080p, 3840x2160",
        "(blue sky:1.3), (mountain:0.8), seed 1234567",
        "the 80's, the 1950s, 1990's, route 66, 5 6 7 8, cinema 4 d",
        "chapter iii, zzz",
        "plan a b or c",
        "голая правда",
        "东京的夜晚",
        "",
    ],
)
def test_plain_text_has_one_reading(text):
    assert readings(text) == (normalise(text).lower(),)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("тихий вечер, a quiet evening", "тихии вечер, a quiet evening"),
        ("हिमालय में सूर्योदय", "हिमालय में सूर्योदय"),
        ("ตลาดน้ำยามเช้า", "ตลาดน้ํายามเช้า"),
        ("山口, パイネ, 한강의", "山口, パイネ, 한강의"),
        ("ένα καράβι", "ενα καραβι"),
    ],
)
def test_words_of_other_scripts_stay(text, kept):
    assert normalise(text) == kept


@pytest.mark.parametrize(
    ("c", "possible"), [("1", "il"), ("6", "gb"), ("ӏ", "li"), ("a", "a"), ("-", ""), ("東", "")]
)
def test_a_character_may_stand_for_several_letters(c, possible):
    assert letters(c) == possible


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["a", "ab", "a ", "a.", "4a", "1,", "-", "é", "n а", "|\\"])
def test_the_time_is_linear_in_the_text(piece):
    assert_linear(readings, (piece * LENGTH)[:LENGTH])
