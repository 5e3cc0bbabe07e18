"""Who is at the other end and what it can do, read from ``initialize``.

Read from the plain JSON, member by member: a client whose capabilities are odd in one place (lsp-mode sends
``"inlineCompletion": null``) must not be refused as a whole, and only these few decide anything here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lsprotocol import types

from mellum_lsp.lsp.positions import Encoding, choose_encoding


@dataclass(frozen=True, slots=True)
class Client:
    """The client's name and the capabilities that make a difference to us."""

    name: str = "unknown"
    process_id: int | None = None
    encoding: Encoding = Encoding.UTF16
    shows_progress: bool = False
    has_configuration: bool = False
    registers_configuration: bool = False
    registers_watched_files: bool = False

    @property
    def inserts_plain_newlines(self) -> bool:
        """Neovim splits what it inserts at ``\\n`` and would leave the ``\\r`` of ``\\r\\n`` in the line."""
        return self.name.lower().startswith("neovim")


def read_client(params: Any) -> Client:
    """The client behind the parameters of ``initialize``, whatever they are."""
    offered = _at(params, "capabilities", "general", "positionEncodings")
    name = _at(params, "clientInfo", "name")
    process_id = _at(params, "processId")
    return Client(
        name=name if isinstance(name, str) else "unknown",
        process_id=process_id if type(process_id) is int and process_id > 0 else None,
        encoding=choose_encoding(offered if isinstance(offered, list) else []),
        shows_progress=_is_set(params, "window", "workDoneProgress"),
        has_configuration=_is_set(params, "workspace", "configuration"),
        registers_configuration=_is_set(params, "workspace", "didChangeConfiguration", "dynamicRegistration"),
        registers_watched_files=_is_set(params, "workspace", "didChangeWatchedFiles", "dynamicRegistration"),
    )


def read_folders(params: Any) -> list[types.WorkspaceFolder]:
    """The workspace folders; the root of older clients where there are none."""
    folders = []
    listed = _at(params, "workspaceFolders")
    for folder in listed if isinstance(listed, list) else []:
        if isinstance(uri := _at(folder, "uri"), str):
            name = _at(folder, "name")
            folders.append(types.WorkspaceFolder(uri=uri, name=name if isinstance(name, str) else uri))
    root = _at(params, "rootUri")
    if not folders and isinstance(root, str):
        folders.append(types.WorkspaceFolder(uri=root, name=root))
    path = _at(params, "rootPath")
    if not folders and isinstance(path, str) and path:
        uri = "file:///" + quote(path.replace("\\", "/").lstrip("/"))
        folders.append(types.WorkspaceFolder(uri=uri, name=path))
    return folders


def _is_set(params: Any, *keys: str) -> bool:
    return _at(params, "capabilities", *keys) is True


def _at(value: Any, *keys: str) -> Any:
    """The member at the end of a path of keys; None where the path ends early."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
