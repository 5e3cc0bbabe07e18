"""URIs of documents to paths of files and names of documents.

Clients percent-encode as they like (``file:///c%3A/x``), name things that are no files
(``untitled:Untitled-1``, ``vscode-notebook-cell:/x/a.ipynb#W0``), and hostile ones send what is no URI at
all. Nothing here raises.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile(r"/([A-Za-z]):")
_NO_TEXT = re.compile("[\ud800-\udfff\x00-\x1f]")
NAMELESS = "untitled"


def to_path(uri: str) -> Path | None:
    """The absolute path of a ``file:`` URI, normalised; None for anything else.

    Windows drives are in lower case with forward slashes on every system, and a host makes a UNC path. Bytes
    that are no UTF-8 survive as lone surrogates, as they do in Python's own file names.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path, errors="surrogateescape")
    if parts.scheme.lower() != "file" or not path.startswith("/") or "\0" in path:
        return None
    if drive := _DRIVE.match(path):
        path = path.replace("\\", "/")
        path = f"{'' if os.name == 'nt' else '/'}{drive.group(1).lower()}:{path[3:]}"
    elif parts.netloc and parts.netloc != "localhost":
        path = f"//{unquote(parts.netloc)}{path}"
    return Path(os.path.normpath(path))


def location(uri: str) -> str:
    """The path of any URI, with ``/`` and without escapes: also of what lies on another machine."""
    try:
        return unquote(urlsplit(uri).path)
    except ValueError:
        return uri


def to_name(uri: str) -> str:
    """The bare name of a document that is no file: the last segment of its path."""
    name = re.split(r"[/\\]", location(uri).rstrip("/\\"))[-1]
    return presentable(name) or NAMELESS


def presentable(path: str) -> str:
    """``path`` as text that can be encoded and stands on one line."""
    return _NO_TEXT.sub("\ufffd", path)
