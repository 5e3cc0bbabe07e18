"""``mellum-lsp demo``: a real completion in a sample project, over a real LSP session, explained."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mellum_lsp.cli.output import Failure, json_option, print_json

if TYPE_CHECKING:
    from mellum_lsp.conformance.client import LspClient

SAMPLE_PROJECT = Path(__file__).parent / "sample_project"
SAMPLE_FILE = "shop/cart.py"
HOLE_BEGINS_AFTER = "in self._counts.items():\n            product = self._catalog."
HOLE_ENDS_BEFORE = "        return total"
LOAD_PATIENCE_SECONDS = 100.0


@click.command()
@click.option("--model", help="A catalogue name or a path to a .gguf.")
@json_option
def demo(model: str | None, as_json: bool) -> None:
    """Show a completion in a small sample project: the ghost text, how long it took, and why this text.

    Example: mellum-lsp demo
    """
    with tempfile.TemporaryDirectory(prefix="mellum-lsp-demo-") as folder:
        root = Path(folder).resolve() / "sample_project"
        shutil.copytree(SAMPLE_PROJECT, root, ignore=shutil.ignore_patterns("__pycache__"))
        file = root / SAMPLE_FILE
        before, after = cut_hole(file.read_text(encoding="utf-8"))
        text = before + after
        file.write_text(text, encoding="utf-8")
        seen = asyncio.run(_complete_over_lsp(root, file, text, before, model))
    if not seen["text"]:
        raise Failure(f"the server showed nothing: {seen['reason']}", "mellum-lsp doctor")
    if as_json:
        print_json(seen)
    else:
        _print(before, after, seen)


def cut_hole(text: str) -> tuple[str, str]:
    """The sample without the lines to be completed: what stands before the caret, and what stands behind."""
    begin = text.index(HOLE_BEGINS_AFTER) + len(HOLE_BEGINS_AFTER)
    return text[:begin], "\n" + text[text.index(HOLE_ENDS_BEFORE, begin) :]


async def _complete_over_lsp(
    root: Path, file: Path, text: str, before: str, model: str | None
) -> dict[str, Any]:
    """Start the server, open the file, ask for the completion and its explanation, and shut down."""
    from mellum_lsp.conformance.processes import own_server, server_process

    started = time.perf_counter()
    async with server_process(own_server(*(["--model", model] if model else []))) as (client, process):
        try:
            client.patience_seconds = LOAD_PATIENCE_SECONDS
            async with asyncio.timeout(LOAD_PATIENCE_SECONDS):  # the whole conversation
                await client.initialize(
                    workspaceFolders=[{"uri": root.as_uri(), "name": root.name}],
                    initializationOptions={"engine": {"idleSeconds": 0}},
                )
                client.open(file.as_uri(), text)
                seen = await _ask(client, file, before, started)
                await client.end()
                await process.wait()
        except (TimeoutError, ConnectionError) as error:
            messages = [message["message"] for message in client.received("window/showMessage")]
            said = "; ".join(messages) or "see the log that `mellum-lsp doctor` names"
            raise Failure(
                f"no answer in {LOAD_PATIENCE_SECONDS:.0f} s: {said}", "mellum-lsp doctor"
            ) from error
    return seen


async def _ask(client: LspClient, file: Path, before: str, started: float) -> dict[str, Any]:
    """Complete twice behind ``before`` and have it explained; ``started`` is when the server was."""
    from mellum_lsp.conformance.client import at, caret_position

    method, params = "textDocument/inlineCompletion", at(file.as_uri(), caret_position(before), kind=1)
    await client.until_indexed()  # the other file of the sample belongs into the prompt
    first = await client.request(method, params)
    first_answer_ms = (time.perf_counter() - started) * 1000
    asked = time.perf_counter()
    answer = await client.request(method, params)
    again_ms = (time.perf_counter() - asked) * 1000
    explanation = await client.request("mellum/explain", params)
    return {
        "text": _inserted(answer) or _inserted(first),
        "reason": explanation["reason"],
        "model": explanation["model"],
        "first_answer_ms": round(first_answer_ms),
        "again_ms": round(again_ms, 1),
        "explanation": explanation,
    }


def _inserted(answer: dict[str, Any]) -> str:
    """The text of the first item of an inline completion's answer, or nothing."""
    return str(answer["items"][0]["insertText"]) if answer["items"] else ""


def _print(before: str, after: str, seen: dict[str, Any]) -> None:
    console = Console(highlight=False)
    explanation = seen["explanation"]
    console.print(Text(SAMPLE_FILE, style="bold"))
    code = Text(before)
    code.append(seen["text"], style="bright_black italic")
    code.append(after)
    number_width = len(str(code.plain.count("\n")))
    for number, line in enumerate(code.split("\n"), 1):
        console.print(Text(f"{number:>{number_width}} ", style="dim") + line)
    tokens, timings = explanation["tokens"], explanation["timings"]
    console.print()
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("ghost", repr(seen["text"]))
    facts.add_row("model", str(seen["model"]))
    facts.add_row("first", f"{seen['first_answer_ms'] / 1000:.1f} s after the server was started")
    facts.add_row("again", f"{seen['again_ms']} ms for the same caret")
    facts.add_row(
        "model work",
        f"{tokens['prompt']} prompt tokens ({tokens['reused']} reused), {tokens['generated']} generated: "
        f"prefill {timings['prefill_ms']:.0f} ms, decode {timings['decode_ms']:.0f} ms",
    )
    facts.add_row(
        "sure", f"{explanation['gate']['probability']:.0%}: the joint probability of all that is shown"
    )
    for chunk in explanation["chunks"]:
        place = f"{chunk['path']}:{chunk['start_line']}-{chunk['end_line']}"
        facts.add_row("context", f"{place}  {chunk['strategy']} {chunk['score']:.2f}")
    for step in explanation["steps"]:
        facts.add_row("step", f"{step['rule']}: {step['before']!r} → {step['after']!r}")
    console.print(facts)
    console.print("\nEverything ran on this machine. Next: the editor set-up in README.md.")
