"""YAML is read as PyYAML's safe loader reads it, and every value knows its line."""

import pytest
import yaml

from deployments.policy.source import Source, Value
from tests.policy.parts import write

TEXT = """\
# a comment
name: club
flow: {a: 1, b: [x, y]}
base: &base
  kind: goat
  colour: blue
mascot:
  <<: *base
  colour: white
terms:
- knife
- 7
long: >-
  one
  two
"""


@pytest.fixture
def read(tmp_path):
    """The value of a text, and the mistakes in it with the file's bare name."""

    def value(text: str) -> tuple[Value | None, list[str]]:
        source = Source()
        found = source.read(write(tmp_path, text))
        return found, [str(m).replace(f"{tmp_path}/", "") for m in source.mistakes]

    return value


def test_values_are_those_of_pyyaml(read):
    found, mistakes = read(TEXT)
    assert mistakes == []
    assert found.plain() == yaml.safe_load(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("name",), 2),
        (("flow", "b", 1), 3),
        (("base", "colour"), 6),
        (("mascot",), 7),
        (("mascot", "kind"), 5),
        (("mascot", "colour"), 9),
        (("terms", 1), 12),
        (("long",), 13),
    ],
)
def test_a_value_knows_the_line_of_its_key_or_item(read, path, line):
    found, _ = read(TEXT)
    assert found.get(*path).place.line == line


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        (("none",), ()),
        (("name", 0), ("name",)),
        (("terms", 2), ("terms",)),
        (("terms", "knife"), ("terms",)),
        (("flow", "b", 1, "c"), ("flow", "b", 1)),
    ],
)
def test_a_path_that_leads_nowhere_gives_none_and_the_nearest_value(read, path, nearest):
    found, _ = read(TEXT)
    assert found.get(*path) is None
    assert found.nearest(path) is found.get(*nearest)


def test_a_key_given_twice_is_a_mistake_though_yaml_takes_the_last(read):
    found, mistakes = read("a: 1\nb: 2\na: 3\n")
    assert found.plain() == {"a": 3, "b": 2}
    assert mistakes == ["policy.yaml:3: 'a' stands there twice, first on line 1"]


def test_a_file_that_is_not_there_is_a_mistake_where_it_is_named(tmp_path):
    source = Source()
    assert source.read(tmp_path / "none.yaml") is None
    (mistake,) = source.mistakes
    assert str(mistake).startswith(f"{tmp_path / 'none.yaml'}: cannot read")
    assert source.files == [tmp_path / "none.yaml"]
