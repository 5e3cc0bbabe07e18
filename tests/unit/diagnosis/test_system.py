"""Folders, file watching and the project, as they are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.diagnosis import system
from mellum_lsp.diagnosis.project import check_project
from mellum_lsp.diagnosis.system import check_file_watching, check_folders, check_hardware, check_software
from mellum_lsp.retrieval.report import index_report
from mellum_lsp.workspace.settings import IndexSettings


@pytest.fixture(autouse=True)
def _directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))


def test_llama_cpp_says_what_it_was_built_with() -> None:
    check = check_software()
    assert check.facts["llama_features"]
    assert isinstance(check.facts["gpu_support"], bool)
    assert str(check.facts["llama_cpp_python"]) in check.detail


@pytest.mark.parametrize(("percent", "status"), [(3.0, "ok"), (80.0, "warning")])
def test_a_busy_machine_is_told_of(monkeypatch: pytest.MonkeyPatch, percent: float, status: str) -> None:
    monkeypatch.setattr(system.psutil, "cpu_percent", lambda interval: percent)
    check = check_hardware()
    assert check.status == status
    assert check.facts["processor_used_by_others"] == percent / 100


def test_folders_that_others_may_write_to_are_a_risk(tmp_path: Path) -> None:
    assert check_folders().status == "ok"
    models = tmp_path / "data" / "mellum-lsp"
    models.mkdir(parents=True)
    models.chmod(0o777)
    check = check_folders()
    assert check.status == "warning" and "data" in check.detail and "chmod" in check.hint
    assert check.facts["data"] == "drwxrwxrwx"


def test_a_folder_in_whose_place_a_file_lies_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    check = check_folders()
    assert check.status == "warning" and "cannot be written" in check.detail


@pytest.mark.parametrize(
    ("watches", "instances", "folders", "status", "hint"),
    [
        ("524288", "128", 10, "ok", ""),
        ("8192", "128", 10, "warning", "max_user_watches"),
        ("100000", "128", 90_000, "warning", "max_user_watches"),
        ("524288", "8", 10, "warning", "max_user_instances"),
        (None, None, 10, "warning", ""),
    ],
)
def test_file_watching_needs_watches_and_instances(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    watches: str | None,
    instances: str | None,
    folders: int,
    status: str,
    hint: str,
) -> None:
    monkeypatch.setattr(system, "_INOTIFY", tmp_path)
    monkeypatch.setattr(system.sys, "platform", "linux")
    for name, value in (("max_user_watches", watches), ("max_user_instances", instances)):
        if value is not None:
            (tmp_path / name).write_text(value)
    check = check_file_watching(folders)
    assert (check.status, hint in check.hint) == (status, True)


def test_the_project_is_told_before_and_after_it_was_indexed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "inner").mkdir(parents=True)
    (project / "one.py").write_text("x = 1\n")
    (project / "inner" / "two.py").write_text("y = 2\n")
    (project / ".env").write_text("TOKEN=1\n")
    before = check_project(project)
    assert (before.facts["files"], before.facts["folders"]) == (2, 2)
    assert sum(before.facts["skipped"].values()) == 1
    assert before.facts["indexed_files"] is None and "not indexed yet" in before.detail
    index_report(project, IndexSettings())
    after = check_project(project)
    assert after.facts["indexed_files"] == 2 and "kept within the last hour" in after.detail


def test_a_folder_without_code_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no code" in check_project(tmp_path / "empty").detail
