"""Golden files of chunks: sources with a ruled line in front of every chunk, naming its enclosing scopes.

``python tests/unit/workspace/marked_chunks.py`` writes them anew; look at the difference before you commit.
"""

from __future__ import annotations

from pathlib import Path

from mellum_lsp.workspace.chunks import Span, cut_tree
from mellum_lsp.workspace.languages import Language, language_by_id
from mellum_lsp.workspace.parsing import parse
from mellum_lsp.workspace.settings import IndexSettings

FOLDER = Path(__file__).parents[2] / "goldens" / "chunks"
LIMITS = IndexSettings(chunk_lines=5, max_chunk_lines=9, max_chunk_characters=400)
RULE = "-------- "


def cut_chunks(text: str, language: Language | None, settings: IndexSettings) -> list[Span]:
    """The chunks of a text as the index cuts it."""
    return cut_tree(text.split("\n"), parse(text, language, settings.parse_ms / 1000), settings)


def source_of(golden: str) -> str:
    """The text that a golden was made of."""
    return "\n".join(line for line in golden.split("\n") if not line.startswith(RULE))


def marked(text: str, language: str) -> str:
    """A text with its chunks' rules; lines that belong to none (blank ones) stand as they are."""
    lines = text.split("\n")
    shown: list[str] = []
    spans = {span.start: span for span in cut_chunks(text, language_by_id(language), LIMITS)}
    for number, line in enumerate(lines):
        if number in spans:
            span = spans[number]
            scopes = " > ".join(lines[header].strip() for header in span.scope)
            shown.append(f"{RULE}{span.start + 1}-{span.end} {scopes}".rstrip())
        shown.append(line)
    return "\n".join(shown)


def main() -> None:
    for path in sorted(FOLDER.glob("*.txt")):
        path.write_text(marked(source_of(path.read_text("utf-8")), path.stem), "utf-8")


if __name__ == "__main__":
    main()
