"""``mellum/explain``: how a completion at this place comes about, generated now, every field always there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lsprotocol import types

from mellum_lsp.completion import reasons
from mellum_lsp.completion.outcome import Explanation
from mellum_lsp.domain import Caret
from mellum_lsp.lsp.methods.inline_completion import trigger_of
from mellum_lsp.lsp.requests import Later
from mellum_lsp.lsp.session import Session

METHOD = "mellum/explain"


def empty() -> dict[str, Any]:
    """The explanation of a request that came to nothing."""
    return document(Explanation(reason=str(reasons.SHUTTING_DOWN)))


def explain(session: Session, params: types.InlineCompletionParams) -> Later | dict[str, Any]:
    """Never supersedes: who asks why wants an answer to each question."""
    opened = session.open_document(params.text_document.uri)
    if opened is None:
        reason = session.why_not_open(params.text_document.uri)
        return document(Explanation(reason=reason, model=session.status.model))
    place = opened.place(params.position)
    return Later(_answer(session, session.caret(opened, place, trigger_of(params.context))))


async def _answer(session: Session, caret: Caret) -> dict[str, Any]:
    return document(await session.answers.explain(caret))


def document(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON; a chunk is told by its place and score, its text is in the prompt."""
    fields = asdict(explanation)
    fields["chunks"] = [
        {
            "path": scored.chunk.path,
            "start_line": scored.chunk.start_line,
            "end_line": scored.chunk.end_line,
            "score": scored.score,
            "strategy": scored.strategy,
            "form": "compressed" if scored.whole else "full",
        }
        for scored in explanation.chunks
    ]
    return fields
