"""The session over the real completion pipeline and a scripted engine: what becomes of the engine's work."""

from __future__ import annotations

import asyncio

import pytest
from fake_backend import Lab
from lsp_client import LspClient, ServerError, at, eventually

from mellum_lsp.completion.pipeline import Completer
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.engine.scripted import Pause, ScriptedEngine
from mellum_lsp.retrieval.project import ProjectIndex

URI = "file:///project/a.py"
INLINE, COMPLETION = "textDocument/inlineCompletion", "textDocument/completion"


@pytest.fixture
async def thinking(lab: Lab) -> asyncio.Event:
    """The engine says its answer once this is set."""
    event = asyncio.Event()
    lab.engine = ScriptedEngine(["answer", Pause(event), "(total)\n"])
    lab.completer = Completer(lab.engine, ProjectIndex(), CompletionSettings(gate=0, prefetch=False))
    return event


async def until_it_decodes(lab: Lab) -> None:
    generations = lab.engine.generations
    await eventually(lambda: generations and generations[-1].stats.generated_tokens)


def decoded(lab: Lab) -> int:
    """The generations that were to decode; others only warm a cache."""
    return sum(generation.request.max_tokens > 0 for generation in lab.engine.generations)


async def test_both_methods_share_one_generation(
    thinking: asyncio.Event, lab: Lab, client: LspClient
) -> None:
    """Editors send both at once."""
    caret = client.open(URI, "x = $0\n")
    replies = [client.begin(method, at(URI, caret, 2))[1] for method in (COMPLETION, INLINE)]
    await until_it_decodes(lab)
    thinking.set()
    completion, inline = [answer["items"] for answer in await asyncio.gather(*replies)]
    assert completion[0]["insertText"] == inline[0]["insertText"] == "answer(total)"
    assert decoded(lab) == 1


async def test_typing_on_keeps_the_generation_that_still_fits(
    thinking: asyncio.Event, lab: Lab, client: LspClient
) -> None:
    caret = client.open(URI, "x = $0\n")
    _, older = client.begin(INLINE, at(URI, caret))
    await until_it_decodes(lab)
    client.edit(URI, caret, caret, "ans")
    _, newer = client.begin(INLINE, at(URI, {"line": 0, "character": 7}))
    assert await older == {"items": []}
    thinking.set()
    assert (await newer)["items"][0]["insertText"] == "wer(total)"
    assert decoded(lab) == 1


async def test_cancelling_stops_the_engine(thinking: asyncio.Event, lab: Lab, client: LspClient) -> None:
    request_id, reply = client.begin(INLINE, at(URI, client.open(URI, "x = $0\n")))
    await until_it_decodes(lab)
    client.cancel(request_id)
    with pytest.raises(ServerError):
        await reply
    await eventually(lambda: lab.engine.generations[0].aborted)


async def test_cancelling_one_of_two_leaves_the_other_its_answer(
    thinking: asyncio.Event, lab: Lab, client: LspClient
) -> None:
    caret = client.open(URI, "x = $0\n")
    _, completion = client.begin(COMPLETION, at(URI, caret, 2))
    request_id, inline = client.begin(INLINE, at(URI, caret))
    await until_it_decodes(lab)
    client.cancel(request_id)
    with pytest.raises(ServerError):
        await inline
    await asyncio.sleep(0.02)
    thinking.set()
    assert (await completion)["items"]


async def test_shutdown_stops_the_engine(thinking: asyncio.Event, lab: Lab, client: LspClient) -> None:
    _, reply = client.begin(INLINE, at(URI, client.open(URI, "x = $0\n")))
    await until_it_decodes(lab)
    await client.request("shutdown")
    assert await reply == {"items": []}
    await eventually(lambda: lab.engine.generations[0].aborted)
