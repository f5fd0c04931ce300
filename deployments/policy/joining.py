"""Joins a policy file with the policy that it extends and with its word lists."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.policy.mistakes import Mistake, Place, quoted, suggestion
from deployments.policy.source import Source, Value

LISTS = ("block_terms", "terms", "exceptions")
"""Keys of a category that a file of word lists may have."""
BASE, WORDS = "extends", "word_lists"
"""Keys that name another file beside the policy file: the policy that it changes, word lists."""


@dataclass
class _Link:
    """A file that a policy file names, and where it does so."""

    path: Path
    place: Place


class Joiner:
    """Joins the files of one policy.

    Attributes:
        source: the files that were read, and the mistakes in them.
        warnings: what has no effect, such as words of a category that does not exist.
        complete: whether all that the policy extends could be read.
    """

    def __init__(self) -> None:
        self.source = Source()
        self.warnings: list[Mistake] = []
        self.complete = True

    def join(
        self, path: Path, named_at: Place | None = None, seen: tuple[Path, ...] = ()
    ) -> Value | None:
        """The document with all that it extends and its word lists; None where there is none.

        Args:
            named_at: where another file names this one.
            seen: the files that extend this one, as absolute paths.
        """
        seen = (*seen, path.resolve())
        document = self.source.read(path, named_at)
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
        """Takes a key that names a file out of the document."""
        name = document.content.pop(key, None)
        if name is None or name.content is None:
            return None
        if isinstance(name.content, str):
            return _Link(path.parent / name.content, name.place)
        self.source.refuse(name.place, f"`{key}` must be a file name, is {quoted(name.plain())}")
        self.complete = False
        return None

    def _base(self, base: _Link, seen: tuple[Path, ...]) -> Value | None:
        below = None
        if base.path.resolve() in seen:
            chain = " -> ".join(file.name for file in (*seen, base.path))
            self.source.refuse(base.place, f"`{BASE}` leads back to where it came from: {chain}")
        else:
            below = self.join(base.path, base.place, seen)
        self.complete = self.complete and below is not None
        return below

    def _merged(self, below: Value, above: Value, base: Path) -> Value:
        """`below` changed by `above`: mappings key by key, all else replaced, null removed."""
        content = dict(below.content)
        for key, value in above.items():
            if value.content is None:
                if key not in content:
                    hint = suggestion(key, map(str, content))
                    message = f"null takes `{key}` away, which {str(base)!r} does not have{hint}"
                    self.warnings.append(Mistake(value.place, message))
                content.pop(key, None)
            elif isinstance(value.content, dict) and _is_mapping(content.get(key)):
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
                self.warnings.append(Mistake(words.place, message + hint))
            for key, more in words.items():
                self._add_list(category, key, more)

    def _add_list(self, category: Value | None, key: Any, more: Value) -> None:
        if key not in LISTS:
            self.source.refuse(more.place, f"unknown key `{key}`{suggestion(key, LISTS)}")
        elif more.content is not None and not isinstance(more.content, list):
            self.source.refuse(more.place, f"`{key}` must be a list, is {quoted(more.plain())}")
        elif more.content and category is not None and isinstance(category.content, dict):
            own = category.content.get(key) or Value(None, more.place)
            if own.content is None or isinstance(own.content, list):
                category.content[key] = Value([*(own.content or ()), *more.content], own.place)


def _is_mapping(value: Value | None) -> bool:
    return value is not None and isinstance(value.content, dict)
