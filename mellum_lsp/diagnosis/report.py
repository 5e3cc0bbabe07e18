"""A report to paste into a bug report: what was found, without a word about who or where somebody is.

It holds the facts that checks call harmless, never their sentences, which name paths; of messages only what
is left when everything that looks like a path, and every name of this machine and user, is taken out.
"""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from mellum_lsp.diagnosis.candidates import Candidate
from mellum_lsp.diagnosis.examination import Diagnosis
from mellum_lsp.models.catalog import find

_PATH = re.compile(r"(?:[A-Za-z]:)?[^\s'\"(),;:]*[/\\][^'\"(),;:]*?(?=[\s'\"(),;:]|$)|[^\s'\"]+\.gguf\b")
_SHORTEST_NAME = 3
"""A user called "me" would take every such word out."""


def report(diagnosis: Diagnosis) -> str:
    """The report in Markdown."""
    lines = ["### mellum-lsp doctor", ""]
    for check in diagnosis.checks:
        lines.append(f"- **{anonymous(check.name)}**: {check.status}{_message(check.private)}")
        lines += [f"  - {name}: {_value(value)}" for name, value in check.facts.items()]
    lines += ["", f"Models, for a target of {diagnosis.target_ms} ms:", ""]
    lines += ["| model | here | prefill t/s | decode t/s | typing ms | jump ms | how |", "|" + " --- |" * 7]
    lines += [_row(one) for one in diagnosis.candidates if one.speed]
    if diagnosis.recommendation:
        lines += ["", f"Recommended: {_named(diagnosis.recommendation.model)}"]
    return "\n".join(lines) + "\n"


def anonymous(text: str, known: Iterable[str] = ()) -> str:
    """``text`` without paths, names of model files, the names of this user and machine, and what is ``known``
    to be private (a path with spaces is not seen to be one)."""
    for private in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(private, "…")
    text = _PATH.sub("…", text)
    for name in sorted(_names(), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return text


def _names() -> Iterator[str]:
    for name in (_user(), Path.home().name, socket.gethostname(), socket.gethostname().partition(".")[0]):
        if len(name) >= _SHORTEST_NAME:
            yield name


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _message(private: dict[str, Any]) -> str:
    if "message" not in private:
        return ""
    return f": {anonymous(private['message'], private.get('paths', ()))}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


def _row(one: Candidate) -> str:
    assert one.speed and one.waiting
    typing = one.waiting.typing_ms if one.typing_ms is None else one.typing_ms
    jump = one.waiting.jump_ms if one.jump_ms is None else one.jump_ms
    cells: Iterable[str] = (
        _named(one.name) + (f" as {one.quantisation}" if one.quantise else ""),
        "yes" if one.path else "no",
        f"{one.speed.prefill:.1f}",
        f"{one.speed.decode:.1f}",
        f"{typing:.0f}",
        f"{jump:.0f}",
        one.source,
    )
    return "| " + " | ".join(cells) + " |"


def _named(name: str) -> str:
    """A model of the catalogue by its name; what a user calls a model of his own is his affair."""
    return name if find(name) else "a model of one's own"
