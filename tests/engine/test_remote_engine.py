"""A server elsewhere decodes as an engine here does; what goes wrong there is said in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from completion_server import CompletionServer, serving

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine.fallback import FallbackEngine
from mellum_lsp.engine.interface import EngineError, GenerateRequest, RequestInvalid
from mellum_lsp.engine.remote.client import RemoteAway, RemoteRefused
from mellum_lsp.engine.remote.engine import RemoteEngine, estimated_tokens
from mellum_lsp.engine.remote.prompt import as_text
from mellum_lsp.engine.remote.settings import RemoteSettings
from mellum_lsp.engine.scripted import ScriptedEngine

PROMPT = (
    Part("suffix", "a.py", (Marker("<fim_suffix>"), "\n")),
    Part("prefix", "a.py", (Marker("<fim_prefix>"), "def f(a):\n    ")),
    Part("middle", "a.py", (Marker("<fim_middle>"),)),
)
STOPS = ("<|endoftext|>",)


def request(max_tokens: int = 16, **options: object) -> GenerateRequest:
    return GenerateRequest(PROMPT, max_tokens, STOPS, **options)


@pytest.fixture
def server() -> Iterator[CompletionServer]:
    with serving(CompletionServer()) as running:
        yield running


@pytest.fixture
async def engine(server: CompletionServer) -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(RemoteSettings(server.address, connect_seconds=1, silence_seconds=2))
    yield engine
    await engine.close()


async def text_of(engine: RemoteEngine | FallbackEngine, asked: GenerateRequest) -> str:
    return b"".join([token.piece async for token in engine.generate(asked)]).decode()


async def test_it_streams_text_with_probabilities(engine: RemoteEngine, server: CompletionServer) -> None:
    generation = engine.generate(request())
    tokens = [(token.piece, round(token.probability, 6)) async for token in generation]
    assert tokens == [(b"return", 0.9), (b" a", 0.8)]
    assert generation.stats.stop == "end"
    assert generation.stats.generated_tokens == 2
    assert server.requests[-1]["prompt"] == "<fim_suffix>\n<fim_prefix>def f(a):\n    <fim_middle>"
    assert server.requests[-1]["temperature"] == 0.0


async def test_the_newer_form_of_probabilities_is_read_too(
    engine: RemoteEngine, server: CompletionServer
) -> None:
    server.newer_probabilities = True
    assert [round(token.probability, 6) async for token in engine.generate(request())] == [0.9, 0.8]


async def test_start_tells_the_model_its_room_and_its_speed(engine: RemoteEngine) -> None:
    info = await engine.start()
    assert (info.name, info.context_tokens, info.architecture) == ("mellum-4b-base", 4096, "remote")
    assert info.prefill_tokens_per_second > 0 and info.decode_tokens_per_second > 0


async def test_the_configured_model_is_asked_for(server: CompletionServer) -> None:
    engine = RemoteEngine(RemoteSettings(server.address, model="other"))
    with pytest.raises(RemoteRefused, match=r"serves mellum-4b-base.*\n.*engine\.model"):
        await engine.start()
    await engine.close()


async def test_decoding_ends_when_the_joint_probability_is_too_low(engine: RemoteEngine) -> None:
    generation = engine.generate(request(min_joint_probability=0.85))
    assert len([token async for token in generation]) == 2
    assert generation.stats.stop == "probability"


async def test_warming_shows_nothing(engine: RemoteEngine, server: CompletionServer) -> None:
    assert await text_of(engine, request(max_tokens=0)) == ""
    assert server.requests[-1]["max_tokens"] == 1


async def test_a_word_that_was_left_out_is_put_back_into_the_prompt(
    engine: RemoteEngine, server: CompletionServer
) -> None:
    """No server holds an answer to a beginning."""
    await text_of(engine, request())
    prompt = server.requests[-1]["prompt"]
    await text_of(engine, request(must_begin_with="ret"))
    assert server.requests[-1]["prompt"] == prompt.replace("<fim_middle>", "ret<fim_middle>")


async def test_an_abort_closes_the_connection(engine: RemoteEngine, server: CompletionServer) -> None:
    await engine.start()
    server.pieces, server.pause = [("x", 0.9)] * 1000, 0.02
    generation = engine.generate(request(max_tokens=1000))
    seen = 0
    async for _ in generation:
        seen += 1
        generation.abort()
    assert seen == 1
    assert generation.stats.stop == "aborted"
    assert await asyncio.to_thread(server.abandoned.wait, 5)


async def test_an_abort_while_nothing_arrives_ends_at_once(
    engine: RemoteEngine, server: CompletionServer
) -> None:
    await engine.start()
    server.pause = 30.0
    generation = engine.generate(request())
    asyncio.get_running_loop().call_later(0.05, generation.abort)
    async with asyncio.timeout(2):
        assert [token async for token in generation] == []
    assert generation.stats.stop == "aborted"


async def test_a_busy_server_is_asked_again(engine: RemoteEngine, server: CompletionServer) -> None:
    await engine.start()
    server.statuses = [503, 429]
    assert await text_of(engine, request()) == "return a"


@pytest.mark.parametrize(
    ("statuses", "error", "says"),
    [
        ([503, 503, 503], RemoteAway, "HTTP 503"),
        ([403], RemoteRefused, "MELLUM_LSP_API_KEY"),
        ([404], RemoteRefused, "does not serve this"),
        ([400], RequestInvalid, "status 400"),
    ],
)
async def test_refusals_are_told_apart(
    engine: RemoteEngine, server: CompletionServer, statuses: list[int], error: type[EngineError], says: str
) -> None:
    await engine.start()
    server.statuses = statuses
    with pytest.raises(error, match=says):
        await text_of(engine, request())


async def test_what_breaks_off_is_an_error_and_not_an_answer(
    engine: RemoteEngine, server: CompletionServer
) -> None:
    await engine.start()
    server.break_after = 1
    with pytest.raises(RemoteAway, match="broke off in the middle"):
        await text_of(engine, request())


@pytest.mark.parametrize("event", ["{not json", '{"error": {"message": "out of memory"}}', "[1, 2]"])
async def test_nonsense_in_the_stream_is_an_error(
    engine: RemoteEngine, server: CompletionServer, event: str
) -> None:
    await engine.start()
    server.instead = event
    with pytest.raises(RemoteAway, match="failed:"):
        await text_of(engine, request())


async def test_the_key_comes_from_the_environment(
    server: CompletionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "team"
    with pytest.raises(RemoteRefused, match="TEAM_KEY"):
        await RemoteEngine(RemoteSettings(server.address, api_key_variable="TEAM_KEY")).start()
    monkeypatch.setenv("TEAM_KEY", "team")
    engine = RemoteEngine(RemoteSettings(server.address, api_key_variable="TEAM_KEY"))
    assert (await engine.start()).name == "mellum-4b-base"
    await engine.close()


async def test_nobody_at_the_address(server: CompletionServer) -> None:
    with pytest.raises(RemoteAway, match="cannot be reached"):
        await RemoteEngine(RemoteSettings("http://127.0.0.1:9")).start()


@pytest.mark.parametrize(
    ("url", "base", "here"),
    [
        ("http://team-gpu:8000", "http://team-gpu:8000/v1", False),
        ("https://team-gpu/llm/v1/", "https://team-gpu/llm/v1", False),
        ("localhost:8080", "http://localhost:8080/v1", True),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1", True),
    ],
)
def test_addresses(url: str, base: str, here: bool) -> None:
    settings = RemoteSettings(url)
    assert (settings.base, settings.is_this_machine) == (base, here)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="not the address of a server"):
        _ = RemoteSettings("ftp://somewhere").base


def test_code_that_spells_a_marker_stays_code() -> None:
    parts = (Part("prefix", "a.py", (Marker("<fim_prefix>"), "MIDDLE = '<fim_middle>'")),)
    sent = as_text(parts, ["<fim_middle>"])
    assert sent.count("<fim_middle>") == 0
    assert sent.replace("\u2060", "") == "<fim_prefix>MIDDLE = '<fim_middle>'"


def test_tokens_are_rather_overestimated() -> None:
    assert estimated_tokens("def add(left, right):") >= 8
    assert estimated_tokens("🧮" * 3) >= 4


# ---- with a local engine behind it


async def test_the_local_model_serves_while_the_server_is_away() -> None:
    said: list[str] = []
    with serving(CompletionServer()) as server:
        remote = RemoteEngine(RemoteSettings(server.address, connect_seconds=0.5))
        engine = FallbackEngine(remote, ScriptedEngine("local"), said.append, retry_seconds=0.05)
        assert await text_of(engine, request()) == "return a"
        server.statuses = [500, 500, 500]
        with pytest.raises(RemoteAway):
            await text_of(engine, request())
        await engine.start()
        assert not engine.is_remote
        assert await text_of(engine, request()) == "local"
        async with asyncio.timeout(5):
            while not engine.is_remote:
                await asyncio.sleep(0.01)
        assert await text_of(engine, request()) == "return a"
    await engine.close()
    assert "is away" in said[0] and "is back" in said[1]


async def test_a_server_that_never_was_there_costs_one_try() -> None:
    remote = RemoteEngine(RemoteSettings("http://127.0.0.1:9", connect_seconds=0.5))
    engine = FallbackEngine(remote, ScriptedEngine("local"))
    assert (await engine.start()).name == "scripted"
    assert await text_of(engine, request()) == "local"
    await engine.close()
