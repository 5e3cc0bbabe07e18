"""What the server and its index worker say to each other: msgpack frames with their length in front.

Arrays travel as their bytes. The worker answers in the order in which it read the files, so that of two
answers about one file the later is the truer.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgspec
import numpy as np

from mellum_lsp.retrieval.analysis import Batch, FileEntry, SetTable, Stamp
from mellum_lsp.retrieval.postings import Segment
from mellum_lsp.workspace.settings import IndexSettings

_LENGTH = struct.Struct("<I")


class Configure(msgspec.Struct, tag=True):
    """First of all. ``plain`` are paths that broke the parser before: cut by lines; ``never`` even so."""

    settings: IndexSettings
    plain: list[str]
    never: list[str]


class Scan(msgspec.Struct, tag=True):
    """Walk a folder, or the folder ``below`` in it; send what is new or differs from ``known`` (path to size
    and time), and what is gone. A ``loose`` folder is walked without those in it."""

    id: int
    root: str
    known: dict[str, tuple[int, int]]
    below: str = ""
    loose: bool = False


class Update(msgspec.Struct, tag=True):
    """Look at these paths of a folder again."""

    id: int
    root: str
    paths: list[str]


class Document(msgspec.Struct, tag=True):
    """The text of a document as the editor has it."""

    id: int
    root: str
    path: str
    text: str


class Forget(msgspec.Struct, tag=True):
    """The folder is closed: abandon what is under way for it."""

    id: int
    root: str


Request = Configure | Scan | Update | Document | Forget


class Table(msgspec.Struct):
    """A `SetTable` as bytes."""

    terms: bytes
    offsets: bytes
    chunk_ids: bytes
    sizes: bytes


class Entry(msgspec.Struct, array_like=True):
    """A `FileEntry`."""

    path: str
    size: int
    modified_ns: int
    text_bytes: int
    chunks: int
    packed_text: bytes
    packed_spans: bytes
    packed_outline: bytes


class Indexed(msgspec.Struct, tag=True):
    """Analysed files of a folder and paths that are not to be in the index; from the editor or the disk."""

    root: str
    from_editor: bool
    files: list[Entry]
    tables: list[Table]
    gone: list[str]


class Done(msgspec.Struct, tag=True):
    """A request is served; ``skipped`` counts by reason after the scan of a whole folder. ``folders`` are
    those among the paths of an update: they are to be scanned."""

    id: int
    skipped: dict[str, int] | None = None
    folders: list[str] = []


Reply = Indexed | Done

_ENCODER = msgspec.msgpack.Encoder()
_REQUESTS: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_REPLIES: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def write_message(stream: BinaryIO, message: Any) -> None:
    """Sends one message; raises `OSError` where the other side is gone."""
    body = _ENCODER.encode(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_request(stream: BinaryIO) -> Request:
    """The next request; raises `EOFError` at the end."""
    return _REQUESTS.decode(_read_body(stream))


def read_reply(stream: BinaryIO) -> Reply:
    """The next reply; raises `EOFError` at the end."""
    return _REPLIES.decode(_read_body(stream))


def pack_batch(root: str, batch: Batch, gone: list[str], from_editor: bool) -> Indexed:
    tables = [_pack_table(table) for table in (batch.tokens, batch.lines, batch.names)]
    return Indexed(root, from_editor, [pack_entry(entry) for entry in batch.files], tables, gone)


def unpack_batch(message: Indexed) -> Batch:
    tokens, lines, names = (_unpack_table(table) for table in message.tables)
    return Batch(tuple(unpack_entry(entry) for entry in message.files), tokens, lines, names)


def pack_entry(entry: FileEntry) -> Entry:
    return Entry(
        entry.path,
        entry.stamp.size,
        entry.stamp.modified_ns,
        entry.text_bytes,
        entry.chunks,
        entry.packed_text,
        entry.packed_spans,
        entry.packed_outline,
    )


def unpack_entry(entry: Entry) -> FileEntry:
    return FileEntry(
        entry.path,
        Stamp(entry.size, entry.modified_ns),
        entry.text_bytes,
        entry.chunks,
        entry.packed_text,
        entry.packed_spans,
        entry.packed_outline,
    )


def _read_body(stream: BinaryIO) -> bytes:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return body


def _pack_table(table: SetTable) -> Table:
    segment = table.segment
    return Table(
        segment.terms.tobytes(), segment.offsets.tobytes(), segment.chunk_ids.tobytes(), table.sizes.tobytes()
    )


def _unpack_table(table: Table) -> SetTable:
    segment = Segment(
        np.frombuffer(table.terms, np.uint32),
        np.frombuffer(table.offsets, np.int64),
        np.frombuffer(table.chunk_ids, np.uint32),
    )
    return SetTable(segment, np.frombuffer(table.sizes, np.uint32))
