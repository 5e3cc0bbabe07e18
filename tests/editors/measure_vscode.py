"""Measures the time from a key to its ghost in a real VS Code, and the server's share of it.

    .venv/bin/python tests/editors/measure_vscode.py [--samples 30] [--model nano-135m]

Needs what `make test-vscode` sets up, and a machine that does nothing else. In a copy of this project's own
code the caret jumps to an assignment or a return, rests there for a moment and replaces the
rest of the line by a space: the time runs from the browser's keydown to the ghost in the page. The server's
share is the waiting time that it recorded of the same suggestions. A script in the model's place
(`--model scripted`) leaves what VS Code and the protocol take. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import tempfile
from pathlib import Path

from capture_screenshot import REPOSITORY
from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import sync_playwright
from vscode import GHOST, CodeServer, Window
from vscode_fixtures import EXTENSION, PROGRAM, SERVER

from mellum_lsp.feedback.events import Kind
from mellum_lsp.feedback.store import FeedbackStore

PROJECT = REPOSITORY / "mellum_lsp" / "prompt"
FILE = "windows.py"
REST_MS = 700
GIVE_UP_MS = 4000

WATCH = """selectors => {
  window.keyAt = window.ghostAt = 0;
  addEventListener("keydown", event => { window.keyAt = event.timeStamp; window.ghostAt = 0; }, true);
  new MutationObserver(() => {
    if (!window.ghostAt && [...document.querySelectorAll(selectors)].some(ghost => ghost.textContent.trim()))
      window.ghostAt = performance.now();
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model", default="nano-135m", help="a catalogue name, a path to a .gguf, or scripted"
    )
    parser.add_argument("--samples", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mellum-measure-") as name, sync_playwright() as driver:
        folder = Path(name)
        shutil.copytree(PROJECT, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "project" / ".git").mkdir()
        server = write_server(folder, chosen.model)
        code_server = CodeServer(PROGRAM, max(EXTENSION.glob("*.vsix")))
        # Everything that the model says is shown: what it costs does not hang on how sure it is.
        everything = {"mellum.gate": 0, "mellum.minimumCharacters": 1, "mellum.engine.idleSeconds": 0}
        code_server.configure({"mellum.serverPath": str(server), **everything})
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            window = Window(chromium.new_page(), code_server, folder / "project")
            window.wait_for_ready()
            window.open(FILE)
            waited = measure(window, places(folder / "project" / FILE), chosen.samples)
            window.page.goto("about:blank")
        finally:
            chromium.close()
            code_server.close()
        events = FeedbackStore(folder / "state" / "mellum-lsp" / "feedback.sqlite3").read()
    served = [event.latency_ms for event in events if event.kind is Kind.SHOWN]
    report(chosen.model, waited, served)


def write_server(folder: Path, model: str) -> Path:
    """A program that is the server with a state folder of its own."""
    if model == "scripted":
        script = folder / "script.json"
        script.write_text(json.dumps([{"after": " ", "text": "answer_of_the_script()"}]), "utf-8")
        model = f"scripted:{script}"
    program = folder / "mellum-lsp"
    state = f'export XDG_STATE_HOME="{folder / "state"}"'
    program.write_text(f'#!/bin/sh\n{state}\nexec "{SERVER}" "$@" --model "{model}"\n', "utf-8")
    program.chmod(0o755)
    return program


def places(file: Path) -> list[tuple[int, int]]:
    """Line and column, from 1, of the space behind an assignment or a return; the last ones first."""
    lines = enumerate(file.read_text("utf-8").splitlines(), 1)
    found = [(number, re.match(r"    +(?:\w+ =|return)(?= \S)", line)) for number, line in lines]
    return [(number, match.end() + 1) for number, match in reversed(found) if match]


def measure(window: Window, places: list[tuple[int, int]], samples: int) -> list[float]:
    """Milliseconds from key to ghost, one a place; places where the model had nothing to say are left out."""
    page = window.page
    page.evaluate(WATCH, GHOST)
    waited: list[float] = []
    for line, column in places:
        if len(waited) == samples:
            break
        window.press("Escape", "Control+g")
        page.locator(".quick-input-widget input").fill(f":{line}:{column}")
        window.press("Enter", "Shift+End")
        window.wait_for_no_ghost()
        page.wait_for_timeout(REST_MS)
        window.press("Space")
        try:
            page.wait_for_function("() => window.ghostAt > 0", timeout=GIVE_UP_MS)
        except TooLate:
            continue
        waited.append(page.evaluate("() => window.ghostAt - window.keyAt"))
        page.wait_for_timeout(200)  # until it counts as seen
    return waited


def report(model: str, waited: list[float], served: list[float]) -> None:
    twentieths = statistics.quantiles(waited, n=20)
    figures = {
        "model": model,
        "samples": len(waited),
        "median_ms": round(statistics.median(waited)),
        "p5_ms": round(twentieths[0]),
        "p95_ms": round(twentieths[-1]),
        "server_samples": len(served),
        "server_median_ms": round(statistics.median(served), 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
