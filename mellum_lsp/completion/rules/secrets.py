"""Literals that look like keys or passwords: invented they are useless, remembered from elsewhere worse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from mellum_lsp.completion.boundaries import cut_back
from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import SECRET
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret
from mellum_lsp.workspace.secrets import holds_secret

_QUOTED = re.compile(r"[\"'`][^\"'`]*")
_LONG = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_DIGEST = re.compile(r"\b(?:[0-9a-f]{24,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.IGNORECASE)
_PASSWORD = re.compile(
    r"(?i)(?:password|passwd|passphrase|secret|api_?key|access_?key|auth_?token)\w*[\"']?\s*(?:[:=]|=>|:=)\s*"
    r"[\"'](?=[^\"'\s]*\d)(?=[^\"'\s]*[a-z])([^\"'\s$%{<]{6,})[\"']"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")
_CHANGES_IN_TWENTY = 4
"""So many changes between letters, digits and cases in twenty characters are no words."""


def cut_secrets(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the first line with a key or password that the document does not hold itself."""
    around = look(caret)
    typed = around.line_before
    begin = 0
    for number, line in enumerate(draft.text.split("\n")):
        full = typed + line if not number else line
        if any(secret not in caret.text for secret in _secrets_in(full)):
            return shortened(draft, cut_back(draft.text, max(0, begin - 1), around), SECRET)
        begin += len(line) + 1
    return draft


def holds_secrets(text: str) -> bool:
    """Whether any line of ``text`` has what looks like a key or password."""
    return any(True for line in text.split("\n") for _ in _secrets_in(line))


def _secrets_in(line: str) -> Iterator[str]:
    if holds_secret(line) or _PRIVATE_KEY.search(line):
        yield line
    yield from (found.group(1) for found in _PASSWORD.finditer(line))
    yield from (found.group() for found in _DIGEST.finditer(line) if not found.group().isdigit())
    for string in _QUOTED.finditer(line):
        yield from (found.group() for found in _LONG.finditer(string.group()) if _looks_random(found.group()))


def _looks_random(word: str) -> bool:
    """As keys and base64 do: letters, digits and cases mixed too often for names."""
    if sum(character.isdigit() for character in word) < 3:
        return False
    kinds = ["0" if c.isdigit() else "a" if c.islower() else "A" if c.isupper() else "-" for c in word]
    changes = sum(
        one != two and "-" not in (one, two) and (one, two) != ("A", "a") for one, two in pairwise(kinds)
    )
    return changes * 20 >= _CHANGES_IN_TWENTY * len(word)
