"""When the policy decides: no later than it must, for every token costs time."""

from __future__ import annotations

import pytest

from mellum_lsp.completion.stop import StopPolicy

from .golden import caret_in


def decided_after(document: str, text: str, language: str = "python") -> str:
    """How much of ``text`` the policy must see."""
    policy = StopPolicy(caret_in(document, language))
    for end in range(len(text) + 1):
        if policy.feed(text[:end]):
            return text[:end]
    raise AssertionError("never decided")


def test_a_python_statement_is_over_with_its_line() -> None:
    assert decided_after("def f():\n    $0\n", "x = 1\n    y = 2\n") == "x = 1\n"


def test_a_semicolon_ends_a_statement_at_once() -> None:
    assert decided_after("{\n  $0\n}\n", "a();\n  b();\n", "javascript") == "a();\n"


def test_without_a_semicolon_the_next_word_decides() -> None:
    assert decided_after("{\n  $0\n}\n", "a()\n  foo()\n", "javascript") == "a()\n  foo("


def test_a_block_needs_the_beginning_of_the_line_behind_it() -> None:
    text = "if a:\n        b()\n    done()\n"
    assert decided_after("def f():\n    $0\n", text) == "if a:\n        b()\n    done("


def test_a_surplus_closer_is_seen_as_it_comes() -> None:
    assert decided_after("f($0) + 1\n", "x) + 1\n") == "x)"


def test_mid_line_waits_for_the_line_break_only() -> None:
    assert decided_after("x = $0 if a else b\n", "f(1)\n") == "f(1)\n"


def test_repetition_is_seen_with_the_sixth_copy() -> None:
    assert decided_after("x = $0\n", "ab, ab, ab, ab, ab, ab, ab, ab, ") == "ab, ab, ab, ab, ab, ab, "


def test_a_small_limit_of_lines() -> None:
    policy = StopPolicy(caret_in("$0\n"), max_lines=2)
    text = "def f():\n    a = 1\n    b = 2\n"
    stop = policy.finish(text)
    assert (text[: stop.length], stop.why) == ("def f():\n    a = 1", "lines")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\n", "statement"),
        ("if x:\n        y()\n\n    z()", "blank line"),
        ("x(1", "end"),
        ("pass)\n", "closer"),
        ("later()\n", "next line"),
        ("x = [a, a, a, a, a, a, a, a, a", "repetition"),
    ],
)
def test_it_says_why(text: str, why: str) -> None:
    assert StopPolicy(caret_in("def f():\n    $0\n    later()\n")).finish(text).why == why


def test_a_bracket_forgotten_far_above_does_not_swallow_statements() -> None:
    """Unfinished code is what one types in."""
    document = "foo(\ndef f():\n    $0\n"
    assert decided_after(document, "x = 1\n    y = 2\n    z = 3\n") == "x = 1\n"
