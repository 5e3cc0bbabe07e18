"""Takes the pictures of VS Code: a real session with the embedded model.

    .venv/bin/python tests/editors/capture_vscode.py [--model PATH.gguf]

Needs what `make test-vscode` sets up. Opens the demo's sample project, with the demo's hole, types the last
character before the hole and takes pictures: of the ghost, of its explanation, of the menu and of the models,
for docs/images and for the extension's walkthrough.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import tempfile
from pathlib import Path

from capture_screenshot import REPOSITORY, SAMPLE_FILE, prepare_sample
from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright
from vscode import GHOST, CodeServer, Window
from vscode_fixtures import EXTENSION, PROGRAM, SERVER

IMAGES = REPOSITORY / "docs" / "images"
WALKTHROUGH = EXTENSION / "media" / "walkthrough"
REST_MILLISECONDS = 8_000
SIZE = (1060, 620)
SCALE = 1.25


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="nano-135m", help="a catalogue name or a path to a .gguf")
    chosen = parser.parse_args()
    package = max(EXTENSION.glob("*.vsix"))
    with tempfile.TemporaryDirectory(prefix="mellum-picture-") as folder, sync_playwright() as driver:
        project = Path(folder) / "shop"
        row, last = prepare_sample(project)
        code_server = CodeServer(PROGRAM, package)
        # On a busy machine the model seems slow, and the prompt would be short of the project's context.
        prompt = {"mellum.model": chosen.model, "mellum.contextTokens": 1024}
        code_server.configure({"mellum.serverPath": str(SERVER), **prompt})
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            width, height = SIZE
            page = chromium.new_page(viewport={"width": width, "height": height}, device_scale_factor=SCALE)
            window = Window(page, code_server, project)
            window.wait_for_ready()
            window.open(Path(SAMPLE_FILE).name)
            page.locator(".margin .line-numbers", has_text=re.compile(rf"^{row}$")).click()
            # A click on a line's number selects it; this leaves the caret at its end.
            window.press("ArrowLeft", "End")
            take_pictures(window, last)
        finally:
            chromium.close()
            code_server.close()


def take_pictures(window: Window, last: str) -> None:
    """With the caret where ``last`` is still to be typed."""
    page = window.page
    window.type(last)
    # The first request has the server evaluate the project's context; typing again profits from it.
    while not page.locator(GHOST).count():
        page.wait_for_timeout(REST_MILLISECONDS)
        window.press("Backspace")
        window.type(last)
        page.wait_for_timeout(REST_MILLISECONDS)
    print(f"the ghost is {''.join(page.locator(GHOST).all_inner_texts())!r}")
    picture(page, IMAGES / "vscode.png")
    picture(page, WALKTHROUGH / "ghost.png", {"x": 310, "y": 170, "width": 520, "height": 360})

    window.open_menu("")
    picture(page, IMAGES / "vscode-menu.png")
    picture(page, WALKTHROUGH / "status.png", box(page, ".quick-input-widget"))
    window.press("Escape")

    window.command("Mellum: Choose a Model…")
    page.locator(".quick-input-list", has_text="mellum-4b").wait_for()
    picture(page, IMAGES / "vscode-models.png", box(page, ".quick-input-widget"))
    window.press("Escape")

    window.command("View: Toggle Primary Side Bar Visibility")
    window.command("Mellum: Explain This Completion")
    window.webview().get_by_role("link").first.wait_for()
    picture(page, IMAGES / "vscode-explain.png")
    explanation = box(page, ".editor-group-container >> nth=1")
    picture(page, WALKTHROUGH / "explain.png", {**explanation, "height": 500})


def box(page: Page, selector: str) -> FloatRect:
    """Where that is on the page."""
    found = page.locator(selector).bounding_box()
    assert found, selector
    return found


def picture(page: Page, path: Path, clip: FloatRect | None = None) -> None:
    """Small: the editor's surfaces have few colours."""
    page.mouse.move(SIZE[0] / 2, SIZE[1] - 60)  # away from whatever explains itself under it
    page.wait_for_timeout(500)
    taken = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    path.parent.mkdir(parents=True, exist_ok=True)
    taken.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(REPOSITORY)}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
