"""The tables of words: their files can be reviewed, and are read as they stand."""

import re
from pathlib import Path

import pytest

from deployments.paths import ROOT
from deployments.rewriter.diversify.lexicon import NOUNS, tables
from deployments.rewriter.tables import by_key, pattern, read

REWRITER = ROOT / "deployments" / "rewriter"
FILES = sorted(REWRITER.rglob("tables/**/*.txt"))
SLOTS = re.compile(r"\b(?:ANY|ONE'S|ONESELF|ONE)\b")
"""What an entry writes in capitals: a place for other words."""
LONGEST = 1200
"""Lines of a file that somebody can review."""
TWO_NOUNS = {"marine biologist", "senior citizen"}
"""Nouns of people that are made of two others."""


def entries(file: Path) -> list[tuple[str, list[str]]]:
    """The headings of a file, each with its lines as they stand."""
    found: list[tuple[str, list[str]]] = []
    for line in file.read_text(encoding="utf-8").split("\n"):
        if line.startswith("["):
            found.append((line, []))
        elif found and line and not line.startswith("#"):
            found[-1][1].append(line)
    return found


def named(file: Path) -> str:
    return str(file.relative_to(REWRITER))


def test_every_table_of_the_rewriter_is_checked_here():
    data = [file for file in REWRITER.rglob("*") if file.suffix in (".yaml", ".json", ".jsonl")]
    assert not data
    assert len(FILES) > 20


@pytest.mark.parametrize("file", FILES, ids=named)
class TestFile:
    def test_no_heading_is_empty_or_occurs_twice(self, file: Path):
        headings = [heading for heading, lines in entries(file) if lines]
        assert headings
        assert headings == list(dict.fromkeys(heading for heading, _ in entries(file)))

    def test_no_entry_occurs_twice_under_a_heading(self, file: Path):
        for heading, lines in entries(file):
            assert sorted(set(lines)) == sorted(lines), heading

    def test_entries_are_sorted(self, file: Path):
        for heading, lines in entries(file):
            assert lines == sorted(lines), heading

    def test_one_space_stands_between_words_and_none_outside(self, file: Path):
        for line in file.read_text(encoding="utf-8").split("\n"):
            assert line == " ".join(line.split())

    def test_entries_are_in_small_letters(self, file: Path):
        for _, lines in entries(file):
            for line in lines:
                assert SLOTS.sub("", line) == SLOTS.sub("", line).lower()

    def test_an_entry_is_a_phrase_or_a_key_with_phrases(self, file: Path):
        """A comma or a bracket elsewhere is the trace of another format."""
        for _, lines in entries(file):
            for line in lines:
                _, colon, words = line.rpartition(": ")
                assert not line.startswith((",", ":", "-")), line
                assert not line.endswith((",", ":")), line
                assert colon or "," not in line, line
                assert not re.search(r"[\[\]{}|?\\;\"]", line), line
                assert len(set(words.split(", "))) == len(words.split(", ")), line

    def test_a_file_is_short_enough_to_review(self, file: Path):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("heading", NOUNS)
def test_no_two_nouns_of_people_stand_in_one_entry(heading: str):
    nouns = {entry.partition("/")[0] for entry in tables()[heading]}
    joined = {
        noun
        for noun in nouns
        for at in re.finditer(" ", noun)
        if noun[: at.start()] in nouns and noun[at.end() :] in nouns
    }
    assert joined <= TWO_NOUNS


def test_a_file_is_read_as_headings_with_their_entries(tmp_path: Path):
    file = tmp_path / "words.txt"
    file.write_text(
        "# On top.\n\n# Of this one.\n[some]\na b\nc\n\n[others]\nd\n", encoding="utf-8"
    )
    assert read(file) == {"some": ("a b", "c"), "others": ("d",)}


def test_a_folder_is_read_as_one_table(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(f"[{name}]\na\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("not a table", encoding="utf-8")
    assert read(tmp_path) == {"one": ("a",), "two": ("a",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\n[some]\nb\n", "'a' has no heading"), ("[some]\na\n[some]\nb\n", "occurs twice")],
)
def test_a_file_out_of_form_is_refused(tmp_path: Path, text: str, message: str):
    file = tmp_path / "words.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(file)


def test_entries_with_a_key_are_told_apart():
    assert by_key(["fan: ceiling, electric", "get: got"]) == {
        "fan": ("ceiling", "electric"),
        "get": ("got",),
    }


@pytest.mark.parametrize(
    ("entry", "matched", "not_matched"),
    [
        ("hot tub", ["hot tub"], ["hot", "hottub", "hot  tub"]),
        ("undress*", ["undress", "undressing"], ["undress it"]),
        ("through her ANY window", ["through her open window"], ["through her window"]),
        ("parents'", ["parents'", "parents’"], ["parents"]),
        ("st.", ["st."], ["st", "sto"]),
    ],
)
def test_a_pattern_matches_its_entry_and_nothing_else(
    entry: str, matched: list[str], not_matched: list[str]
):
    assert all(re.fullmatch(pattern([entry]), text) for text in matched)
    assert not any(re.fullmatch(pattern([entry]), text) for text in not_matched)
