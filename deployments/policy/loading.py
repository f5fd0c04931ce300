"""Reads policy files: joins a file with what it names, and says all that is wrong with it."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from deployments.errors import ConfigurationError
from deployments.policy.document import MINORS, Policy
from deployments.policy.source import Finding, Place, Source, Value

LISTS = ("block_terms", "terms", "exceptions")
WORDS, BASE = "word_lists", "extends"
"""Keys of a policy file that name other files beside it: word lists, and the policy it changes."""
SHOWN = 60
"""Characters of a wrong value that a message quotes."""


class Reading(NamedTuple):
    """What a policy file says.

    `policy` is None exactly where there are mistakes; `files` are this one and those that it names;
    `whole` is the document with all that it extends, None where there is none to speak of.
    """

    policy: Policy | None
    files: list[Path]
    whole: Value | None
    mistakes: list[Finding]
    warnings: list[Finding]


def load_policy(path: str | Path) -> Policy:
    """Reads and validates a policy file.

    A policy that `extends` another has all of that one but what it says itself; a key whose value
    is null takes the other's away. A file named by `word_lists` has `block_terms`, `terms` and
    `exceptions` by category; they are added to the policy's own.

    Raises:
        ConfigurationError: a file is missing, is no YAML, or does not fit; lists every mistake.
    """
    reading = read_policy(Path(path))
    if reading.policy is None:
        mistakes = "\n".join(map(str, reading.mistakes))
        raise ConfigurationError(f"{str(path)!r} is not a valid policy:\n{mistakes}")
    return reading.policy


def read_policy(path: Path) -> Reading:
    """Reads a policy file as `load_policy` does, and finds every mistake in it."""
    reader = _Reader()
    whole = reader.whole(path)
    policy = reader.validated(whole) if whole else None
    mistakes = sorted(
        reader.source.mistakes,
        key=lambda m: (m.place.file != path, str(m.place.file), m.place.line or 0),
    )
    valid = None if mistakes else policy
    return Reading(valid, reader.source.files, whole, mistakes, reader.warnings)


def suggestion(word: Any, known: Iterable[str]) -> str:
    """A half-sentence that names what was probably meant, or what there is."""
    known = list(known)
    if close := difflib.get_close_matches(str(word), known, n=1):
        return f"; did you mean `{close[0]}`?"
    return f"; there are {', '.join(known)}"


@dataclass
class _Link:
    """A file that a policy names, and where."""

    path: Path
    place: Place


class _Reader:
    """Reads one policy. `complete` says whether all that it extends could be read."""

    def __init__(self) -> None:
        self.source = Source()
        self.warnings: list[Finding] = []
        self.complete = True

    # Joining files.

    def whole(
        self, path: Path, asked_at: Place | None = None, seen: tuple[Path, ...] = ()
    ) -> Value | None:
        """The document with all that it extends, and its word lists."""
        seen = (*seen, path.resolve())
        document = self.source.read(path, asked_at)
        if document is None:
            return None
        if not isinstance(document.content, dict):
            self.source.refuse(document.place, "is not a policy: must have keys and values")
            return None
        base, words = (self._link(document, key, path) for key in (BASE, WORDS))
        if base and (below := self._base(base, seen)):
            document = self._merged(below, document, base.path)
        if words and (lists := self.source.read(words.path, words.place)):
            self._add_words(document, lists)
        return document

    def _link(self, document: Value, key: str, path: Path) -> _Link | None:
        name = document.content.pop(key, None)
        if name is None or name.content is None:
            return None
        if isinstance(name.content, str):
            return _Link(path.parent / name.content, name.place)
        self.source.refuse(name.place, f"`{key}` must be a file name, is {_quoted(name.plain())}")
        self.complete = False
        return None

    def _base(self, base: _Link, seen: tuple[Path, ...]) -> Value | None:
        below = None
        if base.path.resolve() in seen:
            chain = " -> ".join(file.name for file in (*seen, base.path))
            self.source.refuse(base.place, f"`{BASE}` leads back to where it came from: {chain}")
        else:
            below = self.whole(base.path, base.place, seen)
        self.complete = self.complete and below is not None
        return below

    def _merged(self, below: Value, above: Value, base: Path) -> Value:
        """`below` with what `above` says: mappings key by key, all else replaced, null removed."""
        content = dict(below.content)
        for key, value in above.items():
            if value.content is None:
                if key not in content:
                    hint = suggestion(key, map(str, content))
                    message = f"null takes `{key}` away, which {str(base)!r} does not have{hint}"
                    self.warnings.append(Finding(value.place, message))
                content.pop(key, None)
            elif isinstance(value.content, dict) and isinstance(_content(content.get(key)), dict):
                content[key] = self._merged(content[key], value, base)
            else:
                content[key] = value
        return Value(content, above.place)

    def _add_words(self, document: Value, lists: Value) -> None:
        if not isinstance(lists.content, dict):
            self.source.refuse(lists.place, "must have word lists by category")
            return
        within = document.get("categories")
        categories = dict(within.items()) if within else {}
        for name, words in lists.items():
            if words.content is None:
                continue
            if not isinstance(words.content, dict):
                message = f"`{name}` must have the keys {', '.join(LISTS)}"
                self.source.refuse(words.place, message)
                continue
            category = categories.get(name)
            if category is None:
                message = f"the words of {name!r} are not used: there is no such category"
                hint = suggestion(name, map(str, categories))
                self.warnings.append(Finding(words.place, message + hint))
            for key, more in words.items():
                self._add_list(category, key, more)

    def _add_list(self, category: Value | None, key: Any, more: Value) -> None:
        if key not in LISTS:
            self.source.refuse(more.place, f"unknown key `{key}`{suggestion(key, LISTS)}")
        elif more.content is not None and not isinstance(more.content, list):
            self.source.refuse(more.place, f"`{key}` must be a list, is {_quoted(more.plain())}")
        elif more.content and category is not None and isinstance(category.content, dict):
            own = category.content.get(key) or Value(None, more.place)
            if own.content is None or isinstance(own.content, list):
                category.content[key] = Value([*(own.content or ()), *more.content], own.place)

    # Validation.

    def validated(self, whole: Value) -> Policy | None:
        """The policy; None where it does not fit."""
        _refuse_shared_codes(whole, self.source)
        content = whole.plain()
        while True:
            try:
                return Policy.model_validate(content)
            except ValidationError as error:
                found = error.errors(include_url=False)
            for problem in found:
                self._explain(dict(problem), whole)
            # Rules about a part are checked only once all its keys are known: without the unknown
            # ones they are.
            unknown = [problem["loc"] for problem in found if problem["type"] in UNKNOWN_KEY]
            if not unknown:
                return None
            for *path, key in unknown:
                part = content
                for step in path:
                    part = part[step]
                _drop(part, key)

    def _explain(self, problem: dict[str, Any], whole: Value) -> None:
        loc: tuple[Any, ...] = problem["loc"]
        kind: str = problem["type"]
        if not self.complete and kind in ("missing", "value_error"):
            return  # what could not be read may have it
        path = tuple(step for step in loc if step != "[key]")
        named, place = _dotted(path), whole.nearest(path).place
        if kind in UNKNOWN_KEY:
            known = [*_model_at(path[:-1]).model_fields, *([] if path[1:] else (BASE, WORDS))]
            key = ".".join(filter(None, (_dotted(path[:-1]), str(path[-1]))))
            self.source.refuse(place, f"unknown key `{key}`{suggestion(path[-1], known)}")
        elif kind == "missing":
            within = f" in `{_dotted(path[:-1])}`" if path[:-1] else ""
            self.source.refuse(place, f"`{path[-1]}` is missing{within}")
        elif kind == "value_error":
            message = str(problem["ctx"]["error"])
            if path:
                self.source.refuse(place, f"`{named}`: {message}")
            elif not any(message == mistake.message for mistake in self.source.mistakes):
                self.source.refuse(place, message)
        else:
            value = problem["input"]
            message = problem["msg"].removeprefix("Input ").removeprefix("String ")
            self.source.refuse(
                place,
                f"`{named}` {message[:1].lower()}{message[1:]}, is {_quoted(value)}"
                + _unquoted(kind, value),
            )


UNKNOWN_KEY = ("extra_forbidden", "invalid_key")


def _refuse_shared_codes(whole: Value, source: Source) -> None:
    """The rules on all categories together, said of the line that breaks them.

    The model checks them too, but only once everything else is right.
    """
    by_code: dict[Any, str] = {}
    categories = whole.get("categories")
    for name, category in categories.items() if categories else ():
        if name == MINORS:
            source.refuse(
                category.place, f"{MINORS!r} is a rule, always on; remove it from the policy file"
            )
        if (code := category.get("code")) is None or not isinstance(code.content, str):
            continue
        if other := by_code.get(code.content):
            source.refuse(
                code.place, f"categories {other!r} and {name!r} share the code {code.content!r}"
            )
        by_code.setdefault(code.content, name)


def _model_at(path: tuple[Any, ...]) -> type[BaseModel]:
    """The part of the document to which the keys at a path belong."""
    model: type[BaseModel] = Policy
    steps = iter(path)
    for step in steps:
        annotation = model.model_fields[step].annotation
        if get_origin(annotation) is dict:
            next(steps, None)
        model = next(_models_in(annotation), model)
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _drop(part: dict[Any, Any], key: Any) -> None:
    """Takes out a key that the error names, which is its text where it is no text itself."""
    for candidate in [k for k in part if k == key or str(k) == str(key)]:
        del part[candidate]


def _dotted(path: tuple[Any, ...]) -> str:
    """`categories.violence.terms[3]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _unquoted(kind: str, value: Any) -> str:
    """A hint on text that YAML takes for something else: `no`, `1.0`, a date."""
    if kind != "string_type" or isinstance(value, dict | list | type(None)):
        return ""
    return "; put it in quotes"


def _content(value: Value | None) -> Any:
    return value.content if value else None
