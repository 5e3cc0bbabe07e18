"""Clients that trace are told what became of every request and what every generation cost; others nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_backend import Lab
from lsp_client import LspClient, at

from mellum_lsp.engine.interface import GenerateRequest, GenerationStats, Priority

URI = "file:///project/a.py"


def told(client: LspClient) -> list[Any]:
    return [json.loads(params["verbose"]) for params in client.received("$/logTrace")]


async def test_a_verbose_trace_names_request_source_and_reason_in_front_of_the_reply(
    fresh: LspClient, lab: Lab
) -> None:
    await fresh.initialize(trace="verbose")
    await fresh.until_ready()
    position = fresh.open(URI, "x = $0\n")
    shown, reply = fresh.begin("textDocument/inlineCompletion", at(URI, position))
    assert (await reply)["items"]
    lab.completer.item = None
    silent, reply = fresh.begin("textDocument/inlineCompletion", at(URI, position))
    assert (await reply)["items"] == []
    answers = [one["answered"] for one in told(fresh)]
    assert [(one["request"], one["source"], one["reason"]) for one in answers] == [
        (shown, "full", ""),
        (silent, "", "gated p=0.20"),
    ]


async def test_background_work_is_told_too(fresh: LspClient, lab: Lab) -> None:
    await fresh.initialize(trace="verbose")
    await fresh.until_ready()
    request = GenerateRequest((), 0, priority=Priority.BACKGROUND)
    lab.tell_generated(request, GenerationStats(prompt_tokens=9, evaluated_tokens=7, stop="length"))
    await fresh.until(lambda: told(fresh))
    (one,) = told(fresh)
    assert one["generated"]["background"] is True
    assert one["generated"]["evaluated"] == 7


@pytest.mark.parametrize(("level", "texts"), [("off", set()), ("messages", {"message"})])
async def test_less_is_told_to_who_wants_less(fresh: LspClient, level: str, texts: set[str]) -> None:
    await fresh.initialize(trace="verbose")
    await fresh.until_ready()
    fresh.notify("$/setTrace", {"value": level})
    await fresh.inline(URI, fresh.open(URI, "x = $0\n"))
    assert {key for params in fresh.received("$/logTrace") for key in params} == texts


async def test_a_trace_holds_no_source_text(fresh: LspClient) -> None:
    await fresh.initialize(trace="verbose")
    await fresh.until_ready()
    await fresh.inline(URI, fresh.open(URI, "launch_codes = $0\n"))
    assert "launch_codes" not in json.dumps(fresh.received("$/logTrace"))
    assert "return a + b" not in json.dumps(fresh.received("$/logTrace"))
