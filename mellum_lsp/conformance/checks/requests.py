"""Requests that supersede and cancel each other."""

from __future__ import annotations

import asyncio

from mellum_lsp.conformance.checks.check import COMPLETION, EMPTY, INLINE, Subject, check, refused, require
from mellum_lsp.conformance.client import ServerError, at

CANCELLED = -32800


@check("mellum")
async def superseded(subject: Subject) -> None:
    """A request empties the older one of the same document and method, at once."""
    client = await subject.running()
    for method in (COMPLETION, INLINE):
        uri = subject.uri()
        caret = client.open(uri, ("never" if subject.scripted else "slow") + " = $0\n")
        _, older = client.begin(method, at(uri, caret, 1))
        _, newer = client.begin(method, at(uri, caret, 1))
        try:
            answer = await asyncio.wait_for(older, client.patience_seconds)
        except ServerError as error:
            require(False, f"the older {method} ended in error {error.code} ({error})")
        else:
            require(answer == EMPTY[method], f"the older {method} was answered {answer!r}")
        client.change(uri, {"text": ""})
        _, last = client.begin(method, at(uri, {"line": 0, "character": 0}, 1))
        await asyncio.wait([newer, last])


@check("mellum")
async def others_are_left_alone(subject: Subject) -> None:
    """Requests of other documents and methods go on."""
    subject.needs_script()
    client = await subject.running()
    uri, other = subject.uri(), subject.uri()
    caret = client.open(uri, "slow = $0\n")
    client.open(other, "slow = $0\n")
    replies = {
        "the completion": client.begin(COMPLETION, at(uri, caret))[1],
        "the inline completion": client.begin(INLINE, at(uri, caret))[1],
        "another document's": client.begin(INLINE, at(other, caret))[1],
    }
    for what, reply in replies.items():
        answer = await asyncio.wait_for(reply, client.patience_seconds)
        require(answer["items"], f"{what} was answered empty")


@check("lsp")
async def cancelled(subject: Subject) -> None:
    """A cancelled request ends in error -32800, or in its answer where that was quicker."""
    client = await subject.running()
    for method in (COMPLETION, INLINE):
        uri = subject.uri()
        caret = client.open(uri, "never = $0\n")
        request_id, reply = client.begin(method, at(uri, caret, 1))
        client.cancel(request_id)
        answer = asyncio.wait_for(reply, client.patience_seconds)
        if subject.scripted:
            await refused(answer, CANCELLED, f"a cancelled {method}")
            continue
        try:
            await answer
        except ServerError as error:
            require(error.code == CANCELLED, f"a cancelled {method} ended in error {error.code}")
