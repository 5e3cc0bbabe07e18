"""Takes the picture of VS Code: a real session with the embedded model.

    .venv/bin/python tests/editors/capture_vscode.py [--model PATH.gguf] [--output docs/images/vscode.png]

Needs what `tests/editors/test_vscode.py` needs. Opens the demo's sample project, with the demo's hole, types
the last character before the hole and takes the picture as soon as a ghost is shown.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from capture_screenshot import REPOSITORY, SAMPLE_FILE, prepare_sample
from conftest import SERVER
from playwright.sync_api import sync_playwright
from vscode import GHOST, CodeServer, Window
from vscode_fixtures import PROGRAM

REST_MILLISECONDS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano-135m", help="a catalogue name or a path to a .gguf")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "images" / "vscode.png")
    chosen = parser.parse_args()
    package = max((REPOSITORY / "editor-configs" / "vscode").glob("*.vsix"))
    with tempfile.TemporaryDirectory(prefix="mellum-picture-") as folder, sync_playwright() as driver:
        row, last = prepare_sample(Path(folder) / "shop")
        server = Path(folder) / "mellum-lsp"
        server.write_text(f'#!/bin/sh\nexec "{SERVER}" "$@" --model "{chosen.model}"\n', "utf-8")
        server.chmod(0o755)
        code_server = CodeServer(PROGRAM, package, {"mellum.serverPath": str(server)})
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            page = chromium.new_page(viewport={"width": 1060, "height": 700}, device_scale_factor=1.5)
            window = Window(page, code_server, Path(folder) / "shop")
            window.open(Path(SAMPLE_FILE).name)
            page.locator(".margin .line-numbers", has_text=str(row)).click()
            # A click on a line's number selects it; this leaves the caret at its end.
            window.press("ArrowLeft", "End")
            window.type(last)
            # The first request has the server evaluate the project's context; typing again profits from it.
            page.wait_for_timeout(REST_MILLISECONDS)
            window.press("Backspace")
            window.type(last)
            page.locator(GHOST).first.wait_for()
            page.wait_for_timeout(500)
            chosen.output.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=chosen.output)
            print(f"{chosen.output}: the ghost is {''.join(page.locator(GHOST).all_inner_texts())!r}")
        finally:
            chromium.close()
            code_server.close()


if __name__ == "__main__":
    main()
