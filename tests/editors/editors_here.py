"""Where the editors of the tests, their server and its model are, and what servers recorded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mellum_lsp.feedback.events import Kind
from mellum_lsp.feedback.store import FeedbackStore

REPOSITORY = Path(__file__).resolve().parents[2]
EDITORS = REPOSITORY / ".cache" / "editors"
EMBEDDED_MODEL = REPOSITORY / "models" / "nano-135m.gguf"


SERVER = Path(sys.executable).with_name("mellum-lsp")

NEOVIMS = {"0.12": "nvim", "0.11": "nvim-0.11", "0.10": "nvim-0.10"}
every_neovim = pytest.mark.parametrize("version", NEOVIMS)


def is_ready(recording: Path) -> bool:
    """Whether the server whose session is recorded there has said that it is ready."""
    text = recording.read_text("utf-8") if recording.exists() else ""
    entries = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    said = [entry["message"] for entry in entries if entry.get("from") == "server"]
    statuses = [one["params"] for one in said if one.get("method") == "mellum/status"]
    return bool(statuses) and statuses[-1]["state"] == "ready"


def recorded(state_home: Path) -> list[tuple[str, int]]:
    """What servers recorded under this ``XDG_STATE_HOME``: kind and characters, without what was typed."""
    events = FeedbackStore(state_home / "mellum-lsp" / "feedback.sqlite3").read()
    return [(event.kind.value, event.characters) for event in events if event.kind is not Kind.TYPED]
