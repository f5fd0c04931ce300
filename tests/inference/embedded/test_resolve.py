"""A model's name becomes a folder that exists, a hub id, or an error that says what there is."""

from pathlib import Path

import pytest

from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import EMBEDDED, cache_folder, resolve
from deployments.paths import ROOT, SHIPPED


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAFELIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_unknown_embedded_model_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigurationError, match="'unicorn'") as refused:
        resolve("embedded:unicorn")
    assert all(name in str(refused.value) for name in EMBEDDED)


@pytest.mark.parametrize("name", ["classifier", "transformation", "head", "names"])
def test_model_that_is_shipped_whole_is_used_where_it_lies(name):
    assert resolve(f"embedded:{name}") == str(SHIPPED / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["diffusion", "edit", "cnn"])
def test_assembled_model_lies_in_the_named_cache(cache, name):
    folder = Path(resolve(f"embedded:{name}"))
    assert folder.is_relative_to(cache)
    assert any(folder.iterdir())


def test_cache_is_the_users_own_where_none_is_named(monkeypatch):
    monkeypatch.delenv("SAFELIGHT_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "safelight"


def test_local_folder_is_relative_to_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve("models/miniature/head") == str(ROOT / "models" / "miniature" / "head")
    assert resolve(str(tmp_path)) == str(tmp_path)


def test_hub_id_is_left_alone():
    assert resolve("stabilityai/sdxl-turbo") == "stabilityai/sdxl-turbo"
