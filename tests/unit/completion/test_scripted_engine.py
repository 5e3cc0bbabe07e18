"""The scripted engine keeps the promises of the interface, so that tests with it mean something."""

from __future__ import annotations

import asyncio

import pytest

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine.interface import EngineCrashed, GenerateRequest
from mellum_lsp.engine.scripted import Pause, ScriptedEngine, tokenise


def request(text: str = "x = ", **settings: object) -> GenerateRequest:
    parts = [Part("prefix", "a.py", (Marker("<fim_prefix>"), text)), Part("middle", "a.py", ())]
    return GenerateRequest(parts, **{"max_tokens": 20, "document": "a", **settings})


async def text_of(engine: ScriptedEngine, asked: GenerateRequest) -> str:
    return b"".join([token.piece async for token in engine.generate(asked)]).decode()


async def test_it_says_its_text_token_by_token_and_ends() -> None:
    engine = ScriptedEngine("return a + b\n    done()")
    assert await text_of(engine, request()) == "return a + b\n    done()"
    stats = engine.generations[0].stats
    assert (stats.stop, stats.generated_tokens) == ("end", len(tokenise("return a + b\n    done()")))


async def test_it_stops_at_the_limit_and_under_the_bar() -> None:
    engine = ScriptedEngine([("a", 0.9), ("b", 0.5), ("c", 0.9)])
    assert await text_of(engine, request(max_tokens=1)) == "a"
    assert engine.generations[-1].stats.stop == "length"
    assert await text_of(engine, request(min_joint_probability=0.7)) == "ab"
    assert engine.generations[-1].stats.stop == "probability"


async def test_no_tokens_only_warms() -> None:
    engine = ScriptedEngine("text")
    assert await text_of(engine, request(max_tokens=0)) == ""
    assert engine.generations[0].stats.evaluated_tokens > 0


async def test_it_reuses_what_the_last_prompt_of_any_document_began_with() -> None:
    engine = ScriptedEngine("")
    await text_of(engine, request("x = foo"))
    await text_of(engine, request("x = foo bar"))
    await text_of(engine, request("x = foo qux", document="other"))
    assert [generation.stats.reused_tokens for generation in engine.generations] == [0, 4, 4]


async def test_an_abort_ends_it_at_once() -> None:
    engine = ScriptedEngine(["a", Pause(30.0), "b"])
    generation = engine.generate(request())
    pieces = []

    async def read() -> None:
        async for token in generation:
            pieces.append(token.piece)

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    generation.abort()
    await asyncio.wait_for(task, 1)
    assert (pieces, generation.stats.stop) == ([b"a"], "aborted")


async def test_errors_come_where_the_script_has_them() -> None:
    with pytest.raises(EngineCrashed, match="gone"):
        await text_of(ScriptedEngine(["a", EngineCrashed("gone")]), request())
