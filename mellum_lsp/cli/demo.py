"""``mellum-lsp demo``: a real completion in a sample project, over a real LSP session, explained."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
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
    from pygls.lsp.client import LanguageClient

SAMPLE_PROJECT = Path(__file__).parent / "sample_project"
SAMPLE_FILE = "shop/cart.py"
HOLE_BEGINS_AFTER = "in self._counts.items():\n            product = self._catalog."
HOLE_ENDS_BEFORE = "        return total"
LOAD_PATIENCE_SECONDS = 100.0
_STOPPING_SECONDS = 5.0


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
    from pygls.lsp.client import LanguageClient

    client = LanguageClient("mellum-lsp-demo", "1")
    messages = _listen(client)
    started = time.perf_counter()
    arguments = ["-m", "mellum_lsp", "serve", *(["--model", model] if model else [])]
    await client.start_io(sys.executable, *arguments)
    try:
        # The whole conversation: a server that ends at once would otherwise be waited for without end.
        async with asyncio.timeout(LOAD_PATIENCE_SECONDS):
            await _open(client, root, file, text)
            seen = await _ask(client, file, before, started)
            await client.shutdown_async(None)
            client.exit(None)
    except TimeoutError as error:
        said = "; ".join(messages) or "see the log that `mellum-lsp doctor` names"
        raise Failure(f"no answer in {LOAD_PATIENCE_SECONDS:.0f} s: {said}", "mellum-lsp doctor") from error
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.stop(), _STOPPING_SECONDS)  # type: ignore[no-untyped-call]
    return seen


def _listen(client: LanguageClient) -> list[str]:
    """Take what the server sends by itself; its messages to the user are collected in the list."""
    from lsprotocol import types

    messages: list[str] = []
    client.feature(types.WINDOW_SHOW_MESSAGE)(lambda message: messages.append(message.message))
    client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)(lambda params: None)
    for unused in (types.WINDOW_LOG_MESSAGE, types.PROGRESS, "mellum/status"):
        client.feature(unused)(lambda params: None)
    return messages


async def _open(client: LanguageClient, root: Path, file: Path, text: str) -> None:
    """Initialize a session on ``root`` and open ``file`` in it."""
    from lsprotocol import types

    encodings = types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16])
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(general=encodings),
            workspace_folders=[types.WorkspaceFolder(uri=root.as_uri(), name=root.name)],
            initialization_options={"engine": {"idleSeconds": 0}},
        )
    )
    client.initialized(types.InitializedParams())
    document = types.TextDocumentItem(uri=file.as_uri(), language_id="python", version=1, text=text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=document))


async def _ask(client: LanguageClient, file: Path, before: str, started: float) -> dict[str, Any]:
    """Complete twice behind ``before`` and have it explained; ``started`` is when the server was."""
    from lsprotocol import types

    params = types.InlineCompletionParams(
        text_document=types.TextDocumentIdentifier(uri=file.as_uri()),
        position=types.Position(line=before.count("\n"), character=len(before) - before.rfind("\n") - 1),
        context=types.InlineCompletionContext(trigger_kind=types.InlineCompletionTriggerKind.Invoked),
    )
    first = await client.text_document_inline_completion_async(params)
    first_answer_ms = (time.perf_counter() - started) * 1000
    asked = time.perf_counter()
    answer = await client.text_document_inline_completion_async(params)
    again_ms = (time.perf_counter() - asked) * 1000
    explanation = _plain(await client.protocol.send_request_async("mellum/explain", params))
    return {
        "text": _inserted(answer) or _inserted(first),
        "reason": explanation.get("reason", ""),
        "model": explanation.get("model", ""),
        "first_answer_ms": round(first_answer_ms),
        "again_ms": round(again_ms, 1),
        "explanation": explanation,
    }


def _inserted(answer: Any) -> str:
    """The text of the first item of an inline completion's answer, or nothing."""
    items = getattr(answer, "items", answer) or []
    return str(items[0].insert_text) if items else ""


def _plain(value: Any) -> Any:
    """A reply without a registered type (a named tuple, for pygls) as plain dictionaries and lists."""
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


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
