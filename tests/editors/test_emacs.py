"""What a person sees who loads mellum.el in Emacs 30: real editor, lsp-mode 10 or eglot, real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from editors_here import EMBEDDED_MODEL, SERVER, is_ready, recorded
from emacs import PLUGIN, Emacs
from neovim import Neovim

pytestmark = [
    pytest.mark.editor,
    pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed"),
]

ADD = [{"after": "def add(a, b):\n    ", "text": "return a + b"}]
LOOP = [{"after": "for name in names:\n    ", "text": "if name:\n        print(name)"}]

MELLUM = """
(setq mellum-command '({command}) mellum-settings '(:engine (:idleSeconds 0))
      mellum-eglot-modes '(python-base-mode))
(require 'mellum)
"""

# What a package manager loads, and what would only slow the tests down switched off.
LSP_MODE = """
(load "lsp-mode-autoloads" nil t)
(setq lsp-idle-delay 0.05 lsp-inline-completion-idle-delay 0.05 lsp-auto-guess-root t
      lsp-headerline-breadcrumb-enable nil lsp-lens-enable nil lsp-modeline-code-actions-enable nil
      lsp-warn-no-matched-clients nil lsp-enable-suggest-server-download nil lsp-enable-file-watchers nil
      lsp-client-packages nil lsp-restart 'ignore lsp-diagnostics-provider :none lsp-completion-enable nil
      lsp-enable-snippet nil lsp-session-file (expand-file-name "lsp-session" server-socket-dir))
(add-hook 'python-mode-hook #'lsp)
(setq-default mode-line-format '("%b " (:eval (mellum-status))))
"""

EGLOT = """
(require 'eglot)
(setq eglot-sync-connect nil eglot-ignored-server-capabilities '(:inlayHintProvider))
(add-hook 'python-mode-hook #'eglot-ensure)
"""

OpenEmacs = Callable[..., Emacs]

READ_SECONDS = 0.8
"""After this, typing something else is a refusal."""


@pytest.fixture
def program(editors: Path) -> Path:
    if not (editors / "emacs").exists():
        pytest.skip("Emacs 30 with lsp-mode 10 could not be had here")
    return editors / "emacs"


@pytest.fixture
def open_emacs(
    program: Path,
    project: Path,
    tmp_path: Path,
    write_script: Callable[[Sequence[dict[str, object]]], str],
) -> Iterator[OpenEmacs]:
    """Opens a file in an Emacs with ``client``; the server follows ``script`` or runs ``model``."""
    opened: list[Emacs] = []

    def start(
        file: str,
        script: Sequence[dict[str, object]] | None = None,
        *,
        client: str = LSP_MODE,
        model: Path | None = None,
        state: Path | None = None,
    ) -> Emacs:
        chosen = write_script(script) if script is not None else str(model)
        recording = tmp_path / f"{file}.jsonl"
        words = [str(SERVER), "serve", "--model", chosen, "--record", str(recording)]
        command = " ".join(map(json.dumps, words))
        emacs = Emacs(program, project, file, MELLUM.format(command=command) + client, state=state)
        opened.append(emacs)
        emacs.wait_for(lambda: is_ready(recording), "the server")
        serves = '(equal (mellum-status) "mellum")' if client is LSP_MODE else "(and (eglot-managed-p) t)"
        emacs.wait_for(lambda: emacs.eval(serves), "its client")
        return emacs

    yield start
    for emacs in opened:
        emacs.close()


def type_add(emacs: Emacs) -> None:
    emacs.text("def add(a, b):")
    emacs.keys("Enter")


class TestLspMode:
    def test_a_ghost_is_on_the_screen_and_tab_accepts_it(self, open_emacs: OpenEmacs) -> None:
        emacs = open_emacs("a.py", LOOP)
        emacs.text("for name in names:")
        emacs.keys("Enter")
        emacs.wait_for_ghost("if name:\n        print(name)")
        lines = ["for name in names:", "    if name:", "        print(name)"]
        emacs.wait_for(
            lambda: [row.rstrip() for row in emacs.screen().split("\n")][:3] == lines, "the screen"
        )
        assert emacs.buffer == "for name in names:\n    ", "a ghost is not text"
        emacs.keys("Tab")
        emacs.wait_for(lambda: emacs.buffer == "\n".join(lines), "the accepted text")

    def test_the_life_of_a_suggestion(self, open_emacs: OpenEmacs) -> None:
        says = {"one": "first('é', 2)", "two": "second('🎉é')", "three": "third(4)"}
        emacs = open_emacs("a.py", [{"after": f"{name} = ", "text": text} for name, text in says.items()])

        def record(expected: list[tuple[str, int]]) -> None:
            emacs.wait_for(
                lambda: len(recorded(emacs.state_home)) >= len(expected), f"{len(expected)} events"
            )
            assert recorded(emacs.state_home) == expected

        emacs.text("one = ")
        emacs.wait_for_ghost(says["one"])
        accepted = [("shown", 13)]
        record(accepted)
        emacs.keys("Tab")
        accepted += [("accepted", 13)]
        record(accepted)

        emacs.keys("Enter")
        emacs.text("two = ")
        emacs.wait_for_ghost(says["two"])
        in_parts = [*accepted, ("shown", 12)]
        record(in_parts)
        emacs.keys("M-f")
        emacs.wait_for_ghost("('🎉é')")
        emacs.keys("M-f")
        emacs.wait_for_ghost("🎉é')")
        emacs.keys("M-f")
        emacs.wait_for_ghost("')")
        in_parts += [("partially accepted", characters) for characters in (6, 8, 10)]
        record(in_parts)
        emacs.keys("Tab")
        in_parts += [("accepted", 12)]
        record(in_parts)

        emacs.keys("Enter")
        emacs.text("three = ")
        emacs.wait_for_ghost(says["three"])
        dismissed = [*in_parts, ("shown", 8)]
        record(dismissed)
        emacs.keys("C-g")
        dismissed += [("dismissed", 8)]
        record(dismissed)
        assert emacs.ghost is None
        assert emacs.buffer == f"one = {says['one']}\ntwo = {says['two']}\nthree = "

    def test_typing_along_brings_it_back_and_typing_something_else_refuses_it(
        self, open_emacs: OpenEmacs
    ) -> None:
        emacs = open_emacs(
            "a.py", [{"after": "x = ", "text": "calc()"}, {"after": "y = ", "text": "other()"}]
        )
        emacs.text("x = ")
        emacs.wait_for_ghost("calc()")
        for typed in range(1, len("calc()")):
            emacs.text("calc()"[typed - 1])
            emacs.wait_for_ghost("calc()"[typed:])
        emacs.text(")")
        through = ("typed through", 6)
        emacs.wait_for(lambda: through in recorded(emacs.state_home), "what the server read from the text")

        emacs.keys("Enter")
        emacs.text("y = ")
        emacs.wait_for_ghost("other()")
        emacs.wait_for(lambda: ("shown", 7) in recorded(emacs.state_home), "that it was seen")
        time.sleep(READ_SECONDS)
        emacs.text("7")
        emacs.wait_for(lambda: ("dismissed", 7) in recorded(emacs.state_home), "the refusal")
        assert emacs.ghost is None

    def test_a_very_long_line_and_a_read_only_buffer(self, open_emacs: OpenEmacs, project: Path) -> None:
        long = "names = [" + "'é🎉', " * 400 + "]; last = "
        (project / "a.py").write_text(long, "utf-8")
        emacs = open_emacs("a.py", [{"after": "; last = ", "text": "names[-1]"}])
        emacs.eval("(progn (goto-char (point-max)) (delete-char -1) t)")
        emacs.text(" ")
        emacs.wait_for_ghost("names[-1]")
        emacs.keys("Tab")
        emacs.wait_for(lambda: emacs.buffer == f"{long}names[-1]", "the accepted text")
        emacs.eval("(progn (read-only-mode) t)")
        emacs.text("x")
        emacs.wait_for(lambda: "read-only" in emacs.screen(), "Emacs' refusal")
        assert emacs.buffer == f"{long}names[-1]"
        assert emacs.ghost is None

    def test_an_emacs_and_a_neovim_on_one_project_write_to_one_store(
        self, open_emacs: OpenEmacs, open_neovim: Callable[..., Neovim], tmp_path: Path
    ) -> None:
        says = [{"after": "x = ", "text": "compute()"}]
        state = tmp_path / "state"
        nvim = open_neovim("b.py", says, state=state)
        emacs = open_emacs("a.py", says, state=state)
        nvim.text("ix = ")
        emacs.text("x = ")
        nvim.wait_for_ghost("compute()")
        emacs.wait_for_ghost("compute()")
        nvim.keys("<Tab>")
        emacs.keys("Tab")
        emacs.wait_for(lambda: len(recorded(state)) == 4, "what became of both")
        assert sorted(recorded(state)) == [("accepted", 9)] * 2 + [("shown", 9)] * 2

    def test_the_choice_that_the_user_asked_for_stays(self, open_emacs: OpenEmacs) -> None:
        emacs = open_emacs("a.py", [{"after": "names = []\n", "text": "ages = {}"}])
        emacs.eval(
            """
            (progn (keymap-global-set "C-c k" #'lsp-inline-completion-display)
                   (setq asked nil idle nil)
                   (advice-add 'lsp-inline-completion--params :before
                               (lambda (implicit)
                                 (setq idle nil)
                                 (push (if implicit "automatic" "invoked") asked)))
                   (advice-add 'lsp-inline-completion--maybe-display :after (lambda (&rest _) (setq idle t)))
                   t)
            """
        )
        emacs.text("names = []")
        emacs.keys("Enter", "C-c", "k")
        emacs.wait_for_ghost("ages = {}")
        emacs.wait_for(lambda: emacs.eval("idle"), "the moment at which lsp-mode asks by itself")
        assert emacs.eval("(aref (vconcat asked) 0)") == "invoked", "the last request is the user's"

    def test_an_accepted_ghost_is_undone_at_once(self, open_emacs: OpenEmacs) -> None:
        emacs = open_emacs("a.py", LOOP)
        emacs.text("for name in names:")
        emacs.keys("Enter")
        emacs.wait_for_ghost("if name:\n        print(name)")
        emacs.keys("Tab")
        emacs.wait_for(lambda: emacs.buffer.endswith("print(name)"), "the accepted text")
        emacs.keys("C-_")
        emacs.wait_for(lambda: emacs.buffer == "for name in names:\n    ", "the text before")

    def test_a_crlf_file_with_emoji_keeps_every_byte(self, open_emacs: OpenEmacs, project: Path) -> None:
        before = "icon = '🎉é𝒳'\r\n"
        (project / "a.py").write_bytes(before.encode())
        emacs = open_emacs("a.py", [{"after": "t = '👩‍👧é'; u = ", "text": "t + '🙂'"}])
        emacs.eval("(progn (goto-char (point-max)) t)")
        emacs.text("t = '👩‍👧é'; u = ")
        emacs.wait_for_ghost("t + '🙂'")
        emacs.keys("Tab")
        emacs.wait_for(lambda: emacs.buffer.endswith("t + '🙂'"), "the accepted text")
        emacs.eval("(progn (setq require-final-newline nil) (save-buffer) t)")
        assert (project / "a.py").read_bytes() == (before + "t = '👩‍👧é'; u = t + '🙂'").encode()

    def test_pausing_explaining_and_the_reason_for_a_silence(self, open_emacs: OpenEmacs) -> None:
        emacs = open_emacs("a.py", ADD)
        emacs.eval("(progn (mellum-pause) t)")
        assert emacs.eval("(mellum-status)") == "mellum: paused"
        type_add(emacs)
        emacs.wait_for(lambda: "mellum: paused" in emacs.screen(), "the mode line")
        assert emacs.ghost is None
        emacs.eval("(progn (mellum-resume) t)")
        emacs.text("r")
        emacs.wait_for_ghost("eturn a + b")
        emacs.keys("M-x")
        emacs.text("mellum-explain")
        emacs.keys("Enter")
        text = (
            '(and (get-buffer "*mellum explain*") (with-current-buffer "*mellum explain*" (buffer-string)))'
        )
        page = emacs.wait_for(lambda: emacs.eval(text), "the page")
        assert page.startswith("eturn a + b\n\ngate: probability 1.000, threshold ")
        assert "model scripted, " in page
        assert "def add(a, b):" in page.partition("\nprompt\n")[2]

    @pytest.mark.skipif(
        not EMBEDDED_MODEL.exists(), reason="the embedded model is not built in this checkout"
    )
    def test_the_embedded_model_completes(self, open_emacs: OpenEmacs, project: Path) -> None:
        head = "class Box:\n    def __init__(self, width, height, depth):\n"
        body = "        self.width = width\n        self.height = height\n"
        (project / "shapes.py").write_text(head + body, "utf-8")
        emacs = open_emacs("shapes.py", model=EMBEDDED_MODEL)
        emacs.eval("(progn (goto-char (point-max)) t)")
        emacs.text("        self.depth =")
        ghost = emacs.wait_for(lambda: emacs.ghost, "a ghost")
        assert ghost.split("\n")[0] == " depth"
        emacs.keys("Tab")
        emacs.wait_for(
            lambda: emacs.buffer == f"{head}{body}        self.depth ={ghost}", "the accepted text"
        )


class TestEglot:
    def test_completion_at_point_inserts_several_lines(self, open_emacs: OpenEmacs, project: Path) -> None:
        (project / "a.py").write_bytes(b"names = ['\xf0\x9f\x8e\x89']\r\n")
        emacs = open_emacs("a.py", LOOP, client=EGLOT)
        emacs.eval("(progn (goto-char (point-max)) t)")
        emacs.text("for name in names:")
        emacs.keys("Enter")
        emacs.text("if")
        emacs.wait_for(lambda: emacs.buffer.endswith("\n    if"), "the text")
        emacs.keys("C-M-i")
        expected = "names = ['🎉']\nfor name in names:\n    if name:\n        print(name)"
        emacs.wait_for(lambda: emacs.buffer == expected, "the suggestion")


def test_the_package_compiles_without_a_warning(program: Path, tmp_path: Path) -> None:
    shutil.copy(PLUGIN / "mellum.el", tmp_path)
    done = subprocess.run(
        [
            program,
            "-Q",
            "--batch",
            "--eval",
            "(setq byte-compile-error-on-warn t)",
            "-f",
            "batch-byte-compile",
            "mellum.el",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
