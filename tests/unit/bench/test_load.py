"""A load test counts what developers saw: answers, withdrawals and failures."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from completion_server import CompletionServer, serving

from mellum_lsp.bench.load import Level, Typist, measure
from mellum_lsp.cli import cli
from mellum_lsp.engine.interface import EngineCrashed
from mellum_lsp.engine.scripted import Pause, ScriptedEngine

QUICK = Typist(pause_seconds=0.02, prompt_tokens=40, answer_tokens=8, arrival_seconds=0.05)


async def test_answers_and_their_times_are_counted() -> None:
    one, three = await measure(ScriptedEngine("return a"), [1, 3], 0.3, QUICK)
    assert (one.users, three.users) == (1, 3)
    assert one.asked >= len(one.whole_ms) > 0
    assert three.asked > one.asked
    assert 0 <= one.percentile(50) <= one.percentile(99)
    assert one.generated_tokens == 2 * len(one.whole_ms)


async def test_what_comes_too_late_is_withdrawn() -> None:
    (level,) = await measure(ScriptedEngine([Pause(60.0), "never"]), [2], 0.3, QUICK)
    assert level.whole_ms == []
    assert level.withdrawn == level.asked > 0
    assert level.percentile(90) != level.percentile(90), "no answer has no time"


async def test_who_joins_is_not_measured_before_his_first_prompt_is_evaluated() -> None:
    """A cold prompt takes long and comes once; three people bring three, counted in no level."""
    engine = ScriptedEngine("x")
    levels = await measure(engine, [1, 3], 0.1, QUICK)
    assert len(engine.generations) == sum(level.asked for level in levels) + 3


async def test_progress_runs_while_a_level_does() -> None:
    seen: list[float] = []
    await measure(ScriptedEngine("x"), [1, 2], 0.1, QUICK, seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) >= 3


def test_a_server_that_answers_one_in_seven_quickly_is_not_in_time() -> None:
    """What was withdrawn after a long wait is late; what was withdrawn at once says nothing."""
    level = Level(1, 10.0, asked=7, withdrawn=6, whole_ms=[80.0], given_up_ms=[100.0, *[1900.0] * 5])
    assert level.share_within(750) == pytest.approx(1 / 6)
    assert level.percentile(90) == 80.0


async def test_failures_are_told_and_do_not_end_the_run() -> None:
    (level,) = await measure(ScriptedEngine([EngineCrashed("out of memory\nhint")]), [1], 0.2, QUICK)
    assert level.failed == level.asked > 1
    assert level.trouble == "out of memory"


async def test_a_prompt_grows_as_its_developer_types() -> None:
    engine = ScriptedEngine("x")
    await measure(engine, [1], 0.3, Typist(pause_seconds=0.01, prompt_tokens=40, jump_share=0.0))
    prompts = [generation.request.parts[0].text for generation in engine.generations]
    assert len(prompts) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(prompts))


def test_the_command_draws_a_table_and_a_curve(tmp_path: Path) -> None:
    picture = tmp_path / "load.png"
    with serving(CompletionServer()) as server:
        arguments = [
            server.address,
            "--users",
            "1,2",
            "--seconds",
            "1",
            "--pause",
            "0.1",
            "--out",
            str(picture),
        ]
        done = CliRunner().invoke(cli, ["bench", "load", *arguments, "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert [level["users"] for level in found["levels"]] == [1, 2]
    assert found["users_within_target"] == 2
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments", [["http://team-gpu:8000"], ["nonsense://x"], ["localhost:1", "--users", "0"]]
)
def test_other_machines_are_loaded_only_when_told_so(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["bench", "load", *arguments]).exit_code == 2
