"""What VS Code tells besides ghosts: status, pauses, explanations, menus, metrics, a diagnosis."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from vscode import CodeServer, Window
from vscode_fixtures import OpenWindow

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = [pytest.mark.editor, pytest.mark.slow, pytest.mark.vscode]

RETURN = {"after": "def add(a, b):\n    ", "text": "return a + b"}
PRICES = '''
class Price:
    def gross(self, net, rate):
        """The price with its tax."""
        return net * (1 + rate)
'''


def type_function(window: Window) -> None:
    window.type("def add(a, b):")
    window.new_line()


def test_a_silence_says_why_and_a_pause_where(
    open_window: OpenWindow, project: Path, code_server: CodeServer
) -> None:
    (project / "a.py").write_bytes(b"")
    window = open_window("a.py", [RETURN])
    window.type("nothing_is_known_of_this = ")
    window.wait_for_status("silent: empty")

    for place, words, restored in [
        ("In python", "paused in python", {"[python]"}),
        ("In this file", "paused in this file", set[str]()),
        ("In this workspace", "paused in this workspace", set[str]()),
        ("Everywhere", "paused everywhere", {"mellum.enabled"}),
    ]:
        window.command("Mellum: Pause…")
        window.choose(place)
        window.wait_for_status(words)
        assert restored <= set(code_server.settings())
        window.command("Mellum: Resume")
        window.wait_for_ready()

    window.command("Mellum: Pause…")
    window.choose("In this file")
    window.wait_for_status("paused in this file")
    window.press("Control+a", "Backspace")
    type_function(window)
    window.page.wait_for_timeout(500)
    window.wait_for_no_ghost()
    window.command("Mellum: Resume")
    window.wait_for_ready()
    window.press("End")
    window.type("r")
    window.wait_for_ghost("eturn a + b")


def test_an_explanation_tells_text_prompt_and_context_and_opens_its_files(
    open_window: OpenWindow, project: Path
) -> None:
    (project / "prices.py").write_text(PRICES, "utf-8")
    (project / "cart.py").write_text("", "utf-8")
    script = [{"after": "return net * ", "text": "rate + net"}]
    window = open_window("cart.py", script)
    window.type("class Cart:\n")
    window.type("def gross(self, net, rate):\n")
    window.type("return net * ")
    window.wait_for_ghost("rate + net")
    window.command("Mellum: Explain This Completion")
    page = window.webview()
    page.get_by_role("heading", name="cart.py:3:22").wait_for()
    page.get_by_role("heading", name="Project context").wait_for()
    assert page.locator("pre").first.inner_text().strip() == "rate + net"
    page.get_by_text("Exactly what the model read").click()
    assert "The price with its tax." in page.locator("details pre").inner_text()

    page.get_by_role("link", name=re.compile("^prices.py:")).click()
    window.page.locator(".tab.active", has_text="prices.py").wait_for()


def test_the_menu_is_behind_the_status(open_window: OpenWindow) -> None:
    window = open_window()
    window.wait_for_ready()
    window.open_menu("scripted")
    entries = window.page.locator(".quick-input-list .monaco-list-row").all_inner_texts()
    for label in (
        "Explain this completion",
        "Pause…",
        "Choose a model…",
        "Show metrics",
        "Restart the server",
    ):
        assert any(label in entry for entry in entries), (label, entries)
    window.choose("Restart the server")
    window.page.locator(".statusbar-item .codicon-loading").wait_for()
    window.wait_for_ready()


def test_metrics_show_what_was_accepted(open_window: OpenWindow, project: Path) -> None:
    (project / "a.py").write_bytes(b"")
    window = open_window("a.py", [RETURN])
    type_function(window)
    window.wait_for_ghost("return a + b")
    window.press("Tab")
    window.wait_for_no_ghost()
    window.command("Mellum: Show Metrics")
    row = window.webview().get_by_role("row", name=re.compile("^all")).first
    row.wait_for()
    assert "100" in row.inner_text(), "one of one was accepted"


def test_a_diagnosis_holds_what_a_report_needs(open_window: OpenWindow, project: Path) -> None:
    secret = "a_name_of_my_own"
    (project / "a.py").write_text(secret, "utf-8")
    window = open_window("a.py")
    address = window.page.url
    window.page.context.grant_permissions(
        ["clipboard-read", "clipboard-write"], origin=address.split("/?")[0]
    )
    window.command("Mellum: Copy a Diagnosis")
    window.wait_for_notification("The diagnosis is in the clipboard")
    copied = window.page.evaluate("navigator.clipboard.readText()")
    lines = dict(line.split(": ", 1) for line in copied.splitlines() if re.match(r"\w+: ", line))
    assert json.loads(lines["status"])["state"] == "ready"
    assert json.loads(lines["settings"])["engine"] == {"idleSeconds": 0}
    assert '"healthy": true' in copied
    assert secret not in copied


def test_the_walkthrough_ticks_what_is_done(open_window: OpenWindow, project: Path) -> None:
    (project / "a.py").write_bytes(b"")
    window = open_window("a.py", [RETURN])  # ready before VS Code reads the walkthrough

    def step(name: str, state: str) -> Locator:
        ours = window.page.locator(f"[data-step-id='mellum-lsp.mellum-lsp#start#{name}']")
        return ours.locator(f".codicon-getting-started-step-{state}")

    window.command("Welcome: Open Walkthrough")
    window.choose("Get Started with Mellum")
    step("server", "checked").wait_for()
    for name in ("first", "parts", "why", "model", "privacy"):
        step(name, "unchecked").wait_for()
    window.page.locator(".tab", has_text="a.py").click()
    window.wait_until_editable()
    type_function(window)
    window.wait_for_ghost("return a + b")
    window.page.locator(".tab", has_text="Welcome").click()
    step("first", "checked").wait_for()


def test_a_workspace_that_is_not_trusted_runs_nothing_of_its_own(
    open_window: OpenWindow, project: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    program = project / ".venv" / "bin" / "mellum-lsp"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {ran}\n", "utf-8")
    program.chmod(0o755)
    (project / ".vscode").mkdir()
    (project / ".vscode" / "settings.json").write_text(
        json.dumps({"mellum.serverPath": str(program), "mellum.engine.url": "http://192.0.2.1/v1"}), "utf-8"
    )
    (project / "a.py").write_bytes(b"")
    trust = {"security.workspace.trust.enabled": True, "security.workspace.trust.startupPrompt": "never"}
    window = open_window("a.py", [RETURN], settings=trust)
    window.page.locator(".statusbar-item", has_text="Restricted Mode").wait_for()
    type_function(window)
    window.wait_for_ghost("return a + b")
    assert not ran.exists()
