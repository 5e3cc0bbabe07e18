"""``mellum-lsp complete``: one completion, as the server would make it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mellum_lsp.cli.output import (
    errors,
    json_option,
    lora_option,
    print_json,
    progress_bar,
    reported_failures,
)
from mellum_lsp.cli.target import TargetType, caret_at, project_root
from mellum_lsp.domain import Caret, ScoredChunk, Trigger

if TYPE_CHECKING:
    from mellum_lsp.completion.outcome import Outcome

INDEX_PATIENCE_SECONDS = 60.0


@click.command()
@click.argument("target", type=TargetType(), metavar="FILE:LINE:COL")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Project folder.")
@click.option("--model", help="A catalogue name or a path to a .gguf.")
@lora_option
@click.option(
    "--automatic", is_flag=True, help="Be as quiet as while typing: apply the gate and the minimum length."
)
@json_option
def complete(
    target: tuple[Path, int, int],
    root: Path | None,
    model: str | None,
    lora: str | None,
    automatic: bool,
    as_json: bool,
) -> None:
    """Complete the code at FILE:LINE:COL (both from 1; COL is 1 + the characters before the caret).

    Asked like this the best there is is printed, sure or not; --automatic prints what an editor would show.

    Example: mellum-lsp complete src/app.py:12:5 --json
    """
    root = root or project_root(target[0])
    caret = caret_at(target, root, Trigger.AUTOMATIC if automatic else Trigger.INVOKED)
    with reported_failures():
        outcome = asyncio.run(_complete(target[0], caret, root, model, lora, quiet=as_json))
    if as_json:
        print_json(outcome_document(outcome))
    elif outcome.text:
        click.echo(outcome.text)
    else:
        errors.print(f"nothing to show: {outcome.reason}")


async def _complete(
    file: Path, caret: Caret, root: Path, model: str | None, lora: str | None, *, quiet: bool
) -> Outcome:
    from mellum_lsp.completion import reasons
    from mellum_lsp.completion.outcome import Outcome
    from mellum_lsp.lsp.backend import Listeners, build
    from mellum_lsp.lsp.settings import EngineOptions, Settings
    from mellum_lsp.workspace.ignore import is_excluded

    if is_excluded(file.resolve(), caret.root, caret.path):
        return Outcome((), str(reasons.EXCLUDED_FILE))
    backend = build(
        # The editors' engine, where they run one; a command of its own leaves none behind.
        Settings(lora=lora, engine=EngineOptions(idle_seconds=0)),
        Listeners(notice=errors.print),  # trouble with the engine becomes the outcome's reason
        model=model,
        folders=[root],
        index=None,
    )
    backend.index.start()
    try:
        with progress_bar("loading the model", shown=not quiet) as progress:
            await backend.engine.start(progress)
        with progress_bar("indexing the project", shown=not quiet):
            await asyncio.to_thread(backend.index.wait_until_ready, INDEX_PATIENCE_SECONDS)
        return await backend.completer.complete(caret)
    finally:
        await backend.close()


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """The JSON document of a completion."""
    return {
        "text": outcome.text,
        "reason": outcome.reason,
        "model": outcome.model,
        "timings": outcome.timings,
        "tokens": outcome.tokens,
        "confidence": outcome.confidence,
        "source": outcome.source,
        "replace_after": outcome.items[0].replace_after if outcome.items else 0,
        "chunks": [chunk_document(chunk) for chunk in outcome.chunks],
    }


def chunk_document(scored: ScoredChunk) -> dict[str, Any]:
    """The JSON document of a chunk: where it is, not what it says."""
    return {
        "path": scored.chunk.path,
        "start_line": scored.chunk.start_line,
        "end_line": scored.chunk.end_line,
        "score": round(scored.score, 4),
        "strategy": scored.strategy,
    }
