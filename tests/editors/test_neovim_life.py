"""What becomes of a suggestion in Neovim, and what is recorded of it: the store of a real server is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from editors_here import every_neovim, recorded
from neovim import Neovim

pytestmark = pytest.mark.editor

OpenNeovim = Callable[..., Neovim]


def record(nvim: Neovim, expected: list[tuple[str, int]]) -> None:
    """Wait until these events are recorded, and nothing else is."""
    nvim.wait_for(lambda: len(recorded(nvim.state_home)) >= len(expected), f"{len(expected)} events")
    assert recorded(nvim.state_home) == expected


@every_neovim
def test_the_life_of_a_suggestion(open_neovim: OpenNeovim, version: str) -> None:
    says = {"one": "first('é', 2)", "two": "second('🎉é')", "three": "third(4)", "four": "last"}
    nvim = open_neovim(
        "a.py",
        [{"after": f"{name} = ", "text": text} for name, text in says.items()],
        version=version,
    )
    nvim.text("ione = ")
    nvim.wait_for_ghost(says["one"])
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines[-1] == "one = first('é', 2)", "the accepted text")
    accepted = [("shown", 13), ("accepted", 13)]
    record(nvim, accepted)

    nvim.keys("<CR>")
    nvim.text("two = ")
    nvim.wait_for_ghost(says["two"])
    nvim.keys("<M-Right>")
    nvim.wait_for_ghost("('🎉é')")
    nvim.keys("<M-Right>")
    nvim.wait_for_ghost("🎉é')")
    nvim.keys("<M-Right>")
    nvim.wait_for(lambda: nvim.lines[-1] == "two = second('🎉é", "the third part")
    parts = [("partially accepted", characters) for characters in (6, 8, 10)]
    in_parts = [*accepted, ("shown", 12), *parts]
    record(nvim, in_parts)

    nvim.keys("<CR>")
    nvim.text("three = ")
    nvim.wait_for_ghost(says["three"])
    nvim.keys("<C-]>")
    dismissed = [*in_parts, ("shown", 8), ("dismissed", 8)]
    record(nvim, dismissed)
    assert nvim.ghost is None

    nvim.keys("4<CR>")
    nvim.text("four = ")
    nvim.wait_for_ghost(says["four"])
    for key in says["four"]:
        nvim.text(key)
    record(nvim, [*dismissed, ("shown", 4), ("typed through", 4)])
    assert nvim.ghost is None


def test_typing_something_else_after_reading_it_is_a_refusal(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()"}])
    needed = nvim.lua("return require('mellum.feedback').read_ms")
    assert needed == 750
    # However long this machine takes between the ghost and the key, nobody can have read it.
    nvim.lua("require('mellum.feedback').read_ms = 3600000")
    nvim.text("ix = ")
    nvim.wait_for_ghost()
    nvim.text("7")
    nvim.keys("<BS>")
    nvim.wait_for_ghost("compute()")
    assert ("dismissed", 9) not in recorded(nvim.state_home)
    nvim.lua("require('mellum.feedback').read_ms = ...", needed)
    time.sleep(needed / 1000)
    nvim.text("7")
    record(nvim, [("shown", 9), ("dismissed", 9)])


def test_what_was_dismissed_is_not_offered_again_unless_asked_for(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()"}])
    nvim.text("ix = ")
    nvim.wait_for_ghost()
    nvim.keys("<C-]>")
    nvim.keys("y<BS>")
    reason = "return require('mellum').status()"
    nvim.wait_for(lambda: nvim.lua(reason).startswith("mellum: silent, "), "the reason")
    assert nvim.ghost is None
    nvim.keys("<M-]>")
    nvim.wait_for_ghost("compute()  1/1")
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["x = compute()"], "the accepted text")


def test_an_accepted_ghost_that_is_undone_is_offered_again(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()"}])
    nvim.text("ix = ")
    nvim.wait_for_ghost()
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["x = compute()"], "the accepted text")
    # Until the server has seen the accepted text: Neovim keeps changes back for a moment.
    status = "return require('mellum').status()"
    nvim.wait_for(lambda: nvim.lua(status).startswith("mellum: silent, "), "the server's answer behind it")
    nvim.keys("<Esc>u")
    assert nvim.lines == ["x = "]
    nvim.text("A")
    nvim.wait_for_ghost("compute()")
    record(nvim, [("shown", 9), ("accepted", 9), ("shown", 9)])


def test_a_very_long_line(open_neovim: OpenNeovim, project: Path) -> None:
    long = "names = [" + "'é🎉', " * 4000 + "]"
    (project / "a.py").write_text(f"{long}; last = \n", "utf-8")
    nvim = open_neovim("a.py", [{"after": "; last = ", "text": "names[-1]"}])
    nvim.text("A")
    assert nvim.wait_for_ghost("names[-1]").column == len(f"{long}; last = ".encode())
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == [f"{long}; last = names[-1]"], "the accepted text")


def test_a_buffer_without_a_file(open_neovim: OpenNeovim) -> None:
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()"}])
    nvim.command("enew | setfiletype python")
    nvim.wait_for_client()
    nvim.text("ix = ")
    nvim.wait_for_ghost("compute()")
    nvim.keys("<Tab>")
    nvim.wait_for(lambda: nvim.lines == ["x = compute()"], "the accepted text")


def test_a_read_only_file_is_completed_in_memory_and_a_locked_buffer_is_left_alone(
    open_neovim: OpenNeovim, project: Path
) -> None:
    (project / "a.py").write_text("x = \n", "utf-8")
    nvim = open_neovim("a.py", [{"after": "x = ", "text": "compute()"}])
    nvim.command("set readonly")
    nvim.text("A")
    nvim.wait_for_ghost("compute()")
    nvim.keys("<Esc>")
    nvim.command("set nomodifiable")
    nvim.text("A")
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "n"
    assert nvim.ghost is None
    assert (project / "a.py").read_text("utf-8") == "x = \n"


def test_two_editors_on_one_project_write_to_one_store(open_neovim: OpenNeovim, tmp_path: Path) -> None:
    says = [{"after": "x = ", "text": "compute()"}]
    both = [
        open_neovim("a.py", says, state=tmp_path / "state"),
        open_neovim("b.py", says, state=tmp_path / "state"),
    ]
    for nvim in both:
        nvim.text("ix = ")
    for nvim in both:
        nvim.wait_for_ghost("compute()")
        nvim.keys("<Tab>")
        nvim.wait_for(lambda nvim=nvim: nvim.lines == ["x = compute()"], "the accepted text")
    both[0].wait_for(lambda: len(recorded(tmp_path / "state")) == 4, "what became of both")
    assert sorted(recorded(tmp_path / "state")) == [("accepted", 9)] * 2 + [("shown", 9)] * 2
