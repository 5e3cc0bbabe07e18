"""Control tokens that leaked into the text, and bytes that are no text."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import BROKEN_TEXT
from mellum_lsp.domain import Caret

_MARKER = (
    r"<\|[a-z_]{2,24}\|>|<｜[^｜\n]{2,40}｜>"
    r"|</?(?:fim_\w{3,6}|filename|reponame|repo_name|file_sep|gh_stars|issue_\w+|jupyter_\w+|empty_output)>"
    r"|\[(?:SUFFIX|PREFIX|MIDDLE)\]"
)
_BROKEN = re.compile(rf"{_MARKER}|[\ufffd\x00-\x08\x0b-\x1f\x7f]")


def cut_broken_text(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the first control token or broken character that the document does not itself contain."""
    for found in _BROKEN.finditer(draft.text):
        if found.group() not in caret.text:
            return shortened(draft, found.start(), BROKEN_TEXT)
    return draft
