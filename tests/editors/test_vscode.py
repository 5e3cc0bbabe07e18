"""What a person sees who types in VS Code: suggestions, what becomes of them, and that the server knows.

VS Code in a browser, the packaged extension, the real server: `make test-vscode`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from vscode import processes, wait_until
from vscode_fixtures import OpenWindow, write_workspace

from mellum_lsp.feedback.events import Event, Kind

pytestmark = [pytest.mark.editor, pytest.mark.slow, pytest.mark.vscode]

RETURN = {"after": "def add(a, b):\n    ", "text": "return a + b"}
LOOP = {"after": "for name in names:\n    ", "text": "if name:\n        print(name)"}
EMOJI = {"after": "t = '👩‍👧é'; u = ", "text": "t + '🙂'"}


def test_a_ghost_is_shown_tab_accepts_it_and_undo_takes_it_back(
    open_window: OpenWindow, project: Path
) -> None:
    file = project / "a.py"
    file.write_bytes(b"x = 1\r\n")
    window = open_window("a.py", [EMOJI, LOOP])
    window.press("Control+End")

    window.type("t = '👩‍👧é'; u = ")
    window.wait_for_ghost("t + '🙂'")
    window.press("Tab")
    window.wait_for_no_ghost()
    # VS Code 1.139 leaves the caret one place short for each astral character of an accepted ghost.
    window.press("End", "Enter")
    window.type("for name in names:")
    window.new_line()
    window.wait_for_ghost("if name:\n        print(name)")
    window.press("Tab")
    before = "x = 1\r\nt = '👩‍👧é'; u = t + '🙂'\r\nfor name in names:\r\n    "
    window.save(file, f"{before}if name:\r\n        print(name)".encode())

    window.press("Control+z")
    window.save(file, before.encode())


def test_words_and_lines_are_taken_one_by_one_and_the_server_knows(
    open_window: OpenWindow, project: Path, feedback: Callable[[], list[Event]]
) -> None:
    file = project / "a.py"
    file.write_bytes(b"")
    text = "if name:\n        print(name)\n        count += 1"
    window = open_window("a.py", [{"after": "for name in names:\n    ", "text": text}])
    window.type("for name in names:")
    window.new_line()
    window.wait_for_ghost(text)

    window.press("Control+ArrowRight")
    window.wait_for_ghost(text.removeprefix("if"))
    window.press("Control+Alt+ArrowRight")
    window.wait_for_ghost("print(name)\n        count += 1")
    window.save(file, b"for name in names:\n    if name:\n")

    def taken() -> list[tuple[Kind, int]]:
        return [(event.kind, event.characters) for event in feedback()]

    first_line = len("if name:\n")
    wait_until(lambda: (Kind.PARTIALLY_ACCEPTED, first_line) in taken(), "the server knows of the line")
    assert (Kind.PARTIALLY_ACCEPTED, len("if")) in taken()
    assert Kind.SHOWN in [kind for kind, _ in taken()]

    # Where a ghost begins with indentation, VS Code's Tab indents before it accepts.
    window.press("Tab", "Tab")
    wait_until(lambda: Kind.ACCEPTED in [kind for kind, _ in taken()], "the server knows of the rest")
    assert len({event.suggestion for event in feedback() if event.suggestion}) == 1, "it was one suggestion"


def test_a_dismissed_suggestion_is_not_offered_again(
    open_window: OpenWindow, project: Path, feedback: Callable[[], list[Event]]
) -> None:
    (project / "a.py").write_bytes(b"")
    window = open_window("a.py", [RETURN])
    window.type("def add(a, b):")
    window.new_line()
    window.wait_for_ghost("return a + b")
    window.press("Escape")
    window.wait_for_no_ghost()
    wait_until(lambda: Kind.DISMISSED in {event.kind for event in feedback()}, "the server knows")
    window.type("r")
    window.press("Backspace")
    window.wait_for_status("silent: dismissed before")


def test_who_asks_for_a_suggestion_gets_one_where_nothing_comes_by_itself(
    open_window: OpenWindow, project: Path
) -> None:
    (project / "a.py").write_bytes(b"")
    comment = {"after": "# a comment ", "text": "of mine"}
    window = open_window("a.py", [comment], settings={"mellum.suppressIn": ["comment"]})
    window.type("# a comment ")
    window.wait_for_status("silent: in a comment")
    window.press("Alt+Backslash")
    window.wait_for_ghost("of mine")


def test_what_is_typed_along_a_ghost_keeps_it_also_on_a_long_line(
    open_window: OpenWindow, project: Path, feedback: Callable[[], list[Event]]
) -> None:
    long = "numbers = [" + "123456789, " * 400 + "0]; total = "
    file = project / "a.py"
    file.write_text(long, "utf-8")
    window = open_window("a.py", [{"after": "; total = ", "text": "sum(numbers)"}])
    window.press("Control+End", "Backspace")
    window.type(" ")
    window.wait_for_ghost("sum(numbers)")
    window.type("sum")
    window.wait_for_ghost("(numbers)")
    window.press("Tab")
    window.save(file, f"{long}sum(numbers)".encode())
    wait_until(lambda: Kind.TYPED_THROUGH in {event.kind for event in feedback()}, "the server knows")


def test_two_windows_on_one_project_share_an_engine(
    open_window: OpenWindow, project: Path, write_server: Callable[..., Path]
) -> None:
    for name in ("a.py", "b.py"):
        (project / name).write_text("def area(width, height):\n    return width * height\n\n", "utf-8")
    server = write_server()
    everything = {"mellum.gate": 0, "mellum.minimumCharacters": 1}
    windows = [open_window(name, server=server, settings=everything) for name in ("a.py", "b.py")]
    for window in windows:
        window.press("Control+End")
        window.type("def perimeter(width, height):")
        window.new_line()
        window.type("return ")
        window.page.locator(".ghost-text-decoration").first.wait_for()
    assert len(processes("mellum_lsp.engine.child", str(server.parents[1]))) == 1


def test_a_killed_server_comes_back(open_window: OpenWindow, project: Path, tmp_path: Path) -> None:
    file = project / "a.py"
    file.write_bytes(b"")
    window = open_window("a.py", [RETURN])
    window.type("def add(a, b):")
    window.new_line()
    window.wait_for_ghost("return a + b")

    script = str(tmp_path / "script.json")
    (server,) = processes(" serve", script)
    os.kill(server, signal.SIGKILL)
    window.wait_for_trouble()
    wait_until(lambda: processes(" serve", script) not in ([], [server]), "the server was started again")
    window.wait_for_ready()
    window.type("ret")
    window.wait_for_ghost("urn a + b")
    window.press("Tab")
    window.save(file, b"def add(a, b):\n    return a + b")


def test_all_folders_of_a_workspace_are_served(
    open_window: OpenWindow, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (project / "first.py").write_bytes(b"")
    (other / "second.py").write_bytes(b"")
    both = write_workspace(tmp_path / "both.code-workspace", project, other)
    window = open_window("first.py", [RETURN, LOOP], opened=both)
    window.type("def add(a, b):")
    window.new_line()
    window.wait_for_ghost("return a + b")
    window.open("second.py")
    window.type("for name in names:")
    window.new_line()
    window.wait_for_ghost("if name:\n        print(name)")


def test_a_file_without_a_name_is_served(open_window: OpenWindow) -> None:
    window = open_window("", [{"after": "All that glitters ", "text": "is not gold."}])
    window.wait_for_ready()
    window.command("File: New Untitled Text File")
    window.wait_until_editable()
    window.type("All that glitters ")
    window.wait_for_ghost("is not gold.")


def test_a_cell_of_a_notebook_is_completed_with_the_cells_above(
    open_window: OpenWindow, project: Path
) -> None:
    cells = [["names = ['Ada']"], []]
    (project / "a.ipynb").write_text(json.dumps(_notebook(cells)), "utf-8")
    window = open_window("a.ipynb", [{"after": "names = ['Ada']\nfor name in ", "text": "names:"}])
    window.page.locator(".notebookOverlay .cell-editor-container .view-lines").nth(1).click()
    window.wait_until_editable()
    window.type("for name in ")
    window.wait_for_ghost("names:")


def _notebook(cells: list[list[str]]) -> dict[str, object]:
    """A Jupyter notebook of Python cells, each given by its lines."""
    common = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"language_info": {"name": "python"}},
        "cells": [{**common, "id": f"cell-{number}", "source": lines} for number, lines in enumerate(cells)],
    }
