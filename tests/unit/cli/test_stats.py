"""What completion was worth, told from this machine's own events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mellum_lsp.cli import cli
from mellum_lsp.domain import Marker, Part
from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.preferences import Preference, PreferenceStore
from mellum_lsp.feedback.store import FeedbackStore
from mellum_lsp.models.resolve import resolve
from training.pairs import read_pairs
from training.tokens import Tokeniser


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["stats", *arguments], catch_exceptions=False)


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    store = FeedbackStore()
    for number in range(4):
        store.record(Event(Kind.SHOWN, str(number), "python", "nano-135m", 12, 1, 0.8, 20.0, source="model"))
    store.record(Event(Kind.ACCEPTED, "0", "python", "nano-135m", 12, 1, 0.8, 20.0, source="model"))
    store.record(Event(Kind.TYPED, "", "python", characters=36))
    store.close()


@pytest.mark.usefixtures("counted")
def test_the_figures_as_a_table_and_as_json() -> None:
    assert "25.0%" in run().output
    found = json.loads(run("--json").stdout)
    assert found["overall"]["acceptance_rate"] == 0.25
    assert found["overall"]["ratio_of_completed_code"] == 0.25
    assert found["by"]["language"]["python"]["shown"] == 4
    assert set(found["by"]) == {"language", "model", "kind", "form", "source"}


@pytest.mark.usefixtures("counted")
def test_the_page_works_offline(tmp_path: Path) -> None:
    page = tmp_path / "stats.html"
    assert run("--html", str(page)).exit_code == 0
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 2 and "<script" not in html
    assert 'src="http' not in html and 'href="http' not in html.replace("http://www.w3.org", "")


@pytest.mark.usefixtures("counted")
def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    result = run("--html", str(tmp_path / "nowhere" / "stats.html"))
    assert result.exit_code == 1 and "nowhere" in result.output


@pytest.mark.usefixtures("counted")
def test_everything_is_forgotten_on_request() -> None:
    assert json.loads(run("clear", "--json").stdout) == {"forgotten_events": 6}
    assert "Nothing was counted yet" in run().output


def test_a_fresh_machine_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert "Nothing was counted yet" in run().output
    assert json.loads(run("--json").stdout)["overall"]["shown"] == 0
    assert run("clear").exit_code == 0


@pytest.fixture
def collected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One suggestion that was refused, and one for a model with other control tokens."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for marker in ("fim_prefix", "|fim_prefix|"):
        prompt = (
            Part("prefix", "a.py", (Marker(f"<{marker}>"), "x = <fim_middle>")),
            Part("middle", "", (Marker(f"<{marker.replace('prefix', 'middle')}>"),)),
        )
        PreferenceStore().add(Preference("m", "python", "dismissed", prompt, "compute(1)", "other(2)"))


@pytest.mark.usefixtures("collected")
def test_preferences_are_exported_as_training_reads_them(tmp_path: Path) -> None:
    """Token for token what the training tokenises: control tokens from markers, never from text."""
    folder = tmp_path / "preferences"
    told = json.loads(run("export-preferences", str(folder / "0000.jsonl"), "--json").stdout)
    assert (told["records"], told["pairs"], told["other_models"]) == (2, 1, 1)
    (pair,) = read_pairs(folder)
    tokeniser = Tokeniser(resolve().path, {})
    record = PreferenceStore().read()[0]
    assert pair.prompt == tokeniser.encode_prompt(record.prompt)
    assert pair.prompt.count(tokeniser.marker("<fim_middle>")) == 1
    assert pair.chosen == [*tokeniser.encode("other(2)"), tokeniser.end]
    assert pair.rejected == [*tokeniser.encode("compute(1)"), tokeniser.end]
    assert pair.reason == "dismissed"


@pytest.mark.usefixtures("collected")
def test_preferences_are_forgotten_by_their_own_command() -> None:
    assert json.loads(run("clear", "--json").stdout) == {"forgotten_events": 0}
    assert json.loads(run("clear-preferences", "--json").stdout) == {"forgotten_records": 2}


def test_without_preferences_the_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = run("export-preferences", str(tmp_path / "out.jsonl"))
    assert result.exit_code == 1 and "collectPreferences" in result.output
    assert not (tmp_path / "out.jsonl").exists()
