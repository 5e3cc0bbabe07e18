"""The life of a session: what is served when, and how it ends."""

from __future__ import annotations

from mellum_lsp.conformance.checks.check import (
    COMPLETION,
    EMPTY,
    INLINE,
    Subject,
    check,
    refused,
    require,
)
from mellum_lsp.conformance.client import at

NOT_INITIALIZED, INVALID_REQUEST = -32002, -32600
START = {"line": 0, "character": 0}


@check("lsp")
async def nothing_before_initialize(subject: Subject) -> None:
    """A request before initialize ends in error -32002, and the session begins nevertheless."""
    async with subject.fresh() as peer:
        request = peer.client.request(COMPLETION, at(subject.uri(), START))
        await refused(request, NOT_INITIALIZED, "a completion before initialize")
        await peer.client.initialize()
        await peer.client.end()


@check("lsp")
async def initialize_once(subject: Subject) -> None:
    """A second initialize is an error."""
    client = await subject.running()
    await refused(client.request("initialize", {"capabilities": {}}), INVALID_REQUEST, "a second initialize")


@check("mellum")
async def offered_to_everyone(subject: Subject) -> None:
    """Inline completion and completion are offered whatever a client says that it can do."""
    for capabilities in ({}, {"textDocument": {"inlineCompletion": None}, "window": 5, "general": None}):
        async with subject.session(capabilities=capabilities) as peer:
            for provider in ("inlineCompletionProvider", "completionProvider"):
                offered = peer.client.capabilities.get(provider)
                require(isinstance(offered, dict), f"{provider} is {offered!r} for {capabilities}")
            await peer.client.end()


@check("lsp")
async def orderly_end(subject: Subject) -> None:
    """Shutdown is answered null, then nothing is served, and exit ends the process with 0."""
    async with subject.session() as peer:
        result = await peer.client.request("shutdown")
        require(result is None, f"shutdown was answered {result!r}")
        late = peer.client.request(COMPLETION, at(subject.uri(), START))
        await refused(late, INVALID_REQUEST, "a completion after shutdown")
        peer.client.notify("exit")
        code = await peer.finished()
        require(code == 0, f"the exit code is {code}")


@check("lsp")
async def exit_without_shutdown(subject: Subject) -> None:
    """Exit without shutdown ends the process with 1."""
    async with subject.session() as peer:
        peer.client.notify("exit")
        code = await peer.finished()
        require(code == 1, f"the exit code is {code}")


@check("mellum")
async def shutdown_waits_for_nobody(subject: Subject) -> None:
    """Shutdown answers what is under way with the empty list, at once."""
    subject.needs_script()
    async with subject.session() as peer:
        uri = subject.uri()
        caret = peer.client.open(uri, "never = $0\n")
        _, waiting = peer.client.begin(INLINE, at(uri, caret, 1))
        await peer.client.end()
        answer = await waiting
        require(answer == EMPTY[INLINE], f"what was under way was answered {answer!r}")
        await peer.finished()
