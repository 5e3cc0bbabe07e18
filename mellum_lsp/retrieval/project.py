"""The index of a project as a pure class: files in, ranked chunks out. No disk, no thread, no clock.

Training uses it as it is; the server keeps one live through `mellum_lsp.retrieval.live`. Writers need to be
serialised by the caller; `query` may run beside a writer in any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mellum_lsp.domain import Caret, Chunk, ScoredChunk
from mellum_lsp.retrieval.analysis import Batch, FileEntry, SetTable, Source, Stamp, analyse
from mellum_lsp.retrieval.cut_files import CutFiles
from mellum_lsp.retrieval.interface import Listener
from mellum_lsp.retrieval.iou import IouIndex, with_room
from mellum_lsp.retrieval.path_distance import FolderTree
from mellum_lsp.retrieval.ranking import RankSettings, rank
from mellum_lsp.workspace.settings import IndexSettings

FileKey = tuple[str, str]
"""Workspace folder and path in it."""

_RENUMBER_FROM_CHUNKS = 2048
_LATELY_CLOSED = 16


@dataclass(frozen=True, slots=True)
class Placed:
    """A file in the index: its folder, its entry and the number of its first chunk."""

    root: str
    entry: FileEntry
    first_chunk: int

    @property
    def key(self) -> FileKey:
        return self.root, self.entry.path


@dataclass(frozen=True, slots=True)
class View:
    """All that a query reads, replaced as a whole. ``file_of_chunk`` gives the place in ``files``, or -1."""

    tokens: IouIndex
    lines: IouIndex
    names: IouIndex
    files: list[Placed]
    file_of_chunk: npt.NDArray[np.int32]
    places: dict[FileKey, int]
    trees: dict[str, FolderTree]
    opened: set[FileKey]
    closed: dict[FileKey, None]
    """The files that were open in the editor until lately, the latest at the end."""

    def recent(self) -> set[FileKey]:
        """The files that the user has or had before his eyes lately.

        What merely changed on disk is not among them: the same files give the same answers, however they came
        to be.
        """
        return {*tuple(self.opened), *tuple(self.closed)}


@dataclass(frozen=True, slots=True)
class Saved:
    """A whole index as one batch, with the folder of each of its files."""

    roots: list[str]
    batch: Batch


class ProjectIndex:
    """Files by path; add a file again to replace it."""

    def __init__(
        self, settings: IndexSettings | None = None, rank_settings: RankSettings | None = None
    ) -> None:
        self._settings = settings or IndexSettings()
        self._rank_settings = rank_settings or RankSettings()
        self._dead_chunks = 0
        self._chunks = 0
        self._text_bytes = 0
        self.generation = 0
        self._listeners: tuple[Listener, ...] = ()
        self._cut_files = CutFiles()
        self._view = _empty_view()

    @property
    def files(self) -> int:
        return len(self._view.places)

    @property
    def chunks(self) -> int:
        return self._chunks - self._dead_chunks

    @property
    def bytes(self) -> int:
        """Of indexed text, as UTF-8."""
        return self._text_bytes

    def roots(self) -> set[str]:
        """The folders of which there are files."""
        return {root for root, _ in list(self._view.places)}

    def stamps(self, root: str = "", below: str = "") -> dict[str, Stamp]:
        """What each file of a folder, or at and below a path in it, looked like on disk when it was read."""
        view = self._view
        tree = view.trees.get(root)
        paths = [below, *tree.below(below)] if tree is not None else []
        places = ((path, view.places.get((root, path))) for path in paths)
        return {path: view.files[place].entry.stamp for path, place in places if place is not None}

    def add(self, path: str, text: str, root: str = "") -> None:
        """Indexes ``text`` as the content of ``path`` (relative, with ``/``), in place of what was there."""
        self.apply(analyse([Source(path, text)], self._settings), root)

    def add_all(self, sources: Iterable[tuple[str, str]], root: str = "") -> None:
        """Indexes many ``(path, text)`` at once, faster than one by one."""
        self.apply(analyse((Source(path, text) for path, text in sources), self._settings), root)

    def apply(self, batch: Batch, root: str = "", unwanted: Container[str] = ()) -> None:
        """Takes over files that were analysed, perhaps in another process, but for ``unwanted`` paths."""
        self._place(batch, [root] * len(batch.files), unwanted)
        self._changed()

    def remove(self, path: str, root: str = "") -> bool:
        """Forgets a file; False where it was not known."""
        known = self._forget([(root, path)])
        if known:
            self._changed()
        return bool(known)

    def remove_below(self, paths: Iterable[str], root: str = "", kept: Container[str] = ()) -> None:
        """Forgets files and all files in folders but for the ``kept`` ones, whichever each path was."""
        view = self._view
        keys: list[FileKey] = []
        for path in paths:
            if (root, path) in view.places:
                keys.append((root, path))
            elif root in view.trees:
                keys += [(root, below) for below in view.trees[root].below(path)]
        if self._forget([key for key in keys if key[1] not in kept]):
            self._changed()

    def remove_root(self, root: str) -> None:
        """Forgets all files of a workspace folder."""
        self.remove_below([""], root)

    def mark_open(self, path: str, root: str = "") -> None:
        """Says that a file is open in the editor: what the user has before his eyes counts a little more."""
        self._view.opened.add((root, path))

    def mark_closed(self, path: str, root: str = "") -> None:
        """Says that a file is open no more; it counts as one seen lately."""
        self._view.opened.discard((root, path))
        _note(self._view.closed, (root, path))

    def query(self, caret: Caret, limit: int = 24, settings: RankSettings | None = None) -> list[ScoredChunk]:
        """The most relevant chunks, best first; see `mellum_lsp.retrieval.ranking`."""
        return rank(self._view, self._cut_files, caret, limit, settings or self._rank_settings)

    def is_gone(self, chunk: Chunk) -> bool:
        """Whether what ``chunk`` says no longer stands in its file, of whichever folder."""
        return not any(self._cut_files.says(entry, chunk.text) for entry in self._entries(chunk.path))

    def compressed(self, chunk: Chunk) -> Chunk | None:
        """The compressed form of a chunk that a query found; see `CutFiles.compressed`."""
        for entry in self._entries(chunk.path):
            number = self._cut_files.number_of(entry, chunk)
            if number is not None:
                return self._cut_files.compressed(entry, number)
        return None

    def on_change(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` after every change, in the thread that made it; returns what ends that."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return end

    def all_chunks(self) -> Iterator[Chunk]:
        """Every chunk, by folder, path and line: what two equal indexes have in common."""
        files = self._view.files
        for key in sorted(self._view.places):
            placed = files[self._view.places[key]]
            for number in range(placed.entry.chunks):
                yield self._cut_files.chunk(placed.entry, number)

    def saved(self) -> Saved:
        """All that is needed to have the same index again, without what is dead."""
        return self.frozen()()

    def frozen(self) -> Callable[[], Saved]:
        """What will give `saved` of this moment, in any thread and whatever changes meanwhile; quick."""
        view = self._view
        numbers, _ = self._numbers_of_living()
        files = [view.files[place] for place in view.places.values()]
        indexes = [index.frozen() for index in (view.tokens, view.lines, view.names)]

        def saved() -> Saved:
            files.sort(key=lambda placed: placed.first_chunk)
            entries = tuple(placed.entry for placed in files)
            tables = [SetTable(*index.exported(numbers)) for index in indexes]
            return Saved([placed.root for placed in files], Batch(entries, *tables))

        return saved

    def restore(self, saved: Saved) -> None:
        """Takes over what `saved` gave, into an empty index."""
        self._place(saved.batch, saved.roots)
        self._changed()

    def _entries(self, path: str) -> list[FileEntry]:
        """The file at ``path`` of every folder that has one."""
        view = self._view
        places = [view.places.get((root, path)) for root in tuple(view.trees)]
        return [view.files[place].entry for place in places if place is not None]

    def _changed(self) -> None:
        self.generation += 1
        for listener in self._listeners:
            listener()

    def _place(self, batch: Batch, roots: list[str], unwanted: Container[str] = ()) -> None:
        """Adds files. Those that they replace go afterwards, so that no query finds neither."""
        view = self._view
        first = _append(view.tokens, batch.tokens)
        _append(view.lines, batch.lines)
        _append(view.names, batch.names)
        file_of_chunk = with_room(view.file_of_chunk, self._chunks, self._chunks + batch.chunks, -1)
        dead: list[int] = []
        for root, entry in zip(roots, batch.files, strict=True):
            place = len(view.files)
            view.files.append(Placed(root, entry, first))
            file_of_chunk[first : first + entry.chunks] = place
            first += entry.chunks
            self._text_bytes += entry.text_bytes
            if entry.path in unwanted:
                dead.append(place)
                continue
            if (replaced := view.places.get((root, entry.path))) is not None:
                dead.append(replaced)
            view.places[root, entry.path] = place
            tree = view.trees.setdefault(root, FolderTree())
            for below in list(tree.below(entry.path)):  # a folder of that name is there no more
                dead.append(view.places.pop((root, below)))
                tree.remove(below)
            tree.add(entry.path)
        self._chunks = first
        self._view = replace(view, file_of_chunk=file_of_chunk)
        self._bury(dead)

    def _forget(self, keys: Iterable[FileKey]) -> list[int]:
        """Removes the files of which it knows; returns their places."""
        view = self._view
        dead: list[int] = []
        for root, path in keys:
            place = view.places.pop((root, path), None)
            if place is not None:
                view.trees[root].remove(path)
                dead.append(place)
        self._bury(dead)
        return dead

    def _bury(self, places: list[int]) -> None:
        """Takes the chunks of files out of the answers; drops them for good when many are dead."""
        if not places:
            return
        view = self._view
        buried = [view.files[place] for place in places]
        ranges = [np.arange(one.first_chunk, one.first_chunk + one.entry.chunks) for one in buried]
        chunks = np.concatenate(ranges)
        for index in (view.tokens, view.lines, view.names):
            index.remove(chunks)
        view.file_of_chunk[chunks] = -1
        self._text_bytes -= sum(one.entry.text_bytes for one in buried)
        self._dead_chunks += len(chunks)
        if self._dead_chunks > max(_RENUMBER_FROM_CHUNKS, self._chunks // 3):
            self._renumber()

    def _numbers_of_living(self) -> tuple[npt.NDArray[np.int64], int]:
        """The new number of every chunk, negative for dead ones, and how many live."""
        alive = self._view.file_of_chunk[: self._chunks] >= 0
        return np.where(alive, np.cumsum(alive) - 1, -1), int(alive.sum())

    def _renumber(self) -> None:
        """Drops the dead chunks. Builds all anew beside the old, which queries may still read."""
        view = self._view
        numbers, count = self._numbers_of_living()
        files: list[Placed] = []
        file_of_chunk = np.full(count, -1, np.int32)
        places: dict[FileKey, int] = {}
        for key, place in view.places.items():
            old = view.files[place]
            first = int(numbers[old.first_chunk]) if old.entry.chunks else 0
            places[key] = len(files)
            file_of_chunk[first : first + old.entry.chunks] = len(files)
            files.append(Placed(old.root, old.entry, first))
        self._view = replace(
            view,
            tokens=view.tokens.renumbered(numbers, count),
            lines=view.lines.renumbered(numbers, count),
            names=view.names.renumbered(numbers, count),
            files=files,
            file_of_chunk=file_of_chunk,
            places=places,
        )
        self._chunks, self._dead_chunks = count, 0


def _empty_view() -> View:
    names = IouIndex(use_bits=False)
    return View(IouIndex(), IouIndex(), names, [], np.empty(0, np.int32), {}, {}, set(), {})


def _note(closed: dict[FileKey, None], key: FileKey) -> None:
    """A file was closed just now; the one closed longest ago is forgotten."""
    closed.pop(key, None)
    closed[key] = None
    if len(closed) > _LATELY_CLOSED:
        del closed[next(iter(closed))]


def _append(index: IouIndex, table: SetTable) -> int:
    return index.append(table.segment, table.sizes)
