"""What an editor does, read from a recording of its session with a server that followed a script.

Pure: a recording goes in, findings come out. The editor's documents are followed as the server follows them,
so that what it tells of its suggestions can be held against what stands there.
"""

from __future__ import annotations

from mellum_lsp.conformance.editors.finding import Finding, Judge
from mellum_lsp.conformance.editors.messages import Messages
from mellum_lsp.conformance.editors.suggestions import Suggestions
from mellum_lsp.conformance.editors.texts import Texts
from mellum_lsp.conformance.recordings import Session

__all__ = ["Finding", "judge"]


def judge(session: Session, ended_at: float) -> list[Finding]:
    """What the session shows of its editor. ``ended_at`` is when it ended (of `time.time`)."""
    texts = Texts(ended_at)
    judges: list[Judge] = [Messages(), texts, Suggestions(texts)]
    for entry in session.entries:
        for one in judges:
            one.see(entry)
    return [finding for one in judges for finding in one.findings()]
