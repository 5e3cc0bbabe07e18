"""The prompt that an answer came of can be asked for afterwards: what preferences are learnt with."""

from __future__ import annotations

from mellum_lsp.domain import prompt_text
from mellum_lsp.engine.scripted import ScriptedEngine

from .golden import caret_in
from .pipeline_lab import BODY, KnowsAChunk, Make


async def test_it_is_the_prompt_that_the_model_was_shown(make: Make) -> None:
    completer = make(ScriptedEngine("return a + b"), KnowsAChunk())
    assert completer.prompt_at(caret_in(BODY)) == (), "nothing was asked yet"
    told = await completer.explain(caret_in(BODY))
    assert prompt_text(completer.prompt_at(caret_in(BODY))) == told.prompt


async def test_it_follows_what_is_typed_where_the_cache_answers(make: Make) -> None:
    completer = make(ScriptedEngine("return a + b"))
    await completer.complete(caret_in(BODY))
    typed = caret_in("def add(a, b):\n    ret$0\n")
    assert (await completer.complete(typed)).text == "urn a + b"
    assert prompt_text(completer.prompt_at(typed)).endswith("    ret<fim_middle>")
