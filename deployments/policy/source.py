"""Reads YAML, and keeps the file and line of every value for messages about it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deployments.policy.mistakes import Mistake, Place

MERGE, MAP, SEQUENCE = (f"tag:yaml.org,2002:{name}" for name in ("merge", "map", "seq"))


@dataclass
class Value:
    """A value and its place: that of its key in a mapping, of its item in a list.

    `content` is a dict of Values, a list of Values, or a scalar.
    """

    content: Any
    place: Place

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.content, dict):
            return {key: value.plain() for key, value in self.content.items()}
        if isinstance(self.content, list):
            return [value.plain() for value in self.content]
        return self.content

    def get(self, *path: Any) -> "Value | None":
        """The value at a path of keys and indices; None where there is none."""
        found = self
        for step in path:
            if not isinstance(found.content, dict | list):
                return None  # text has indices too
            try:
                found = found.content[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def nearest(self, path: tuple[Any, ...]) -> "Value":
        """The value at the longest beginning of a path that leads to one."""
        found = self
        for step in path:
            if (inner := found.get(step)) is None:
                break
            found = inner
        return found

    def items(self) -> Iterator[tuple[Any, "Value"]]:
        """The entries of a mapping; none of anything else."""
        if isinstance(self.content, dict):
            yield from self.content.items()


@dataclass
class Source:
    """Reads YAML files.

    Attributes:
        files: those that it was asked to read, in order.
        mistakes: what is wrong with them, without repetitions.
    """

    files: list[Path] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)

    def refuse(self, place: Place, message: str) -> None:
        """Notes a mistake."""
        if (mistake := Mistake(place, message)) not in self.mistakes:
            self.mistakes.append(mistake)

    def read(self, path: Path, named_at: Place | None = None) -> Value | None:
        """A file's one document; None, and a mistake, where it cannot be read.

        Args:
            named_at: where another file names this one; a file that cannot be opened is a mistake
                there.
        """
        self.files.append(path)
        try:
            text = path.read_text(encoding="utf-8")
            node = _compose(text)
        except OSError as error:
            self.refuse(named_at or Place(path), f"cannot read {str(path)!r}: {error.strerror}")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self.refuse(Place(path, line), f"is not UTF-8: {error.reason}")
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            self.refuse(Place(path, line), f"is not YAML: {error.reason}")
        except yaml.MarkedYAMLError as error:
            self.refuse(_marked(path, error), f"is not YAML: {_problem(error)}")
        else:
            if node is not None:
                return self._value(node, path, Place(path, node.start_mark.line + 1), ())
            self.refuse(Place(path, 1), "is empty")
        return None

    def _value(self, node: yaml.Node, path: Path, place: Place, within: tuple[int, ...]) -> Value:
        if id(node) in within:
            self.refuse(place, "contains itself, by way of an alias")
            return Value(None, place)
        within = (*within, id(node))
        if isinstance(node, yaml.MappingNode) and node.tag == MAP:
            return Value(self._mapping(node, path, within), place)
        if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE:
            items = [
                self._value(item, path, Place(path, item.start_mark.line + 1), within)
                for item in node.value
            ]
            return Value(items, place)
        return Value(self._scalar(node, place), place)

    def _mapping(
        self, node: yaml.MappingNode, path: Path, within: tuple[int, ...]
    ) -> dict[Any, Value]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            place = Place(path, key_node.start_mark.line + 1)
            key = self._scalar(key_node, place)
            if key_node.tag != MERGE and key in lines:
                self.refuse(place, f"{key!r} stands there twice, first on line {lines[key]}")
            lines.setdefault(key, key_node.start_mark.line + 1)
        try:
            yaml.SafeLoader("").flatten_mapping(node)
        except yaml.MarkedYAMLError as error:
            self.refuse(_marked(path, error), _problem(error))
        content: dict[Any, Value] = {}
        for key_node, value_node in node.value:
            place = Place(path, key_node.start_mark.line + 1)
            content[self._scalar(key_node, place)] = self._value(value_node, path, place, within)
        return content

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        """A value as PyYAML's safe loader makes it; None, and a mistake, where it makes none."""
        if node.tag == MERGE:
            return "<<"
        if not isinstance(node, yaml.ScalarNode):
            self.refuse(place, f"{node.tag!r} is not understood here; use plain text")
            return None
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.MarkedYAMLError, ValueError) as error:
            why = _problem(error) if isinstance(error, yaml.MarkedYAMLError) else str(error)
            self.refuse(place, f"{node.value!r} cannot be read: {why}")
            return None


def _compose(text: str) -> yaml.Node | None:
    """The document's nodes: from libyaml, six times as fast; its mistakes, better, from PyYAML."""
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _marked(path: Path, error: yaml.MarkedYAMLError) -> Place:
    mark = error.problem_mark or error.context_mark
    return Place(path, mark.line + 1 if mark else 1)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's message, and the line on which the broken part began if that is another line."""
    parts = [part for part in (error.context, error.problem) if part]
    began, ended = error.context_mark, error.problem_mark
    since = (
        f" (begun on line {began.line + 1})" if began and ended and began.line != ended.line else ""
    )
    return ", ".join(parts) + since
