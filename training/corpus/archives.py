"""The files of a package archive: wheels, zips, tarballs of any compression. Nothing is unpacked to disk."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

MAX_BYTES = 2_000_000
"""A larger member is no source that a person wrote."""


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """``(path inside, bytes)`` of every regular file of at most `MAX_BYTES`."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir() and info.file_size <= MAX_BYTES:
                    yield info.filename, archive.read(info)
        return
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.size <= MAX_BYTES:
                file = archive.extractfile(member)
                if file is not None:
                    yield member.name, file.read()


def without_top_folder(path: str) -> str:
    """``flask-3.1/src/flask/app.py`` → ``src/flask/app.py``, as a checkout shows it."""
    return path.removeprefix("./").partition("/")[2] or path
