"""``workspace/executeCommand``: what became of a suggestion, as clients report it with its ``command``."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from mellum_lsp.feedback.events import Kind
from mellum_lsp.lsp.protocol import INVALID_PARAMS
from mellum_lsp.lsp.requests import Error
from mellum_lsp.lsp.session import Session

_KINDS = {
    "mellum.accepted": Kind.ACCEPTED,
    "mellum.shown": Kind.SHOWN,
    "mellum.partiallyAccepted": Kind.PARTIALLY_ACCEPTED,
    "mellum.dismissed": Kind.DISMISSED,
}
COMMANDS = tuple(_KINDS)


def accept_command(suggestion: str) -> types.Command:
    """The command that a client runs when the user takes a suggestion."""
    return types.Command(title="Accepted", command="mellum.accepted", arguments=[suggestion])


def execute(session: Session, params: types.ExecuteCommandParams) -> Error | None:
    """Arguments: the suggestion's id and, of a part, how many UTF-16 units of it were taken so far."""
    kind = _KINDS.get(params.command)
    if kind is None:
        return Error(INVALID_PARAMS, f"there is no command {params.command!r}")
    arguments: list[Any] = list(params.arguments or ())
    if not arguments or not isinstance(arguments[0], str):
        return Error(INVALID_PARAMS, f"{params.command} takes the id of a suggestion")
    length = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else None
    session.feedback.happened(kind, arguments[0], length)
    return None
