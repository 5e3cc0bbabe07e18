"""The pages name what there is: files, rooms, commands of make, and each other."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
) or sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/*/README.md")])
MAPS = ("docs/architecture.md", "docs/decisions.md", "docs/development.md")
SUFFIXES = (".py", ".toml", ".md", ".sh", ".json", "/")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ +(.*)$", without_code(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        path, _, anchor = target.partition("#")
        if ":" in path:
            continue
        other = (page.parent / path).resolve() if path else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", MAPS)
def test_the_maps_name_files_that_there_are(name: str) -> None:
    """Below the repository, the package, or the room that begins the line's table row."""
    missing = []
    for line in (ROOT / name).read_text("utf-8").split("\n"):
        room = re.match(r"\| `(\w+)/`", line)
        places = [
            ROOT,
            ROOT / "mellum_lsp",
            *([ROOT / "mellum_lsp" / room[1], ROOT / room[1]] if room else []),
        ]
        paths = [path for path in re.findall(r"`([\w./-]+)`", line) if path.endswith(SUFFIXES)]
        missing += [path for path in paths if not any((place / path).exists() for place in places)]
    assert missing == []


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "mellum_lsp").glob("*/__init__.py")}
    assert rooms | {"training"} == set(re.findall(r"^\| `(\w+)/` \|", text, re.MULTILINE))


def test_every_command_of_make_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split())
    text = (ROOT / "docs" / "development.md").read_text("utf-8")
    assert targets == set(re.findall(r"`make ([\w-]+)`", text))
