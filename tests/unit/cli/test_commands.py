"""The contracts of the command line: exit codes, one JSON document, errors that say what to do next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from scripted import scripted

from mellum_lsp.cli import cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "sums.py").write_text("def add(left, right):\n    🧮 = 'é'; return \n", encoding="utf-8")
    return tmp_path


def all_commands() -> list[list[str]]:
    found = []
    for name, command in cli.commands.items():
        found.append([name])
        found += [[name, inner] for inner in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: mellum-lsp {command[0]}" in result.output


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nowhere.py:1:1", "there is no file"),
        ("sums.py", "is not FILE:LINE:COL"),
        ("sums.py:0:1", "is not FILE:LINE:COL"),
        ("sums.py:x:1", "is not FILE:LINE:COL"),
        ("sums.py:9:1", "has 3 lines, not 9"),
        ("sums.py:1:23", "COL is at most 22"),
    ],
)
def test_a_wrong_place_is_wrong_usage(
    project: Path, monkeypatch: pytest.MonkeyPatch, target: str, complaint: str
) -> None:
    monkeypatch.chdir(project)
    result = run("complete", target)
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_missing_model_fails_with_a_hint(project: Path) -> None:
    result = run("complete", f"{project / 'sums.py'}:1:1", "--model", str(project / "none.gguf"))
    assert result.exit_code == 1
    assert "none.gguf" in result.output
    assert "hint:" in result.output


def test_a_failure_is_one_json_document_too(project: Path) -> None:
    result = run("complete", f"{project / 'sums.py'}:1:1", "--model", str(project / "none.gguf"), "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert "none.gguf" in document["error"]
    assert "hint" not in document["error"]
    assert "models list" in document["hint"]
    assert "none.gguf" in result.stderr


def test_an_unknown_model_name_is_told_which_there_are(project: Path) -> None:
    result = run("models", "show", "gpt-9")
    assert result.exit_code == 2
    assert "nano-135m" in result.output


def test_a_broken_model_is_not_verified(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 10)
    result = run("models", "verify", str(broken))
    assert result.exit_code == 1
    assert "hint:" in result.output


def test_models_are_listed_as_one_json_document() -> None:
    result = run("models", "list", "--json")
    models = json.loads(result.stdout)["models"]
    assert models[0]["name"] == "nano-135m"
    assert {"name", "licence", "path", "fits", "size_gb"} <= set(models[0])


def test_the_index_is_reported_as_one_json_document(project: Path) -> None:
    result = run("index", str(project), "--json")
    report = json.loads(result.stdout)
    assert set(report) >= {"files", "chunks", "bytes", "seconds", "rss_mb", "skipped"}
    assert report["chunks"] >= 1


@pytest.mark.parametrize("address", ["9257", "localhost:", "localhost:http", "localhost:70000"])
def test_a_wrong_address_is_wrong_usage(address: str) -> None:
    assert run("serve", "--tcp", address).exit_code == 2


def test_only_one_transport_can_be_chosen() -> None:
    assert run("serve", "--stdio", "--tcp", "127.0.0.1:1").exit_code == 2


def test_a_completion_is_one_json_document_with_every_field(project: Path) -> None:
    """COL counts characters: the emoji before the caret is one."""
    script = scripted(project, [{"after": "return ", "text": "left + right"}])
    result = run("complete", f"{project / 'sums.py'}:2:21", "--model", script, "--json")
    document = json.loads(result.stdout)
    assert document["text"] == "left + right"
    assert document["reason"] == ""
    assert set(document["timings"]) == {"total_ms", "retrieval_ms", "prefill_ms", "decode_ms"}
    assert set(document["tokens"]) >= {"prompt", "reused", "generated"}
    assert set(document) >= {"model", "confidence", "chunks"}


def test_the_environment_names_a_script_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = scripted(project, [{"after": "return ", "text": "left + right"}])
    monkeypatch.setenv("MELLUM_LSP_MODEL", script)
    result = run("complete", f"{project / 'sums.py'}:2:21", "--json")
    assert json.loads(result.stdout)["text"] == "left + right"


def test_nothing_to_show_has_a_reason_and_is_no_failure(project: Path) -> None:
    script = scripted(project, [])
    result = run("complete", f"{project / 'sums.py'}:2:21", "--model", script, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert document["text"] == ""
    assert document["reason"]


@pytest.mark.parametrize("name", [".env", "ignored.py", ".aws/config"])
def test_secrets_and_ignored_files_are_not_read_into_a_prompt(project: Path, name: str) -> None:
    (project / ".gitignore").write_text("ignored.py\n", encoding="utf-8")
    (project / ".aws").mkdir()
    (project / name).write_text("return ", encoding="utf-8")
    script = scripted(project, [{"after": "return ", "text": "left + right"}])
    result = run("complete", f"{project / name}:1:8", "--model", script, "--json")
    document = json.loads(result.stdout)
    assert (document["text"], document["reason"]) == ("", "excluded file")


def test_the_demo_shows_a_completion_of_the_embedded_model_and_why() -> None:
    """The README's first promise, over a real LSP session with the model that ships."""
    result = run("demo", "--json")
    seen = json.loads(result.stdout)
    assert result.exit_code == 0
    assert seen["model"] == "nano-135m"
    assert seen["text"].strip()
    assert seen["explanation"]["prompt"].endswith("product = self._catalog.<fim_middle>")
    assert [chunk["path"] for chunk in seen["explanation"]["chunks"]] == ["shop/catalog.py"]
