"""``mellum-lsp bench load``: how many developers a team's server carries."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from mellum_lsp.cli.output import Failure, json_option, print_json, progress_bar, reported_failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from mellum_lsp.bench.load import Level, Typist
    from mellum_lsp.engine.remote.settings import RemoteSettings

_MOST_USERS = 500
_MOST_SECONDS = 300.0


def _levels(context: click.Context, parameter: click.Parameter, value: str) -> list[int]:
    try:
        levels = [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,2,4") from None
    if not levels or min(levels) < 1 or max(levels) > _MOST_USERS:
        raise click.BadParameter(f"between 1 and {_MOST_USERS} users can be simulated")
    return levels


@click.command()
@click.argument("url")
@click.option("--model", default="", help="One of the models that the server serves; its first if not said.")
@click.option("--users", default="1,2,4,8", show_default=True, callback=_levels, help="Levels of load.")
@click.option("--seconds", default=20.0, show_default=True, type=click.FloatRange(1, _MOST_SECONDS))
@click.option("--pause", default=4.0, show_default=True, help="Seconds between a developer's requests.")
@click.option("--prompt-tokens", default=1024, show_default=True, type=click.IntRange(16, 131072))
@click.option("--answer-tokens", default=24, show_default=True, type=click.IntRange(1, 512))
@click.option("--target-ms", default=750.0, show_default=True, help="90% of answers shall be there by then.")
@click.option("--yes", is_flag=True, help="The server is not on this machine, and it may be loaded.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Draw the curve as PNG.")
@json_option
def load(
    url: str,
    model: str,
    users: list[int],
    seconds: float,
    pause: float,
    prompt_tokens: int,
    answer_tokens: int,
    target_ms: float,
    yes: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Load the completion server at URL with simulated developers and draw latency against their number.

    Each developer asks every few seconds with a prompt that grows as he types, and withdraws what is not
    answered by then. Prompts hold made-up words, no code of yours.

    Example: mellum-lsp bench load http://127.0.0.1:8000/v1 --users 1,2,4,8,16 --prompt-tokens 8000
    """
    from mellum_lsp.bench.load import Typist
    from mellum_lsp.engine.remote.settings import RemoteSettings

    settings = RemoteSettings(url, model)
    try:
        elsewhere = not settings.is_this_machine
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from error
    if elsewhere and not yes:
        raise click.UsageError(
            f"{settings.base} is not on this machine. If it is yours to load, say so with --yes."
        )
    typist = Typist(pause_seconds=pause, prompt_tokens=prompt_tokens, answer_tokens=answer_tokens)
    with reported_failures(), progress_bar(f"loading {settings.base}", shown=not as_json) as progress:
        levels = asyncio.run(_measure(settings, users, seconds, typist, progress))
    if out:
        _draw(levels, target_ms, out)
    carried = max((one.users for one in levels if one.share_within(target_ms) >= 0.9), default=0)
    if as_json:
        rows = [_document(level, target_ms) for level in levels]
        print_json(
            {"url": settings.base, "levels": rows, "target_ms": target_ms, "users_within_target": carried}
        )
        return
    _tell(levels, target_ms, carried)


async def _measure(
    settings: RemoteSettings,
    users: list[int],
    seconds: float,
    typist: Typist,
    progress: Callable[[float], None],
) -> list[Level]:
    from mellum_lsp.bench.load import measure
    from mellum_lsp.engine.remote.engine import RemoteEngine

    engine = RemoteEngine(settings)
    try:
        return await measure(engine, users, seconds, typist, progress)
    finally:
        await engine.close()


def _document(level: Level, target_ms: float) -> dict[str, Any]:
    def number(value: float, places: int = 1) -> float | None:
        return None if math.isnan(value) else round(value, places)

    return {
        "users": level.users,
        "asked": level.asked,
        "answered": len(level.whole_ms),
        "withdrawn": level.withdrawn,
        "failed": level.failed,
        "answers_per_second": round(level.answers_per_second, 2),
        "tokens_per_second": round(level.generated_tokens / level.seconds, 1),
        "in_time": number(level.share_within(target_ms), 2),
        "p50_ms": number(level.percentile(50)),
        "p90_ms": number(level.percentile(90)),
        "p99_ms": number(level.percentile(99)),
        "trouble": level.trouble,
    }


def _tell(levels: list[Level], target_ms: float, carried: int) -> None:
    rows = [_document(level, target_ms) for level in levels]
    table = Table(*(name.replace("_", " ") for name in rows[0] if name != "trouble"), box=None)
    for row in rows:
        table.add_row(
            *("-" if value is None else str(value) for key, value in row.items() if key != "trouble")
        )
    console = Console(highlight=False)
    console.print(table)
    for trouble in dict.fromkeys(level.trouble for level in levels if level.trouble):
        console.print(f"[yellow]failed[/] {trouble}", soft_wrap=True)
    answered = f"{carried} developers" if carried else "no level"
    console.print(f"\n90% of answers within {target_ms:.0f} ms: {answered}")


def _draw(levels: list[Level], target_ms: float, path: Path) -> None:
    from mellum_lsp.bench.extras import ReportsMissing, require_reports
    from mellum_lsp.bench.plots import load_curve, save_png

    try:
        require_reports()
    except ReportsMissing as error:
        raise Failure(str(error)) from error
    save_png(load_curve(levels, target_ms), path)
