"""Reads policy files, and finds every mistake in them at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from deployments.errors import ConfigurationError
from deployments.policy.document import MINORS, Policy
from deployments.policy.joining import BASE, WORDS, Joiner
from deployments.policy.mistakes import Mistake, quoted, suggestion
from deployments.policy.source import Source, Value

UNKNOWN_KEY = ("extra_forbidden", "invalid_key")
"""pydantic's names for errors about a key that a model does not have."""


class PolicyFile(NamedTuple):
    """What a policy file says.

    Attributes:
        policy: None exactly where there are mistakes.
        files: this file and those that it names.
        document: its content joined with those files; None where it cannot be read at all.
        mistakes: in the order of their lines, those of this file first.
        warnings: what is valid and has no effect.
    """

    policy: Policy | None
    files: list[Path]
    document: Value | None
    mistakes: list[Mistake]
    warnings: list[Mistake]


def load_policy(path: str | Path) -> Policy:
    """Reads and validates a policy file.

    A policy that `extends` another has everything of that one except for what it says itself; a key
    whose value is null takes the other's away. A file named by `word_lists` has `block_terms`,
    `terms` and `exceptions` by category; they are added to the policy's own.

    Raises:
        ConfigurationError: a file is missing, is no YAML, or does not fit; lists every mistake.
    """
    file = read_policy(Path(path))
    if file.policy is None:
        mistakes = "\n".join(map(str, file.mistakes))
        raise ConfigurationError(f"{str(path)!r} is not a valid policy:\n{mistakes}")
    return file.policy


def read_policy(path: Path) -> PolicyFile:
    """Reads a policy file as `load_policy` does, and returns its mistakes instead of raising."""
    joiner = Joiner()
    document = joiner.join(path)
    policy = _validated(document, joiner) if document else None
    mistakes = sorted(
        joiner.source.mistakes,
        key=lambda m: (m.place.file != path, str(m.place.file), m.place.line or 0),
    )
    valid = None if mistakes else policy
    return PolicyFile(valid, joiner.source.files, document, mistakes, joiner.warnings)


def _validated(document: Value, joiner: Joiner) -> Policy | None:
    """The policy; None, and mistakes in `joiner.source`, where the document does not fit."""
    _refuse_shared_codes(document, joiner.source)
    content = document.plain()
    while True:
        try:
            return Policy.model_validate(content)
        except ValidationError as error:
            found = error.errors(include_url=False)
        for problem in found:
            _explain(dict(problem), document, joiner)
        # pydantic checks a rule on a whole part only where all keys of the part are known. So the
        # unknown ones are told, taken out, and the rest is validated again.
        unknown = [problem["loc"] for problem in found if problem["type"] in UNKNOWN_KEY]
        if not unknown:
            return None
        for *path, key in unknown:
            part = content
            for step in path:
                part = part[step]
            _drop(part, key)


def _explain(problem: dict[str, Any], document: Value, joiner: Joiner) -> None:
    """Notes one error of pydantic's as a mistake at its place."""
    kind: str = problem["type"]
    if not joiner.complete and kind in ("missing", "value_error"):
        return  # a file that could not be read may have it
    path = tuple(step for step in problem["loc"] if step != "[key]")
    place = document.nearest(path).place
    message = _message(kind, path, problem)
    # A rule on the whole document may have been told already, at the line that breaks it.
    if path or all(message != mistake.message for mistake in joiner.source.mistakes):
        joiner.source.refuse(place, message)


def _message(kind: str, path: tuple[Any, ...], problem: dict[str, Any]) -> str:
    named = _dotted(path)
    if kind in UNKNOWN_KEY:
        known = [*_model_at(path[:-1]).model_fields, *([] if path[1:] else (BASE, WORDS))]
        key = ".".join(filter(None, (_dotted(path[:-1]), str(path[-1]))))
        return f"unknown key `{key}`{suggestion(path[-1], known)}"
    if kind == "missing":
        within = f" in `{_dotted(path[:-1])}`" if path[:-1] else ""
        return f"`{path[-1]}` is missing{within}"
    if kind == "value_error":
        message = str(problem["ctx"]["error"])
        return f"`{named}`: {message}" if path else message
    value = problem["input"]
    message = problem["msg"].removeprefix("Input ").removeprefix("String ")
    message = f"{message[:1].lower()}{message[1:]}"
    return f"`{named}` {message}, is {quoted(value)}{_unquoted(kind, value)}"


def _refuse_shared_codes(document: Value, source: Source) -> None:
    """Notes what breaks the rules on all categories together, at the line that does.

    The model has these rules too, and checks them only once everything else is right.
    """
    by_code: dict[Any, str] = {}
    categories = document.get("categories")
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
    """Removes a key; the error gives its text where the key is no text itself."""
    for candidate in [k for k in part if k == key or str(k) == str(key)]:
        del part[candidate]


def _dotted(path: tuple[Any, ...]) -> str:
    """`categories.violence.terms[3]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _unquoted(kind: str, value: Any) -> str:
    """A hint on text that YAML takes for something else: `no`, `1.0`, a date."""
    if kind != "string_type" or isinstance(value, dict | list | type(None)):
        return ""
    return "; put it in quotes"
