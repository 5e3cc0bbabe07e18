"""``mellum-lsp stats export-preferences`` and ``clear-preferences``: what a user preferred, for training."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mellum_lsp.cli.output import Failure, json_option, print_json, progress_bar, reported_failures

if TYPE_CHECKING:
    from mellum_lsp.engine.vocabulary import Vocabulary
    from mellum_lsp.feedback.preferences import Pair

_END = "<|endoftext|>"
"""What ends an answer in training."""


@click.command("export-preferences")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", help="Whose tokens to write: a catalogue name or a path to a .gguf.")
@json_option
def export_preferences(file: Path, model: str | None, as_json: bool) -> None:
    """Write what was preferred to suggestions into FILE, as the training stage `dpo` reads it.

    A pair a line: the prompt, what was written and what was suggested instead, in the tokens of the model
    that is to be trained. There are such records only while the setting `collectPreferences` is on.

    Example: mellum-lsp stats export-preferences runs/mine/preferences/0000.jsonl
    """
    from mellum_lsp.engine.tokeniser import opened_vocabulary
    from mellum_lsp.feedback.preferences import PreferenceStore, pairs
    from mellum_lsp.models.resolve import resolve

    store = PreferenceStore()
    with reported_failures():
        path = resolve(model).path
        try:
            records = store.read()
        except sqlite3.Error as error:
            raise Failure(f"{store.path} cannot be read: {error}") from error
        if not records:
            raise Failure(
                "nothing was collected",
                "set `collectPreferences` to true in your editor: what you refuse or edit is kept then",
            )
        found = list(pairs(records))
        with opened_vocabulary(path) as vocabulary, progress_bar("writing", shown=not as_json) as progress:
            rows = list(_rows(vocabulary, found, progress))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reasons = dict(Counter(row["reason"] for row in rows))
    others = len(found) - len(rows)
    if as_json:
        print_json(
            {
                "file": file,
                "records": len(records),
                "pairs": len(rows),
                "other_models": others,
                "reasons": reasons,
            }
        )
        return
    click.echo(f"{len(rows)} pairs of {len(records)} records are in {file}: {_counts(reasons)}")
    if others:
        click.echo(f"{others} were made for models with other control tokens: name one of those with --model")


@click.command("clear-preferences")
@json_option
def clear_preferences(as_json: bool) -> None:
    """Forget what was collected of suggestions and of what was written in their place.

    Example: mellum-lsp stats clear-preferences
    """
    from mellum_lsp.feedback.preferences import PreferenceStore

    store = PreferenceStore()
    try:
        forgotten = store.clear()
    except (sqlite3.Error, OSError) as error:
        raise Failure(f"{store.path} cannot be removed: {error}", "remove that file yourself") from error
    if as_json:
        print_json({"forgotten_records": forgotten})
    else:
        click.echo(f"{forgotten} records are forgotten")


def _rows(
    vocabulary: Vocabulary, found: Sequence[Pair], on_progress: Callable[[float], None]
) -> Iterator[dict[str, Any]]:
    """The pairs in tokens; those whose prompt has markers that the vocabulary lacks are left out."""
    from mellum_lsp.engine.interface import RequestInvalid
    from mellum_lsp.engine.vocabulary import prompt_tokens

    end = vocabulary.marker(_END)
    if end is None:
        raise Failure(f"the vocabulary has no token {_END}", "name the model to be trained with --model")
    for number, pair in enumerate(found):
        on_progress(number / len(found))
        try:
            prompt, _ = prompt_tokens(vocabulary, [part.segments for part in pair.prompt])
        except RequestInvalid:
            continue
        yield {
            "prompt": prompt.tolist(),
            "chosen": [*vocabulary.tokenise(pair.chosen).tolist(), end],
            "rejected": [*vocabulary.tokenise(pair.rejected).tolist(), end],
            "reason": pair.reason,
        }


def _counts(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "none"
