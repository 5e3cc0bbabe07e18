"""Draws media/icon.png from media/icon.svg, in the Chromium that tests the extension (`make test-vscode`).

python editor-configs/vscode/scripts/icon.py
"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

MEDIA = Path(__file__).parents[1] / "media"
SIDE = 256

with sync_playwright() as driver:
    chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = chromium.new_page(viewport={"width": SIDE, "height": SIDE})
    page.set_content(f"<style>* {{ margin: 0 }}</style>{(MEDIA / 'icon.svg').read_text('utf-8')}")
    page.screenshot(path=MEDIA / "icon.png", omit_background=True)
    chromium.close()
