"""Takes the picture of `mellum-lsp stats --html` in the documentation, with statistics that nobody made.

    python tests/pictures/statistics_page.py docs/images/stats.png

Twelve weeks of a developer who does not exist: he types in two languages, takes to the suggestions more and
more, and keeps most of what he accepts. The model is called `made-up-model`, so that nobody takes the figures
for a measurement. Needs chromium.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.store import FeedbackStore

WEEKS, A_DAY, DAYS = 12, 90, 5
SECONDS_A_DAY = 24 * 3600
FORMS = {"line": 0.55, "block": 0.2, "mid-line": 0.15, "word": 0.1}


def events(now: float, seed: int = 1) -> Iterator[Event]:
    """What such a developer's editor would have recorded until ``now``, oldest first."""
    draw = random.Random(seed)
    for week in range(WEEKS):
        for day in range(DAYS):
            morning = now - (WEEKS - week) * 7 * SECONDS_A_DAY + day * SECONDS_A_DAY
            for number in range(round(A_DAY * draw.uniform(0.6, 1.2))):
                yield from suggestion(draw, f"{week}-{day}-{number}", morning + number * 240, week / WEEKS)
            for language in ("python", "typescript"):
                characters = draw.randint(1500, 3500)
                yield Event(
                    Kind.TYPED, "", language, "made-up-model", characters=characters, at=morning + 30_000
                )


def suggestion(draw: random.Random, name: str, at: float, learnt: float) -> Iterator[Event]:
    """One suggestion and its fate; ``learnt`` from 0 to 1 makes it likelier to be accepted."""
    form = draw.choices(list(FORMS), list(FORMS.values()))[0]
    cached = draw.random() < 0.35
    probability = draw.betavariate(5, 2)
    length = round(draw.lognormvariate(3.4 if form != "block" else 4.6, 0.5))
    about = {
        "language": draw.choices(["python", "typescript"], [2, 1])[0],
        "model": "made-up-model",
        "probability": probability,
        "latency_ms": draw.uniform(0.3, 1.5) if cached else draw.lognormvariate(4.9, 0.4),
        "source": "cache" if cached else draw.choice(["full", "full", "micro", "prefetch"]),
        "form": form,
    }
    lines = 1 if form != "block" else draw.randint(2, 8)
    yield Event(Kind.SHOWN, name, characters=length, lines=lines, at=at, **about)
    if draw.random() > (0.18 + 0.15 * learnt) * (0.4 + probability):
        kinds = [Kind.DISMISSED, Kind.TYPED_THROUGH, None, None, None]
        if kind := draw.choice(kinds):
            yield Event(kind, name, characters=length // 2, lines=lines, at=at + 2, **about)
        return
    yield Event(Kind.ACCEPTED, name, characters=length, lines=lines, at=at + 2, **about)
    kept = length if draw.random() < 0.8 else draw.randint(0, length)
    for kind, seconds in ((Kind.KEPT_30_S, 30), (Kind.KEPT_5_MIN, 300)):
        yield Event(kind, name, characters=kept, of_characters=length, at=at + seconds, **about)
        kept = kept if draw.random() < 0.9 else kept // 2


def take(page: Path, picture: Path, width: int, height: int) -> None:
    """A picture of ``page`` as a browser shows it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        raise SystemExit("no chromium here")
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1"]
    size = f"--window-size={width},{height}"
    command = [browser, *options, size, f"--screenshot={picture.absolute()}", page.absolute().as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def main(picture: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FeedbackStore(Path(folder, "mellum-lsp", "feedback.sqlite3"))
        for event in events(time.time()):
            store.record(event)
        store.close(timeout=30)
        page = Path(folder, "stats.html")
        command = [sys.executable, "-m", "mellum_lsp", "stats", "--html", str(page)]
        subprocess.run(command, check=True, env={**os.environ, "XDG_STATE_HOME": folder})
        picture.parent.mkdir(parents=True, exist_ok=True)
        take(page, picture, 1000, 1680)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images/stats.png"))
