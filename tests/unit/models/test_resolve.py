"""From what the user chose to a model file, and what an unlucky choice is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.engine.interface import ModelMissing
from mellum_lsp.models import resolve as resolving
from mellum_lsp.models.resolve import ENVIRONMENT_VARIABLE, resolve
from mellum_lsp.models.store import all_pulled, pulled, store_folder


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with an embedded model, and a data directory of our own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "nano-135m.gguf").touch()
    monkeypatch.setattr(resolving, "shipped_file", lambda name: folder / name)
    return folder


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    path = tmp_path / "My Model.Q4_0.gguf"
    path.touch()
    return path


def pull(name: str) -> Path:
    folder = store_folder() / name
    folder.mkdir(parents=True)
    path = folder / "weights.Q8_0.gguf"
    path.touch()
    return path


@pytest.mark.parametrize("choice", [None, "", "  ", "nano-135m", "Nano-135M"])
def test_nothing_chosen_is_the_embedded_model(choice: str | None, shipped: Path) -> None:
    chosen = resolve(choice)
    assert (chosen.name, chosen.path) == ("nano-135m", shipped / "nano-135m.gguf")


def test_a_path_is_taken_as_it_is(own_model: Path) -> None:
    chosen = resolve(str(own_model))
    assert (chosen.name, chosen.path) == ("My Model.Q4_0", own_model)


def test_a_path_may_begin_in_the_home_directory(own_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(own_model.parent))
    assert resolve(f"~/{own_model.name}").path == own_model


def test_a_bare_file_name_means_the_current_directory(
    own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_model.parent)
    assert resolve(own_model.name).path == own_model


def test_the_environment_chooses_where_the_user_did_not(own_model: Path) -> None:
    environment = {ENVIRONMENT_VARIABLE: str(own_model)}
    assert resolve(None, environment).path == own_model
    assert resolve("nano-135m", environment).name == "nano-135m"


def test_a_pulled_model_is_found_by_its_name() -> None:
    path = pull("mellum-4b-base")
    assert resolve("mellum-4b-base").path == path
    assert all_pulled() == {"mellum-4b-base": path}


def test_an_unfinished_download_is_not_a_model() -> None:
    pull("mellum-4b-base").rename(store_folder() / "mellum-4b-base" / "weights.Q8_0.gguf.part")
    assert pulled("mellum-4b-base") is None
    assert all_pulled() == {}


def test_nothing_is_pulled_at_first() -> None:
    assert all_pulled() == {}


@pytest.mark.parametrize(
    ("choice", "message", "hint"),
    [
        ("mellum-4b-base", "has not been pulled", "give the path of a .gguf that you have"),
        ("mellum-4b", "no model called 'mellum-4b'", "did you mean mellum-4b-"),
        ("zzz", "no model called 'zzz'", "`mellum-lsp models list`"),
        ("/nowhere/model.gguf", "no model file at /nowhere/model.gguf", "path of a .gguf file"),
        ("/", "/ is a folder", "path of a .gguf file in it"),
    ],
)
def test_what_cannot_be_found_is_explained_with_a_hint(choice: str, message: str, hint: str) -> None:
    with pytest.raises(ModelMissing) as raised:
        resolve(choice)
    said, separator, advice = str(raised.value).partition("\nhint: ")
    assert separator and message in said and hint in advice


def test_a_package_without_its_embedded_model_says_so(shipped: Path) -> None:
    (shipped / "nano-135m.gguf").unlink()
    with pytest.raises(ModelMissing, match=r"embedded model nano-135m is not at .*\nhint: reinstall"):
        resolve(None)
