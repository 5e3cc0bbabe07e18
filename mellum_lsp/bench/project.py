"""A repository as the server sees it: the files that it would index, and the index with one file open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.retrieval.interface import Listener
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.ranking import RankSettings
from mellum_lsp.workspace.filters import Skip, read_text
from mellum_lsp.workspace.languages import find_language
from mellum_lsp.workspace.settings import IndexSettings
from mellum_lsp.workspace.walk import Walker

WHOLE = "whole"


@dataclass(frozen=True)
class Project:
    """``files`` holds the text of every file that the server would index, by path, in the order of paths."""

    name: str
    root: Path
    files: Mapping[str, str]

    @classmethod
    def read(cls, root: Path, name: str = "", settings: IndexSettings | None = None) -> Project:
        """Reads a folder by the server's own rules: ignored, generated and secret files stay out."""
        settings = settings or IndexSettings()
        files: dict[str, str] = {}
        for found in Walker(root, settings).walk():
            text = read_text(root / found.path, settings)
            if not isinstance(text, Skip):
                files[found.path] = text
        root = root.resolve()
        return cls(name or root.name, root, dict(sorted(files.items())))

    def index(self) -> ProjectIndex:
        """All files indexed as they are on disk."""
        index = ProjectIndex()
        index.add_all(self.files.items(), str(self.root))
        return index

    def caret(self, path: str, text: str, offset: int) -> Caret:
        """A caret in ``path`` as an editor has it open with ``text``."""
        language = find_language(path)
        return Caret(
            path=path,
            language=language.id if language else "plaintext",
            text=text,
            offset=offset,
            root=str(self.root),
            document=(self.root / path).as_uri(),
        )

    @contextmanager
    def opened(self, index: ProjectIndex, caret: Caret) -> Iterator[None]:
        """The index while ``caret``'s document is open: its own text stands in it, not that on disk."""
        index.add(caret.path, caret.text, str(self.root))
        index.mark_open(caret.path, str(self.root))
        try:
            yield
        finally:
            index.mark_closed(caret.path, str(self.root))
            index.add(caret.path, self.files[caret.path], str(self.root))


class RankedContext:
    """A `ContextSource` over an index that stands still, ranked by a mix that is told by name.

    ``mix`` is what `RankSettings.of` reads; with the word ``whole`` in it no chunk is ever compressed. Raises
    `ValueError` where it names no strategy.
    """

    def __init__(self, index: ProjectIndex, mix: str) -> None:
        self._index = index
        self._compresses = WHOLE not in mix.split()
        self._settings = ranking_of(mix)

    @property
    def generation(self) -> int:
        return 0

    def query(self, caret: Caret, limit: int = 24) -> list[ScoredChunk]:
        return self._index.query(caret, limit, self._settings)

    def on_change(self, listener: Listener) -> Callable[[], None]:
        return lambda: None

    def is_gone(self, chunk: Chunk) -> bool:
        return False

    def compressed(self, chunk: Chunk) -> Chunk | None:
        return self._index.compressed(chunk) if self._compresses else None


def ranking_of(mix: str) -> RankSettings:
    """The ranking that ``mix`` names; raises `ValueError` where it names no strategy."""
    return RankSettings.of(" ".join(word for word in mix.split() if word != WHOLE))


def code_files(files: Iterable[str]) -> list[str]:
    """The paths whose language has a syntax to choose holes by, without tests."""
    from mellum_lsp.bench.syntax import has_syntax

    return [path for path in files if has_syntax(find_language(path)) and not is_test(path)]


def is_test(path: str) -> bool:
    """Whether a path looks like a test's, in any language."""
    *folders, name = f"/{path}".lower().split("/")
    stem = name.partition(".")[0]
    return (
        bool({"test", "tests", "testdata", "__tests__", "spec", "fixtures"} & set(folders))
        or stem.startswith("test_")
        or stem.endswith(("_test", "_spec"))
        or ".test." in name
        or ".spec." in name
        or path.rpartition("/")[2].partition(".")[0].endswith(("Test", "Tests", "Spec"))
    )
