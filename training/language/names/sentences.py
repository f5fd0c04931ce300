"""What the name tagger learns from: generated sentences, and user prompts with names put in.

A `Sentence` is a text and the places of its names. One seeded generator draws everything.
"""

import random
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.rewriter.anonymise.tagger import KINDS, TAGS, WORD, Kind
from training.language.corpora import MINORS
from training.language.grammar import expand

GRAMMAR = Path(__file__).parent / "tables" / "grammar.yaml"
SHARES = {"private": 0.30, "bare": 0.17, "known": 0.15, "other": 0.14}
"""Of the sentences; the rest are user prompts, some with a name in a person's place."""
PEOPLE = ("historic", "writers_musicians", "artists", "fictional", "deities", "public_figures")
IGNORED = -100
PARTICLES = r"(?:van|der|den|de|ten|Dela|du|El|Al|von|Le|De|Di|da|Te)"
SOMEBODY = re.compile(
    r"\b(?:a|an|the|one) (?:(?:young|old|beautiful|handsome|happy|sad|blonde|tall) )*"
    r"(?:man|woman|guy|lady|person|gentleman|nurse|farmer|businessman)\b",
    re.IGNORECASE,
)
CREDIT = re.compile(r"(?:\bby\b|\bstyle of\b|\bstyled?\b|-style)[^.;]*", re.IGNORECASE)
CAPITALISED = re.compile(r"[A-Z][\w'’]+(?:\s+(?:[A-Z]\.|[A-Z][\w'’]+|of|the|de|van|von|da)){1,3}")
STREETS = (
    "Elm|Oak|Maple|Lime|Church|Station|High|Park|Mill|Victoria|King's|Queen's|Cedar|Willow|Washington|"
    "Lincoln|Chestnut|Green|Hill|Bridge|Castle|Manor|Orchard|Cherry|5th|42nd"
)
ROADS = "Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Boulevard|Court|Close|Square|Way|Terrace"
FOREIGN = (
    "Hauptstrasse {n}|Bahnhofstraße {n}|Goethestr. {n}|Kirchweg {n}|Am Markt {n}|Schillerplatz {n}|"
    "Via Roma {n}|Via Dante {n}|Piazza Verdi {n}|Calle Mayor {n}|Calle de la Luna {n}|"
    "Avenida Central {n}|Rua Augusta {n}|Rua das Flores, {n}|{n} rue de la Paix|{n}, rue du Moulin|"
    "{n} avenue Foch|rue Lepic {n}|ulica Długa {n}|ul. Polna {n}|Storgatan {n}|Kungsgatan {n}|"
    "Nevsky Prospekt {n}|Lenina Street {n}|Keizersgracht {n}|Dorpsstraat {n}|Mannerheimintie {n}|"
    "Jalan Sudirman {n}|Istiklal Caddesi {n}|{n} MG Road|Plot {n}, Sector 7|Paseo de Gracia {n}"
)
CITIES = ("Springfield, IL 62704", "Austin, TX", "Leeds LS1 4AP", "Berlin", "10115 Berlin", "Paris")


@dataclass(frozen=True)
class Sentence:
    """A text and its names: start, end, kind. Words in `unsure` places have no label."""

    text: str
    names: list[tuple[int, int, Kind]]
    unsure: list[tuple[int, int]]

    def tags(self) -> list[int]:
        """One tag per word, an index into TAGS or IGNORED."""
        found = []
        for match in WORD.finditer(self.text):
            tag = 0
            if any(a <= match.start() < b for a, b in self.unsure):
                tag = IGNORED
            for start, end, kind in self.names:
                if start <= match.start() < end:
                    place = "begin" if match.start() == start else "inside"
                    tag = TAGS.index(f"{place}-{kind}")
            found.append(tag)
        return found


