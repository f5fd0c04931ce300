"""Finds personal details: names, e-mail, phone, address, plate, document and card numbers.

Presidio's engine runs our recognisers and two of its own, without a spaCy model. Importing this
file costs some seconds and memory, as Presidio imports spaCy; only `Anonymiser` imports it, when it
is made.
"""

from collections.abc import Iterator
from typing import Any

import phonenumbers
import regex
import usaddress
from presidio_analyzer import (
    AnalyzerEngine,
    EntityRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerRegistry,
    RecognizerResult,
)
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer

from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.surroundings import text_before
from deployments.rewriter.anonymise.tagger import NameSpan, Recogniser

LEAST = 0.5
"""What Presidio finds below this score is dropped; a number that fails its checksum has 0."""

SURE_OF_ADDRESS = 0.8
"""Score above which an address of the tagger counts, if the text speaks of a home."""
NEAR = 30
"""Letters before an address in which a text may speak of a home."""
_NUMBER = r"\d{1,5}(?:[-/]\d{1,4})?(?:(?-i:[a-hA-H])(?!\w))?"
_ROAD = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|close|square|sq|way|"
    r"terrace|crescent|grove|gardens|place|pl|parkway|pkwy|highway|hwy|circle|trail|mews|row|walk|"
    r"rise|gate|quay|wharf|hill|heights|alley)"
)
_NO_STREET = (
    r"(?:people|person|men|women|cars?|cats?|dogs?|kids|an?|the|on|in|of|at|with|and|to|for|by|"
    r"from|"
    r"down|is|are|through|k|hd|mm|x|lane|way|big|small|wide|old|new|busy|empty|resolution|render|"
    r"detailed|year|years|years?-old|am|pm|s|main|different|street)"
)
_ENGLISH = (
    rf"\b{_NUMBER},?\s+(?:[NSEW]{{1,2}}\.?\s+|(?:north|south|east|west)\s+)?"
    rf"(?:(?!{_NO_STREET}\b)[\p{{L}}\d'’-]{{1,20}}\.?\s+){{1,3}}{_ROAD}\b"
)
_LINK = r"(?:de|del|della|delle|dei|di|la|le|les|du|des|da|do|das|dos|el|al)"
_GERMANIC = (
    r"\b[\p{L}-]{2,25}(?:straße|strasse|stra[sß]{1,2}e|str\.|allee|platz|gasse|gracht|straat|laan|"
    r"plein|kade|gatan|vägen|veien|gade|katu|utca|(?-i:(?<=\p{Lu}[\p{Ll}-]{2,24})(?:weg|damm|ring|"
    r"ufer|tie|gata|vej|singel)))\s+\d{1,4}(?:\s?(?-i:[a-hA-H])\b)?(?!\d)"
)
_ROMANCE_LAST = (
    r"\b(?:rue|boulevard|bd|impasse|chemin|quai|(?-i:Via|Viale|Piazza|Corso|Strada|Bulevardul)|"
    r"calle|"
    r"avenida|paseo|(?-i:Plaza|Praça|Avenue|Jalan|Jl\.?|Place)|rua|travessa|ulica|ul\.|ulitsa|"
    r"prospekt|"
    rf"prospect)\s+(?:(?:{_LINK}\s+|[dl]['’])){{0,3}}[\p{{L}}'’.-]{{2,25}}"
    rf"(?:\s+(?!\d)[\p{{L}}'’.-]{{2,25}}){{0,2}},?\s+\d{{1,4}}\b"
)
_ROMANCE_FIRST = (
    r"\b\d{1,4}(?:\s*(?:bis|ter))?,?\s+(?:rue|avenue|boulevard|place|impasse|chemin|quai|allée)\s+"
    rf"(?:(?:{_LINK}\s+|[dl]['’])){{0,3}}(?-i:\p{{Lu}}|(?<=\s[dl]['’])\p{{L}}|"
    rf"(?<=\b{_LINK}\s)\p{{L}})"
    r"[\p{L}'’.-]{1,25}(?:\s+(?-i:\p{Lu})[\p{L}'’.-]{1,25}){0,2}"
)
_OTHERS = r"\b(?:plot|villa|house)\s+(?:no\.?\s*)?\d{1,4},?\s+(?:sector|block|phase)\s+\d{1,3}\b"
_FLAT = r"(?:flat|apartment|apt\.?|unit|suite|room)\s*#?\d{1,4}(?-i:[a-zA-Z])?\b"
_ROOM_AFTER = r"(?:,?\s*(?:apt\.?|apartment|flat|unit|suite|#)\s*#?\w{1,5}\b)?"
ADDRESSES = [
    Pattern("street and number", rf"(?:\b{_FLAT},?\s+)?{form}{_ROOM_AFTER}", 0.8)
    for form in (_ENGLISH, _GERMANIC, _ROMANCE_LAST, _ROMANCE_FIRST, _OTHERS)
]
_MARKS = r"[\s:\"'“”#]"
_GAP = rf"{_MARKS}{{0,4}}(?:(?:is|reads|reading|saying|says|of)\s)?{_MARKS}{{0,3}}"
# Not "of": "a plate of 12 cookies".
_PLATE_GAP = rf"{_MARKS}{{0,4}}(?:(?:is|reads|reading|saying|says)\s)?{_MARKS}{{0,3}}"
_VALUE = r"(?=[\p{L}\d -]{0,12}\d)"
PLATES = [
    Pattern(
        "after the word plate",
        rf"(?<=\bplates?(?:\snumber|\sno\.?)?{_PLATE_GAP}){_VALUE}(?-i:[A-ZÄÖÜ\d]{{1,4}})"
        r"(?-i:[ -]{0,2}[A-Z\d]{1,5}){0,3}\b",
        0.8,
    ),
    Pattern(
        "after the word plate, small letters",
        rf"(?<=\bplates?(?:\snumber|"
        rf"\sno\.?)?{_PLATE_GAP})(?=[a-z-]*\d)[a-z\d]{{1,4}}(?:[ -]?[a-z]*\d[a-z\d]*)"
        r"{1,2}\b",
        0.7,
    ),
]
DOCUMENTS = [
    Pattern("social security number", r"\b\d{3}-\d{2}-\d{4}\b", 0.8),
    Pattern(
        "after the document's name",
        r"(?<=\b(?:passport|identity card|id card|id|driver'?s licen[cs]e|driving licen[cs]e|"
        r"social security|ssn|national insurance|tax id|insurance|patient)"
        rf"(?:\s(?:number|no\.?|nr\.?|id))?{_GAP})(?=[A-Z]{{0,6}}\d)(?=(?:[A-Z-]*\d){{4}})"
        r"[A-Z\d][A-Z\d-]{4,18}\b",
        0.8,
    ),
]
EMAILS = [Pattern("e-mail", r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b", 0.9)]

_DIGITS = regex.compile(r"(?<![\w.])[+(]?\d(?:[\s().\-/]{0,2}\d){6,14}(?![\w-])")
_CALL = regex.compile(
    r"\b(?:phone|telephone|tel|call(?:ing)?|mobile|cell|whatsapp|text|ring|dial|sms|fax|hotline)\b"
    r"\.?[^.;]{0,40}$",
    regex.IGNORECASE,
)
_NO_CALL = regex.compile(r"\b(?:order|parcel|serial|model|isbn|part|lot)\b", regex.IGNORECASE)
_AMERICAN = regex.compile(r"\(?\d{3}\)?[ -]\d{3}-\d{4}")
REGIONS = ["US", "GB", "DE", "FR", "IN", "BR", "ES", "IT", "PL", "NL", "TR", "NG", "ZA", "AU", "JP"]

_FROM = regex.compile(r"\b(?:from|at|to|lives in|front of|house|home|address)[\s,:]*$", regex.I)


class _Phones(EntityRecognizer):
    """Numbers that `phonenumbers` finds possible, where the text treats them as phone numbers."""

    def __init__(self) -> None:
        super().__init__(supported_entities=["PHONE"])

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        return [
            RecognizerResult("PHONE", match.start(), match.end(), 0.8)
            for match in _DIGITS.finditer(text)
            if self._is_phone(text_before(text, match.start()), match[0])
        ]

    @staticmethod
    def _is_phone(left: str, number: str) -> bool:
        if _NO_CALL.search(left):
            return False
        if number.startswith("+") or _AMERICAN.fullmatch(number):
            regions = ["US"]
        elif _CALL.search(left):
            regions = REGIONS
        else:
            return False
        return any(_possible(number, region) for region in regions)


def _possible(number: str, region: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False


class _Addresses(PatternRecognizer):
    """Streets with a number, in small letters only where the text speaks of a home."""

    def __init__(self) -> None:
        super().__init__("ADDRESS", patterns=ADDRESSES)

    def analyze(self, text: str, entities: list[str], *rest: Any, **more: Any) -> Any:
        return [
            RecognizerResult("ADDRESS", found.start, _with_town(text, found.end), found.score)
            for found in super().analyze(text, entities, *rest, **more)
            if self._plausible(text, found.start, found.end)
        ]

    @staticmethod
    def _plausible(text: str, start: int, end: int) -> bool:
        words = regex.findall(r"\p{L}{2,}", text[start:end])
        large = [word for word in words if word[0].isupper()]
        shouted = text.isupper()
        if len(large) == len(words) and not shouted:
            return True
        foreign = regex.match(r"\D", text[start:end]) or regex.search(
            r"\b(?:rue|straße|strasse)\b", text[start:end], regex.I
        )
        return bool(foreign and large) or bool(_FROM.search(text_before(text, start, NEAR)))


def _with_town(text: str, end: int) -> int:
    """Where an American address ends that goes on with town, state or ZIP code."""
    tail = regex.compile(
        r",\s*(?:\p{Lu}[\p{L}.'-]+\s?){1,3},?\s*(?:[A-Z]{2}\b)?\s*(?:\d{5}(?:-\d{4})?\b)?"
    ).match(text, end)
    if not tail or not regex.search(r"[A-Z]{2}\b|\d{5}", tail[0]):
        return end
    labels = {label for _, label in usaddress.parse("1 Elm Street" + tail[0])}
    return tail.end() if labels & {"StateName", "ZipCode"} else end


class _People(EntityRecognizer):
    """The trained tagger as Presidio sees it; `metadata["private"]` carries its opinion."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        super().__init__(supported_entities=["PERSON", "ADDRESS"])

    def load(self) -> None:
        """The tagger is loaded already."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: Any = None
    ) -> list[RecognizerResult]:
        return [
            RecognizerResult(
                "ADDRESS" if span.kind == "address" else "PERSON",
                span.start,
                span.start + len(text[span.start : span.end].rstrip(" ,.;:")),
                max(span.score, LEAST),
                recognition_metadata={"private": span.private, "score": span.score},
            )
            for span in self._recogniser.spans(text)
            if span.kind != "address" or _sounds_like_home(text, span)
        ]


def _sounds_like_home(text: str, span: NameSpan) -> bool:
    inside = text[span.start : span.end]
    return (
        span.score > SURE_OF_ADDRESS
        and bool(regex.search(r"\p{L}{4}", inside) and regex.search(r"\d", inside))
        and bool(_FROM.search(text_before(text, span.start, NEAR)))
    )


PRECEDENCE = (
    "EMAIL",
    "CREDIT_CARD",
    "IBAN_CODE",
    "DOCUMENT",
    "PLATE",
    "PHONE",
    "ADDRESS",
    "PERSON",
)
"""Of two details in one place, the kind that comes first here stays."""


class Finder:
    """Presidio's engine with our recognisers."""

    def __init__(self, recogniser: Recogniser) -> None:
        """`recogniser` finds the names."""
        recognisers = [
            PatternRecognizer("EMAIL", patterns=EMAILS),
            PatternRecognizer("PLATE", patterns=PLATES),
            PatternRecognizer("DOCUMENT", patterns=DOCUMENTS),
            CreditCardRecognizer(),
            IbanRecognizer(),
            _Phones(),
            _Addresses(),
            _People(recogniser),
        ]
        models = [{"lang_code": "en", "model_name": "none"}]
        self._engine = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=recognisers),
            nlp_engine=NoOpNlpEngine(models=models),
        )

    def find(self, text: str) -> list[PersonalDetail]:
        """Personal details from left to right, without overlaps, known names included."""
        results = self._engine.analyze(text, "en", score_threshold=LEAST)
        results.sort(key=lambda r: (PRECEDENCE.index(r.entity_type), r.start - r.end))
        return sorted(_apart(results, len(text)), key=lambda detail: detail.start)


def _apart(results: list[RecognizerResult], length: int) -> Iterator[PersonalDetail]:
    taken = bytearray(length)
    for result in results:
        if any(taken[result.start : result.end]) or result.start >= result.end:
            continue
        taken[result.start : result.end] = b"\1" * (result.end - result.start)
        data = result.recognition_metadata or {}
        yield PersonalDetail(
            result.start,
            result.end,
            result.entity_type,
            data.get("score", result.score),
            data.get("private", 1.0),
        )
