"""Reads the header of a GGUF file and finds what is wrong with it before llama.cpp sees it.

llama.cpp reports most broken files by a line in its log and some by ending the process; a user deserves a
sentence. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (magic, version, counts,
key-value pairs, tensor descriptions, aligned tensor data).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from mellum_lsp.engine.interface import ModelBroken, ModelMissing, ModelUnsupported

_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING, _ARRAY = 8, 9
_COUNT = struct.Struct("<Q")
_TYPE = struct.Struct("<I")

_TENSOR_BLOCKS = {
    # ggml type: (weights a block, bytes a block). A type that is not here is left to llama.cpp to judge.
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    39: (32, 17),  # MXFP4
}

_CONTROL, _USER_DEFINED = 3, 4
_ITSELF = "hint: choose the file of the model itself"
_DOWNLOAD_AGAIN = "hint: download or copy the file again and compare its checksum"


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF says of itself. ``metadata`` holds all scalar and string pairs, as text (``true``,
    ``8192``).

    ``markers`` are the texts of the control and user-defined tokens of its vocabulary, ``shapes`` the extents
    of its tensors by name, the innermost first.
    """

    path: Path
    architecture: str
    metadata: Mapping[str, str]
    markers: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]]
    file_bytes: int

    @property
    def tensors(self) -> int:
        return len(self.shapes)


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of the GGUF at ``path``; 10 to 50 ms, most of it for the vocabulary.

    Raises `ModelMissing`, `ModelBroken` (not a GGUF, or shorter than its tensors need) or
    `ModelUnsupported` (a version that llama.cpp does not read). A header may still belong to something else
    than a model: `check_is_model`.
    """
    check_exists(path)
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(path, data).read()
    except PermissionError:
        raise ModelMissing(
            f"{path}: no permission to read this model file\nhint: check its owner and mode"
        ) from None
    except ValueError:
        raise ModelBroken(f"{path}: the model file is empty\n{_DOWNLOAD_AGAIN}") from None


def check_exists(path: Path) -> None:
    """Raise `ModelMissing` where ``path`` is no file."""
    if path.is_dir():
        raise ModelMissing(f"{path}: this is a directory, not a model\nhint: name the .gguf file inside it")
    if not path.is_file():
        raise ModelMissing(
            f"{path}: there is no such model file\nhint: check the path, or see `mellum-lsp models list`"
        )


def check_is_model(header: GgufHeader) -> None:
    """Raise `ModelUnsupported` for an adapter, a projector or a mere vocabulary, `ModelBroken` for no
    architecture."""
    kind = header.metadata.get("general.type", "model")
    if kind != "model":
        raise ModelUnsupported(f"{header.path}: this GGUF is of type {kind!r}, not a model\n{_ITSELF}")
    if header.tensors == 0:
        raise ModelUnsupported(f"{header.path}: this GGUF holds a vocabulary but no weights\n{_ITSELF}")
    if not header.architecture:
        raise ModelBroken(f"{header.path}: the model file names no architecture\n{_DOWNLOAD_AGAIN}")


class _Reader:
    def __init__(self, path: Path, data: mmap.mmap):
        self._path = path
        self._data = data
        self._at = 0
        self._metadata: dict[str, str] = {}
        self._token_texts = (0, 0)  # where the array begins, how many
        self._token_types: tuple[int, ...] = ()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def read(self) -> GgufHeader:
        if self._data[:4] != b"GGUF":
            raise ModelBroken(
                f"{self._path}: this is not a GGUF model (it begins with {self._data[:4]!r})\n"
                "hint: models for llama.cpp end in .gguf; a web page saved in its place begins with '<'"
            )
        self._at = 4
        try:
            version, tensors, pairs = self._unpack("<IQQ")
            if version not in (2, 3):
                named = f"version {version}" if version < 1 << 16 else "in the other byte order"
                raise ModelUnsupported(
                    f"{self._path}: GGUF {named} is not supported (versions 2 and 3 are)\n"
                    "hint: get a newer conversion of the model"
                )
            for _ in range(pairs):
                self._read_pair()
            needed = self._bytes_needed(tensors)
        except (struct.error, IndexError, ValueError, ArithmeticError):
            raise ModelBroken(
                f"{self._path}: the model file ends or is damaged inside its header, "
                f"after {len(self._data):,} bytes\n{_DOWNLOAD_AGAIN}"
            ) from None
        if needed > len(self._data):
            raise ModelBroken(
                f"{self._path}: the model file is truncated: its tensors need {needed:,} bytes, "
                f"it has {len(self._data):,}\n{_DOWNLOAD_AGAIN}"
            )
        return GgufHeader(
            path=self._path,
            architecture=self._metadata.get("general.architecture", ""),
            metadata=self._metadata,
            markers=self._markers(),
            shapes=self._shapes,
            file_bytes=len(self._data),
        )

    def _unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _string(self) -> str:
        (length,) = _COUNT.unpack_from(self._data, self._at)
        start = self._at + 8
        if length > len(self._data) - start:
            raise IndexError
        self._at = start + length
        return self._data[start : self._at].decode()

    def _read_pair(self) -> None:
        key = self._string()
        (kind,) = self._unpack("<I")
        if kind == _STRING:
            self._metadata[key] = self._string()
        elif kind == _ARRAY:
            self._read_array(key)
        else:
            if kind not in _SCALARS:
                raise IndexError
            (value,) = _SCALARS[kind].unpack_from(self._data, self._at)
            self._at += _SCALARS[kind].size
            self._metadata[key] = str(value).lower() if isinstance(value, bool) else str(value)

    def _read_array(self, key: str) -> None:
        kind, count = self._unpack("<IQ")
        start = self._at
        if kind == _STRING:
            self._skip_strings(count)
        elif kind in _SCALARS:
            self._at += count * _SCALARS[kind].size
        else:
            raise IndexError  # arrays of arrays are not in use
        if key == "tokenizer.ggml.tokens" and kind == _STRING:
            self._token_texts = (start, count)
        elif key == "tokenizer.ggml.token_type" and kind == 5:
            self._token_types = struct.unpack_from(f"<{count}i", self._data, start)

    def _skip_strings(self, count: int) -> None:
        unpack, data, at = _COUNT.unpack_from, self._data, self._at
        for _ in range(count):
            at += 8 + unpack(data, at)[0]  # beyond the end: struct.error, here or at the next read
        self._at = at

    def _bytes_needed(self, tensors: int) -> int:
        """How long the file must be to hold all of its tensors; walks the tensor descriptions."""
        end = 0
        for _ in range(tensors):
            name = self._string()
            (dimensions,) = self._unpack("<I")
            shape = self._shapes[name] = self._unpack(f"<{dimensions}Q")
            kind, offset = self._unpack("<IQ")
            per_block, block_bytes = _TENSOR_BLOCKS.get(kind, (1, 0))
            end = max(end, offset + prod(shape) // per_block * block_bytes)
        if tensors == 0:
            return self._at
        alignment = int(self._metadata.get("general.alignment", "32"))
        return -(-self._at // alignment) * alignment + end

    def _markers(self) -> frozenset[str]:
        at, count = self._token_texts
        markers = []
        for kind in self._token_types[:count]:
            (length,) = _COUNT.unpack_from(self._data, at)
            if kind in (_CONTROL, _USER_DEFINED):
                markers.append(self._data[at + 8 : at + 8 + length].decode(errors="replace"))
            at += 8 + length
        return frozenset(markers)
