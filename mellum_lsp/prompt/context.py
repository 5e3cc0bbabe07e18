"""How the chunks of the project that a prompt holds become files, and those of one file one text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mellum_lsp.domain import Chunk, ScoredChunk
from mellum_lsp.prompt.dialects.base import ContextFile


def context_files(chunks: Sequence[ScoredChunk]) -> tuple[ContextFile, ...]:
    """The chunks (best first) as files, the file with the best chunk last: it stands nearest the caret."""
    by_path: dict[str, list[Chunk]] = {}
    for scored in chunks:
        by_path.setdefault(scored.chunk.path, []).append(scored.chunk)
    return tuple(ContextFile(path, file_text(of_file)) for path, of_file in reversed(by_path.items()))


def file_text(chunks: Iterable[Chunk]) -> str:
    """Chunks of one file in file order: no line twice, a blank line where lines are left out.

    A chunk comes under the headers of the definitions around it, unless they were shown already. Compressed
    chunks overlap no others: their lines are not those of the file.
    """
    lines: list[str] = []
    shown_until = 0
    scope: tuple[str, ...] = ()
    for chunk in sorted(chunks, key=lambda chunk: (chunk.start_line, -chunk.end_line)):
        fresh = chunk.text.removesuffix("\n").split("\n")[max(0, shown_until - chunk.start_line + 1) :]
        if not fresh:
            continue
        if lines and chunk.start_line > shown_until + 1:
            lines.append("")
        lines += _missing_headers(chunk.scope, scope, lines)
        lines += fresh
        shown_until = max(shown_until, chunk.end_line)
        scope = chunk.scope
    return "\n".join(lines)


def _missing_headers(scope: Sequence[str], above: Sequence[str], lines: Sequence[str]) -> list[str]:
    """The headers of ``scope`` that neither the chunk above had nor the text so far shows."""
    known = 0
    while known < len(scope) and (
        scope[known : known + 1] == above[known : known + 1] or scope[known] in lines
    ):
        known += 1
    return list(scope[known:])