class Names:
    """Draws people's names of many cultures, put together from parts."""

    def __init__(self, tables: dict[str, Any], shared: list[str]) -> None:
        """`tables` has a culture's parts; `shared` are given names of well-known people."""
        self._shared = shared
        self._cultures: dict[str, dict[str, Any]] = {}
        for name, row in tables.items():
            family = re.findall(rf"(?:{PARTICLES} )*\S+", row["family"])
            self._cultures[name] = {**row, "given": row["given"].split(), "family": family}

    def full(self, rng: random.Random) -> str:
        """A whole name, its parts in the order of its culture."""
        row = self._cultures[rng.choice(list(self._cultures))]
        given, family = self._part(row["given"], rng), self._part(row["family"], rng)
        if rng.random() < 0.06:
            given = rng.choice(self._shared)
        if "middle" in row and rng.random() < 0.6:
            middle = rng.choice(row["middle"].split())
            order = row.get("order")
            return f"{family} {middle} {given}" if order else f"{given} {middle} {family}"
        if "particle" in row and rng.random() < 0.35:
            particle = rng.choice(row["particle"].split())
            second = rng.choice(row["given"] + row["family"])
            whole = f"{given} {particle} {second}"
            return whole if rng.random() < 0.4 else f"{whole} {family}"
        chance = rng.random()
        if row.get("initials") and chance < 0.25:
            letter = rng.choice("ABCDEFGHJKLMNPRSTVW") + rng.choice((".", ".", ""))
            return rng.choice((f"{given} {letter} {family}", f"{letter} {family}"))
        if chance < 0.1:
            given = f"{given}{rng.choice(' -')}{rng.choice(row['given'])}"
        elif row.get("double") and chance < 0.45:
            family = f"{family} {rng.choice(row['family'])}"
        elif chance < 0.15:
            family = f"{family}-{rng.choice(row['family'])}"
        order = row.get("order")
        first = (order == "family" and rng.random() < 0.65) or (order and rng.random() < 0.35)
        return f"{family} {given}" if first else f"{given} {family}"

    def given(self, rng: random.Random) -> str:
        """A given name alone."""
        return self._part(self._cultures[rng.choice(list(self._cultures))]["given"], rng)

    def family(self, rng: random.Random) -> str:
        """A family name alone."""
        return self._part(self._cultures[rng.choice(list(self._cultures))]["family"], rng)

    @staticmethod
    def _part(parts: list[str], rng: random.Random) -> str:
        """One of the parts, or in a third of all cases halves of two: a name that no list has."""
        one, other = rng.choice(parts), rng.choice(parts)
        if rng.random() < 0.35 and min(len(one), len(other)) >= 4 and one.isalpha():
            return one[: (len(one) + 1) // 2] + other[len(other) // 2 :].lower()
        return one


class Generator:
    """Draws sentences from the grammar and from user prompts."""

    def __init__(self, users: list[str], known: Mapping[str, Sequence[str]], seed: int = 0) -> None:
        """`known` is the table of known names; `users` are prompts without labels."""
        tables = yaml.safe_load(GRAMMAR.read_text(encoding="utf-8"))
        self._slots: dict[str, str] = tables["slots"]
        self._forms = {kind: tables[kind] for kind in SHARES}
        self._titles = tables["titles"].split()
        self._rng = random.Random(seed)
        self._people = [known[group] for group in PEOPLE]
        self._artists = known["artists"]
        whole = sorted((n for g in self._people for n in g if " " in n), key=len, reverse=True)
        shared = sorted({n.split()[0].title() for n in known["public_figures"] if " " in n})
        self._names, self._users = Names(tables["cultures"], shared), users
        self._known = re.compile(rf"\b(?:{'|'.join(map(re.escape, whole))})\b", re.IGNORECASE)

    def draw(self, count: int) -> Iterator[Sentence]:
        """`count` sentences."""
        for _ in range(count):
            chance = self._rng.random()
            for kind, share in SHARES.items():
                chance -= share
                if chance < 0:
                    yield self._written(self._rng.choice(self._forms[kind]))
                    break
            else:
                yield self._typed(self._rng.choice(self._users))

    def _written(self, form: str) -> Sentence:
        rng = self._rng
        bound: dict[str, str] = {}
        digits = "".join(rng.choices("0123456789", k=rng.randint(1, 8)))
        text = expand(form.replace("<digits>", digits), self._slots, rng, bound)
        pieces: list[tuple[str, Kind | None]] = []
        for piece in re.split(r"(\{[PGSTKHCA]\d?\})", text):
            if not re.fullmatch(r"\{[PGSTKHCA]\d?\}", piece):
                pieces.append((piece, None))
            elif piece[1] == "T":
                pieces.append((rng.choice(self._titles) + " ", None))
                name = self._names.family(rng) if rng.random() < 0.6 else self._names.full(rng)
                pieces.append((name, "private"))
            else:
                pieces.append(self._filler(piece[1]))
        return self._cased(pieces)

    def _filler(self, letter: str) -> tuple[str, Kind]:
        rng = self._rng
        if letter in "KH":
            name = rng.choice(rng.choice(self._people) if letter == "K" else self._artists)
            return re.sub(r"(?<![\w'])[a-z]", lambda m: m[0].upper(), name), "known"
        if letter == "A":
            return self._address(), "address"
        alone = {"G": self._names.given, "S": self._names.family}
        name = alone.get(letter, self._names.full)(rng)
        return name, "known" if letter == "C" else "private"

    def _address(self) -> str:
        rng = self._rng
        number = f"{rng.randint(1, 999)}{rng.choice(('', '', '', 'a', 'B'))}"
        if rng.random() < 0.4:
            street = rng.choice(FOREIGN.split("|")).format(n=number)
        else:
            names = rng.sample(STREETS.split("|"), rng.choice((1, 1, 1, 2)))
            street = f"{number} {' '.join(names)} {rng.choice(ROADS.split('|'))}"
        if rng.random() < 0.15:
            flat = rng.choice(("Flat", "Apt", "Apartment", "Unit", "apartment", "flat"))
            street = f"{flat} {rng.randint(1, 40)}, {street}"
        return f"{street}, {rng.choice(CITIES)}" if rng.random() < 0.2 else street

    def _cased(self, pieces: list[tuple[str, Kind | None]]) -> Sentence:
        """Joins the pieces, with capitals as some users write them."""
        rng = self._rng
        chance, text = rng.random(), ""
        names: list[tuple[int, int, Kind]] = []
        plain = rng.random() < 0.3
        for piece, kind in pieces:
            if kind and plain:
                marks = unicodedata.normalize("NFD", piece)
                piece = "".join(c for c in marks if not unicodedata.combining(c))
            if chance < 0.25:
                piece = piece.lower()
            elif chance < 0.33 or (chance < 0.40 and kind):
                piece = piece.upper()
            elif chance < 0.48 and kind:
                piece = piece.lower()
            elif chance < 0.52:
                piece = " ".join(word[:1].upper() + word[1:] for word in piece.split(" "))
            elif chance < 0.8 and not text:
                piece = piece[:1].upper() + piece[1:]
            if kind:
                names.append((len(text), len(text) + len(piece), kind))
            text += piece
        return Sentence(text, names, [])

    def _typed(self, prompt: str) -> Sentence:
        """A user's prompt, often with a name put in; known names are labelled, credits unsure."""
        prompt = prompt[:400]
        match = SOMEBODY.search(prompt)
        known = [m.span() for m in self._known.finditer(prompt)]
        unsure = [m.span() for m in CREDIT.finditer(prompt)]
        # A prompt that writes every word large says nothing about which of them are names.
        unsure += [m.span() for m in CAPITALISED.finditer(prompt)]
        names: list[tuple[int, int, Kind]] = [(a, b, KINDS[1]) for a, b in known]
        put = match.span() if match else (known[0] if known and self._rng.random() < 0.5 else None)
        if put is None or MINORS.search(prompt) or self._rng.random() < 0.3:
            change = self._rng.random()
            if prompt.islower() and change < 0.15:
                prompt = prompt.title() if change < 0.1 else prompt.upper()
            return Sentence(prompt, names, unsure)
        name = self._names.full(self._rng)
        if prompt.islower() and self._rng.random() < 0.7:
            name = name.lower()
        start, end = put
        shift = len(name) - (end - start)

        def moved(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
            kept = [(a, b) for a, b in spans if b <= start or a >= end]
            return [(a, b) if b <= start else (a + shift, b + shift) for a, b in kept]

        names = [(a, b, KINDS[1]) for a, b in moved(known)]
        names.append((start, start + len(name), "private"))
        return Sentence(prompt[:start] + name + prompt[end:], names, moved(unsure))
