"""A warning fails its test; ignored are those of named modules, or in a library's own words."""

import tomllib

from deployments.paths import ROOT

OURS = (
    "deployments",
    "training",
    "evaluation",
    "loadtest",
    "k8s",
    "requirements",
    "tests",
    "graph",
)


def test_no_warning_is_ignored_but_of_a_named_module_or_in_the_words_of_a_library():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    first, *ignored = settings["pytest"]["ini_options"]["filterwarnings"]
    assert first == "error"
    for line in ignored:
        action, message, category, module = (*line.split(":"), "")[:4]
        assert action == "ignore"
        assert category
        assert module or message
        assert not module.startswith(OURS)
