"""Messages that make no sense, and what becomes of the session after them."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from mellum_lsp.conformance.checks.check import COMPLETION, EMPTY, INLINE, Subject, check, refused, require
from mellum_lsp.conformance.client import LspClient, ServerError, at

PARSE_ERROR, INVALID_REQUEST = -32700, -32600
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602
CANCELLED = -32800
_START = {"line": 0, "character": 0}
BURST = 200


@check("lsp")
async def unknown_methods(subject: Subject) -> None:
    """An unknown request ends in error -32601; unknown notifications are ignored."""
    client = await subject.running()
    client.notify("$/conformance/unknown", {})
    client.notify("conformance/unknown", {})
    await refused(client.request("conformance/unknown"), METHOD_NOT_FOUND, "an unknown method")
    await refused(client.request("$/conformance/unknown"), METHOD_NOT_FOUND, "an unknown $/ request")
    await _goes_on(client, subject)


@check("lsp")
async def no_json(subject: Subject) -> None:
    """What is no JSON is answered with error -32700 without an id, and the session goes on."""
    async with subject.session() as peer:
        for body in (b"{", b"", b"\xff\xfe", b"[" * 10_000):
            await _complaint(peer.client, body, PARSE_ERROR)
        await _goes_on(peer.client, subject)
        await peer.client.end()


@check("lsp")
async def no_message(subject: Subject) -> None:
    """JSON that is no message is answered with error -32600 without an id, and the session goes on."""
    async with subject.session() as peer:
        for body in (b"1", b"null", b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","id":[1],"method":"shutdown"}'):
            await _complaint(peer.client, body, INVALID_REQUEST)
        await _goes_on(peer.client, subject)
        await peer.client.end()


@check("lsp")
async def unreadable_parameters(subject: Subject) -> None:
    """Unreadable parameters end in error -32602; in a notification they are ignored."""
    client = await subject.running()
    wrong: tuple[Any, ...] = (None, [], {"textDocument": {"uri": 1}}, {"textDocument": {"uri": "x:"}})
    for method in (INLINE, COMPLETION):
        for params in wrong:
            await refused(client.request(method, params), INVALID_PARAMS, f"{method} with {params!r}")
    for method in ("textDocument/didOpen", "textDocument/didChange", "textDocument/didClose"):
        client.notify(method, {"textDocument": 1})
    await _goes_on(client, subject)


@check("lsp")
async def strangers(subject: Subject) -> None:
    """Replies that nobody asked for and cancels of nothing are ignored; ids may be strings."""
    client = await subject.running()
    client.send({"jsonrpc": "2.0", "id": "never asked", "result": {}})
    client.send({"jsonrpc": "2.0", "id": 10**6, "error": {"code": 1, "message": "x"}})
    for request_id in (10**6, "x", None):
        client.cancel(request_id)
    reply = client.expect("a string")
    message = {"jsonrpc": "2.0", "id": "a string", "method": INLINE, "params": at(subject.uri(), _START)}
    client.send(message)
    await asyncio.wait_for(reply, client.patience_seconds)


@check("lsp")
async def one_reply_each(subject: Subject) -> None:
    """Every request of a storm gets exactly one reply, and only what the client cancels is cancelled."""
    async with subject.session() as peer:
        client, chance, uri = peer.client, random.Random(1), subject.uri()
        caret = client.open(uri, "def add(a, b):\n    $0\n")
        replies, cancelled = {}, set()
        for _ in range(BURST):
            method = chance.choice((INLINE, COMPLETION))
            request_id, replies[request_id] = client.begin(method, at(uri, caret, chance.choice((1, 2))))
            if chance.random() < 0.3:
                client.cancel(request_id)
                cancelled.add(request_id)
            if chance.random() < 0.3:
                client.edit(uri, caret, caret, chance.choice("abc"))
        for request_id, reply in replies.items():
            try:
                answer = await asyncio.wait_for(reply, client.patience_seconds)
            except ServerError as error:
                require(
                    request_id in cancelled and error.code == CANCELLED,
                    f"a request that was {'' if request_id in cancelled else 'not '}cancelled ended in "
                    f"error {error.code} ({error})",
                )
            else:
                require(answer is not None, "a request was answered null")
        await client.end()  # and none of them twice, which the session's end tells


@check("mellum")
async def nothing_is_an_empty_list(subject: Subject) -> None:
    """Where there is nothing to show the answer is an empty list, never null and never an error."""
    client = await subject.running()
    for method, empty in EMPTY.items():
        answer = await client.request(method, at("file:///conformance/never-opened.py", _START))
        require(answer == empty, f"{method} in a document that is not open was answered {answer!r}")


async def _complaint(client: LspClient, body: bytes, code: int) -> None:
    before = client.reply_count(None)
    client.send_body(body)
    try:
        await client.until(lambda: client.reply_count(None) > before)
    except TimeoutError:
        require(False, f"{body[:40]!r} was not answered")
    error = client.replies[-1].get("error") or {}
    require(error.get("code") == code, f"{body[:40]!r} was answered {client.replies[-1]}")


async def _goes_on(client: LspClient, subject: Subject) -> None:
    uri = subject.uri()
    await client.request(COMPLETION, at(uri, client.open(uri, "x = $0\n")))
