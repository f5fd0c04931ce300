"""The table of cues, entry by entry. A cue is read as the table's notation says."""

import re
from collections.abc import Iterator
from itertools import product

import pytest
import yaml

from deployments.guard.words.blocklist import Blocklist
from deployments.guard.words.cues import MINOR, SEXUAL, TABLE
from deployments.guard.words.minors import joins_minor_and_sexual
from deployments.paths import ROOT
from deployments.policy import load_policy

ROWS = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
GROUPS = ROWS["groups"]
WORDS = yaml.safe_load((ROOT / "configs" / "policies" / "words.yaml").read_text(encoding="utf-8"))
SLOT = re.compile(r"\{(\w+)\}|\[(\w+)\] ?")
BESIDE_NAKED_CHILDREN = (
    "a naked child, {}",
    "{} and a naked child",
    "naked {} child",
    "a child {} undressed",
    "sexy {} {} teen",
    "{}, porn, 12 years old",
    "N4ked sch00lgirl {}",
)
SHIPPED = Blocklist(load_policy(ROOT / "configs" / "policies" / "default.yaml"))


def texts(row: str) -> Iterator[str]:
    """What a row stands for: each entry of its groups once, optional ones left out and put in."""
    choices = [
        GROUPS[slot[1]] if slot[1] else ["", *(f"{entry} " for entry in GROUPS[slot[2]])]
        for slot in SLOT.finditer(row)
    ]
    plain = SLOT.sub("{}", row)
    for turn in range(max(map(len, choices), default=1)):
        chosen = [entries[turn % len(entries)] for entries in choices]
        text = plain.format(*chosen).replace("*", "").replace("#", "5")
        yield re.sub(r"\((\w+)\)", "", text)
        yield re.sub(r"\((\w+)\)", r"\1", text)


def all_texts(kind: str, name: str) -> dict[str, list[str]]:
    return {row: sorted({*texts(row)}) for row in ROWS[kind][name]}


def lists() -> Iterator[tuple[str, list[str]]]:
    for kind, parts in ROWS.items():
        for name, rows in parts.items():
            yield f"{kind}.{name}", rows


@pytest.mark.parametrize(("name", "rows"), list(lists()), ids=lambda value: str(value)[:24])
def test_every_list_is_sorted_and_without_duplicates_blanks_or_capitals(name, rows):
    assert rows == sorted(set(rows))
    assert all(row == " ".join(row.split()).lower() for row in rows)


def test_every_group_is_used():
    used = {
        slot[1] or slot[2] for _, rows in lists() for row in rows for slot in SLOT.finditer(row)
    }
    assert used == set(GROUPS)


@pytest.mark.parametrize(("row", "cues"), all_texts("sexual", "cues").items())
def test_every_sexual_cue_blocks_beside_a_minor_and_passes_beside_an_adult(row, cues):
    missed = [cue for cue in cues if not joins_minor_and_sexual(f"{cue}, next to a toddler")]
    assert not missed
    # A few cues are of both kinds: jailbait, csam.
    assert all(joins_minor_and_sexual(f"{cue}, a man of 40") == MINOR.stand_in(cue) for cue in cues)


@pytest.mark.parametrize(("row", "cues"), all_texts("minor", "cues").items())
def test_every_cue_of_a_minor_blocks_beside_a_sexual_one_and_passes_alone(row, cues):
    missed = [cue for cue in cues if not joins_minor_and_sexual(f"topless, next to {cue}")]
    assert not missed
    assert all(
        joins_minor_and_sexual(f"{cue}, reading in a library") == SEXUAL.stand_in(cue)
        for cue in cues
    )


@pytest.mark.parametrize(("row", "phrases"), all_texts("sexual", "harmless").items())
class TestEveryHarmlessPhrase:
    """Those that hold a word of a sexual cue."""

    def test_passes_beside_a_child(self, row, phrases):
        blocked = [
            phrase for phrase in phrases if joins_minor_and_sexual(f"{phrase}, two toddlers")
        ]
        assert not blocked

    def test_holds_a_cue_and_so_is_needed(self, row, phrases):
        assert any(True for phrase in phrases for _ in SEXUAL.cues.find(phrase))

    def test_excuses_no_cue_beside_it(self, row, phrases):
        attacks = [attack.replace("{}", p) for p, attack in product(phrases, BESIDE_NAKED_CHILDREN)]
        assert not [attack for attack in attacks if not joins_minor_and_sexual(attack)]

    def test_is_harmless_to_the_word_lists_too(self, row, phrases):
        found = {phrase: SHIPPED.find([phrase]) for phrase in phrases}
        kinds = ("sexual", "sex_crimes", "undressing")
        assert not {p for p, hits in found.items() if {*hits.blocked, *hits.suspect} & {*kinds}}


@pytest.mark.parametrize(("row", "phrases"), all_texts("minor", "harmless").items())
class TestEveryHarmlessPhraseOfMinors:
    """Those that hold a word of a minor's cue."""

    def test_passes_beside_a_nude(self, row, phrases):
        blocked = [p for p in phrases if joins_minor_and_sexual(f"a nude, {p}")]
        assert not blocked

    def test_holds_a_cue_and_so_is_needed(self, row, phrases):
        assert any(True for phrase in phrases for _ in MINOR.cues.find(phrase))

    def test_excuses_no_cue_beside_it(self, row, phrases):
        attacks = [attack.replace("{}", p) for p, attack in product(phrases, BESIDE_NAKED_CHILDREN)]
        assert not [attack for attack in attacks if not joins_minor_and_sexual(attack)]


@pytest.mark.slow
def test_a_policys_own_exceptions_do_not_weaken_the_rule():
    policy = load_policy(ROOT / "configs" / "policies" / "default.yaml")
    sexual = policy.categories["sexual"].model_copy(update={"exceptions": ("nude child",)})
    lenient = policy.model_copy(update={"categories": policy.categories | {"sexual": sexual}})
    assert "sexual" in SHIPPED.find(["nude child"]).suspect
    assert "sexual" not in Blocklist(lenient).find(["nude child"]).suspect
    assert joins_minor_and_sexual("nude child")


def test_no_phrase_stands_in_the_shared_table_and_in_the_shipped_word_lists():
    twice = [
        phrase
        for lists in WORDS.values()
        for phrase in lists.get("exceptions", ())
        if SEXUAL.harmless_reach(phrase)[0] >= len(phrase)
    ]
    assert not twice
