"""Every variant is asked about every hole once, through the pipeline, with the file as its user has it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mellum_lsp.bench.answers import Variant, read_answers
from mellum_lsp.bench.holes import choose_holes
from mellum_lsp.bench.project import Project, RankedContext
from mellum_lsp.bench.runner import Run
from mellum_lsp.bench.scores import judged, score_verdict
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger, prompt_text
from mellum_lsp.engine.interface import EngineCrashed, GenerateRequest, GenerationStats, Token
from mellum_lsp.engine.scripted import ScriptedEngine, ScriptedGeneration

from .shop import knowing

NONE, DEFAULT = Variant("scripted", "none", 512), Variant("scripted", "default", 512)


def ignore(done: int, total: int) -> None:
    pass


@pytest.fixture
def run(shop: Project, tmp_path: Path) -> Run:
    return Run(shop, choose_holes(shop, 16, 1), tmp_path / "out")


async def test_a_model_that_knows_everything_is_right_everywhere(run: Run) -> None:
    assert await run.answer([DEFAULT], knowing(run.project, run.holes), ignore)
    answers, places = run.answers(DEFAULT), run.places()
    assert len(answers) == len(run.holes)
    for hole, answer in answers.items():
        verdict = judged(places[hole], answer.generated(), run.settings, Trigger.INVOKED)
        if places[hole].hole.kind == "single-line":
            assert score_verdict(places[hole], verdict, answer.stop).exact, (places[hole].middle, verdict)


async def test_what_was_answered_is_not_asked_again(run: Run) -> None:
    engine = knowing(run.project, run.holes)
    await run.answer([NONE, DEFAULT], engine, ignore)
    asked = len(engine.generations)
    assert asked == 2 * len(run.holes)
    assert await run.answer([NONE, DEFAULT], engine, ignore)
    assert len(engine.generations) == asked


async def test_a_run_that_was_broken_off_goes_on_and_compares_the_same_holes(run: Run) -> None:
    engine = knowing(run.project, run.holes)
    seen: list[tuple[int, int]] = []

    def until_five(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 5:
            run.deadline = time.monotonic() - 1

    assert not await run.answer([NONE, DEFAULT], engine, until_five)
    assert seen == [(done, 32) for done in range(6)]
    assert set(run.answers(DEFAULT)) <= set(run.answers(NONE))
    run.deadline = float("inf")
    assert await run.answer([NONE, DEFAULT], engine, ignore)
    assert len(engine.generations) == 32


async def test_a_line_that_was_cut_short_is_asked_again(run: Run) -> None:
    await run.answer([NONE], knowing(run.project, run.holes), ignore)
    kept = run.folder / NONE.file_name
    kept.write_bytes(kept.read_bytes()[:-20])
    assert len(run.answers(NONE)) == len(run.holes) - 1
    await run.answer([NONE], knowing(run.project, run.holes), ignore)
    assert len(read_answers(kept)) == len(run.holes)


async def test_no_prompt_holds_what_stood_in_the_hole(shop: Project, tmp_path: Path) -> None:
    holes = [hole for hole in choose_holes(shop, 30, 2) if hole.kind == "block"]
    engine = ScriptedEngine("")
    await Run(shop, holes, tmp_path).answer([Variant("scripted", "tokens lines", 2048)], engine, ignore)
    assert holes
    for hole, generation in zip(holes, engine.generations, strict=True):
        middle = shop.files[hole.path][hole.start : hole.end].strip()
        assert middle not in prompt_text(generation.request.parts)


async def test_only_a_mix_brings_project_context_and_supplies_names(run: Run) -> None:
    await run.answer([NONE, DEFAULT], knowing(run.project, run.holes), ignore)
    places = run.places()
    assert not any(answer.chunks or answer.supplied for answer in run.answers(NONE).values())
    supplied = [a for h, a in run.answers(DEFAULT).items() if places[h].hole.is_cross_file and a.supplied]
    assert supplied
    assert all(answer.chunks for answer in supplied)


class Generation(ScriptedGeneration):
    """Like that of a real engine, which knows its figures only at the end and then has others."""

    async def __aiter__(self) -> AsyncIterator[Token]:
        counted, self.stats = self.stats, GenerationStats()
        async for token in super().__aiter__():
            yield token
        self.stats = replace(counted, stop=self.stats.stop)


class CountingAtTheEnd(ScriptedEngine):
    def generate(self, request: GenerateRequest) -> Generation:
        stats = GenerationStats(prompt_tokens=7)
        return Generation(request, "value " * request.max_tokens, stats, None)


async def test_what_the_engine_tells_at_the_end_is_kept(run: Run) -> None:
    run.holes = [hole for hole in run.holes if hole.kind == "single-line"][:1]
    run.settings = CompletionSettings(max_tokens=3)
    await run.answer([NONE], CountingAtTheEnd(), ignore)
    (answer,) = run.answers(NONE).values()
    assert (answer.prompt_tokens, answer.stop) == (7, "length")


async def test_a_crash_is_told_and_kept_as_no_answer(run: Run) -> None:
    with pytest.raises(EngineCrashed, match="gone"):
        await run.answer([NONE], ScriptedEngine([EngineCrashed("gone")]), ignore)
    assert not run.answers(NONE)


def test_the_index_is_as_before_when_a_file_is_closed_again(shop: Project) -> None:
    index = shop.index()
    before = list(index.all_chunks())
    caret = shop.caret("shop/cart.py", "nothing = 1\n", 0)
    with shop.opened(index, caret):
        assert any(chunk.text == "nothing = 1" for chunk in index.all_chunks())
    assert list(index.all_chunks()) == before


def test_a_mix_of_unknown_strategies_is_refused(shop: Project) -> None:
    with pytest.raises(ValueError, match="there is no strategy 'magic'"):
        RankedContext(shop.index(), "magic")


def test_without_compression_no_chunk_is_shortened(shop: Project) -> None:
    index = shop.index()
    chunk = next(chunk for chunk in index.all_chunks() if "StockKeeper" in chunk.text)
    assert RankedContext(index, "default whole").compressed(chunk) is None
    assert RankedContext(index, "default").compressed(chunk) == index.compressed(chunk)
