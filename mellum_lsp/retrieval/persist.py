"""The index on disk, between two sessions: believed only whole, unchanged and of this very version.

A file begins with a line of fixed length that names version and fingerprint, followed by sections: each a
length, a CRC-32 and the bytes. Whatever does not fit makes `load` answer None, and the index is built anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from platformdirs import user_cache_path

from mellum_lsp.retrieval.analysis import ANALYSIS_VERSION, Batch, FileEntry, SetTable
from mellum_lsp.retrieval.messages import Entry, pack_entry, unpack_entry
from mellum_lsp.retrieval.postings import Segment
from mellum_lsp.retrieval.project import Saved
from mellum_lsp.workspace.settings import IndexSettings

log = logging.getLogger(__name__)

FORMAT_VERSION = 2
_MAGIC = b"mellum-index "
_SECTION = struct.Struct("<QI")
_FILES_A_SECTION = 512
_MAX_SECTION_BYTES = 1 << 33


class DamagedError(Exception):
    """The file is not what was written."""


def cache_file(roots: Sequence[str]) -> Path:
    """Where the index of these folders is kept between sessions."""
    name = hashlib.blake2b("\0".join(sorted(roots)).encode("utf-8", "surrogateescape"), digest_size=16)
    return user_cache_path("mellum-lsp", appauthor=False) / "index" / f"{name.hexdigest()}.index"


def fingerprint(settings: IndexSettings) -> str:
    """Stands for everything but the files themselves that decides what the index holds."""
    decisive = (
        FORMAT_VERSION,
        ANALYSIS_VERSION,
        settings.chunk_lines,
        settings.max_chunk_lines,
        settings.max_chunk_characters,
    )
    return hashlib.blake2b(repr(decisive).encode(), digest_size=16).hexdigest()


def save(path: Path, saved: Saved, mark: str) -> None:
    """Writes the index in place of the former one, in one step. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # readable for the user alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_first_line(mark))
            for section in _sections(saved):
                file.write(_SECTION.pack(len(section), zlib.crc32(section)))
                file.write(section)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def load(path: Path, mark: str) -> Saved | None:
    """The index as it was saved; None where there is none, or it is of another make, or damaged."""
    try:
        with path.open("rb") as file:
            if file.read(len(_first_line(mark))) != _first_line(mark):
                return None
            return _read(file)
    except FileNotFoundError:
        return None
    except (OSError, DamagedError, ValueError, IndexError, msgspec.MsgspecError) as error:
        log.warning("the index cache %s is damaged and will be built anew: %s", path, error)
        with contextlib.suppress(OSError):
            path.unlink()
        return None


def _first_line(mark: str) -> bytes:
    return _MAGIC + mark.encode("ascii") + b"\n"


def _sections(saved: Saved) -> Iterator[Any]:
    batch = saved.batch
    yield msgspec.msgpack.encode([len(batch.files), batch.chunks])
    for start in range(0, len(batch.files), _FILES_A_SECTION):
        files = batch.files[start : start + _FILES_A_SECTION]
        roots = saved.roots[start : start + _FILES_A_SECTION]
        yield msgspec.msgpack.encode([roots, [pack_entry(entry) for entry in files]])
    for table in (batch.tokens, batch.lines, batch.names):
        segment = table.segment
        for array in (segment.terms, segment.offsets, segment.chunk_ids, table.sizes):
            yield np.ascontiguousarray(array).view(np.uint8).data


def _read(file: BinaryIO) -> Saved:
    files, chunks = msgspec.msgpack.decode(_section(file), type=tuple[int, int])
    roots: list[str] = []
    entries: list[FileEntry] = []
    while len(entries) < files:
        some_roots, some = msgspec.msgpack.decode(_section(file), type=tuple[list[str], list[Entry]])
        if not some or len(some_roots) != len(some):
            raise DamagedError("a section of files is empty")
        roots += some_roots
        entries += [unpack_entry(entry) for entry in some]
    tables = [_read_table(file, chunks) for _ in range(3)]
    if file.read(1) or len(entries) != files or sum(entry.chunks for entry in entries) != chunks:
        raise DamagedError("its parts do not fit together")
    return Saved(roots, Batch(tuple(entries), *tables))


def _read_table(file: BinaryIO, chunks: int) -> SetTable:
    segment = Segment(
        np.frombuffer(_section(file), np.uint32),
        np.frombuffer(_section(file), np.int64),
        np.frombuffer(_section(file), np.uint32),
    )
    sizes = np.frombuffer(_section(file), np.uint32)
    offsets = segment.offsets
    fits = (
        len(sizes) == chunks
        and len(offsets) == len(segment.terms) + 1
        and int(offsets[0]) == 0
        and int(offsets[-1]) == len(segment.chunk_ids)
        and (not segment.size or int(segment.chunk_ids.max()) < chunks)
    )
    if not fits:
        raise DamagedError("a table does not fit its chunks")
    return SetTable(segment, sizes)


def _section(file: BinaryIO) -> bytes:
    head = file.read(_SECTION.size)
    if len(head) < _SECTION.size:
        raise DamagedError("it ends too early")
    length, checksum = _SECTION.unpack(head)
    if length > _MAX_SECTION_BYTES:
        raise DamagedError("a length is impossible")
    body = file.read(length)
    if len(body) < length:
        raise DamagedError("it ends too early")
    if zlib.crc32(body) != checksum:
        raise DamagedError("a checksum does not fit")
    return body
