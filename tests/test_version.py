"""The version is the same wherever it stands."""

import re
import tomllib

from deployments.paths import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_the_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == VERSION


def test_the_cluster_runs_the_image_of_this_version():
    files = [*(ROOT / "k8s").rglob("*.yaml"), ROOT / "k8s" / "Dockerfile"]
    tags = {
        tag
        for file in files
        for tag in re.findall(r"safelight:([\d.]+)-", file.read_text(encoding="utf-8"))
    }
    assert tags == {VERSION}
