"""Which adapter serves in which workspace."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mellum_lsp.models.adapters import (
    AdapterRecord,
    activate,
    adapter_around,
    adapters_folder,
    deactivate,
    folder_of,
    record_of,
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "src").mkdir(parents=True)
    return folder


def tuned(workspace: Path, text: str = "weights", file: str = "one.gguf") -> Path:
    adapter = workspace.parent / "new.gguf"
    adapter.write_text(text)
    record = AdapterRecord(
        workspace=str(workspace.resolve()), file=file, model="nano-135m", model_fingerprint="f", made=1.0
    )
    return activate(adapter, record)


def test_it_serves_in_its_workspace_and_in_the_folders_below(workspace: Path, tmp_path: Path) -> None:
    assert adapter_around(workspace) is None
    path = tuned(workspace)
    for folder in (workspace, workspace / "src"):
        found = adapter_around(folder)
        assert found is not None
        assert found[1] == path
        assert found[0].model == "nano-135m"
    assert adapter_around(tmp_path) is None
    assert adapter_around(tmp_path / "shop2") is None


def test_the_nearest_one_serves(workspace: Path) -> None:
    tuned(workspace)
    inner = tuned(workspace / "src", "inner")
    found = adapter_around(workspace / "src")
    assert found is not None
    assert found[1] == inner


def test_a_new_one_takes_the_place_of_the_old(workspace: Path) -> None:
    old = tuned(workspace)
    new = tuned(workspace, "better", "two.gguf")
    assert not old.exists()
    found = adapter_around(workspace)
    assert found is not None
    assert found[1] == new
    assert new.read_text() == "better"


def test_it_can_be_taken_back(workspace: Path) -> None:
    tuned(workspace)
    record = deactivate(workspace)
    assert record is not None
    assert record.file == "one.gguf"
    assert adapter_around(workspace) is None
    assert not folder_of(workspace).exists()
    assert deactivate(workspace) is None


def test_it_is_for_the_user_alone(workspace: Path) -> None:
    tuned(workspace)
    assert stat.S_IMODE(folder_of(workspace).stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"{", b'{"workspace": 3}'])
def test_a_damaged_record_counts_as_none(workspace: Path, damage: bytes) -> None:
    tuned(workspace)
    (folder_of(workspace) / "record.json").write_bytes(damage)
    assert record_of(workspace) is None
    assert adapter_around(workspace) is None


def test_a_record_without_its_adapter_counts_as_none(workspace: Path) -> None:
    tuned(workspace).unlink()
    assert adapter_around(workspace) is None


def test_a_workspace_reached_by_a_link_is_the_same(workspace: Path, tmp_path: Path) -> None:
    tuned(workspace)
    link = tmp_path / "link"
    link.symlink_to(workspace)
    assert adapter_around(link) is not None
    assert adapters_folder().is_dir()
