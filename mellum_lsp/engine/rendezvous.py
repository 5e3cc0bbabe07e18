"""Where the servers of one user meet the engine that they share: a private folder, and a name in it.

The name is a digest of everything that decides what an engine is, so servers that want the same engine look
for it at the same place, and no server ever talks to an engine of another version.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import platformdirs

from mellum_lsp import __version__
from mellum_lsp.engine.endpoint import SUFFIX
from mellum_lsp.engine.messages import PROTOCOL
from mellum_lsp.engine.settings import EngineSettings

LONGEST_PATH = 103
"""Bytes of a Unix socket's path that every system has room for (macOS; Linux has four more)."""
_NAME_BYTES = len("/engine-0123456789abcdef.sock")


@dataclass(frozen=True, slots=True)
class Place:
    """``address`` is where the engine listens, see `endpoint`; it holds ``lock`` as long as it does."""

    address: Path

    @property
    def lock(self) -> Path:
        return self.address.with_suffix(".lock")


def place_for(model: Path, settings: EngineSettings) -> Place:
    """The place of the engine that serves ``model`` so. Raises `OSError` where no folder is private."""
    return Place(private_folder() / f"engine-{_digest(model, settings)}{SUFFIX}")


def private_folder() -> Path:
    """The first folder that can be had where nobody else can listen. Raises `OSError` where there is none."""
    problems = []
    for folder in _candidates():
        if len(os.fsencode(folder)) > LONGEST_PATH - _NAME_BYTES:
            problems.append(f"{folder}: its path is too long for a socket")
            continue
        try:
            _make_private(folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror or error}")
        else:
            return folder
    raise OSError("; ".join(problems))


def _digest(model: Path, settings: EngineSettings) -> str:
    """A server with other folders wants another engine: logs and caches belong below them."""
    folders = [
        platformdirs.user_state_dir("mellum-lsp", appauthor=False),
        platformdirs.user_cache_dir("mellum-lsp", appauthor=False),
        os.environ.get("XDG_RUNTIME_DIR", ""),
    ]
    files = [_file(model), _file(Path(settings.lora)) if settings.lora else None]
    identity = [_code(), *files, settings, folders]
    return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]


def _file(path: Path) -> tuple[str, int, int]:
    path = path.resolve()
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns


@cache
def _code() -> list[str | int]:
    """Which program this is. A package may be replaced without a new version: its files tell."""
    sources = [path.stat() for path in Path(__file__).parent.glob("*.py")]
    return [
        PROTOCOL,
        __version__,
        str(Path(__file__).parent),
        max(source.st_mtime_ns for source in sources),
        sum(source.st_size for source in sources),
    ]


def _candidates() -> Iterator[Path]:
    """The user's runtime folder, and for systems without a usable one a folder among the temporary files."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute():
        yield runtime / "mellum-lsp"
    if usual := _usual_runtime_folder():
        yield usual
    own = f"mellum-lsp-{os.getuid()}" if hasattr(os, "getuid") else "mellum-lsp"
    yield Path(tempfile.gettempdir()) / own
    yield Path("/tmp") / own


def _usual_runtime_folder() -> Path | None:
    with warnings.catch_warnings(), contextlib.suppress(OSError):
        warnings.simplefilter("ignore")  # platformdirs tells what it did not like about the folder
        return Path(platformdirs.user_runtime_dir("mellum-lsp", appauthor=False))
    return None


def _make_private(folder: Path) -> None:
    """Make the folder where it is missing. Raises `OSError` where others could get in, or in its place."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid"):
        return  # Windows: the folder lies in the user's profile, which others cannot read
    found, above = folder.lstat(), folder.parent.stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError("it is not a folder of this user")
    if found.st_mode & 0o022:
        raise OSError("others may write to it")
    folder.chmod(0o700)
    if above.st_uid not in (0, os.getuid()) or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
        raise OSError("others could put their own folder in its place")
