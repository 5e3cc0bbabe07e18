"""Copilot's notifications about suggestions, which many editor plugins send already.

``textDocument/didShowCompletion`` and ``textDocument/didPartiallyAcceptCompletion`` carry the item; its id
is the argument of its command. ``acceptedLength`` counts UTF-16 units from the item's beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from mellum_lsp.feedback.events import Kind
from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)

DID_SHOW = "textDocument/didShowCompletion"
DID_PARTIALLY_ACCEPT = "textDocument/didPartiallyAcceptCompletion"


def did_show(session: Session, params: Any) -> None:
    if suggestion := _suggestion(params):
        session.feedback.happened(Kind.SHOWN, suggestion)


def did_partially_accept(session: Session, params: Any) -> None:
    length = params.get("acceptedLength") if isinstance(params, Mapping) else None
    if suggestion := _suggestion(params):
        taken = length if isinstance(length, int) else None
        session.feedback.happened(Kind.PARTIALLY_ACCEPTED, suggestion, taken)


def _suggestion(params: Any) -> str | None:
    """The id of the item that the parameters carry; None, with a line in the log, where there is none."""
    value = params
    for key in ("item", "command", "arguments"):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list) and value and isinstance(value[0], str):
        return value[0]
    log.warning("ignored feedback without the id of a suggestion")
    return None
