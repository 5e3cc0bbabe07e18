"""Every rule by itself: what it changes, what it rejects, and what it leaves alone."""

from __future__ import annotations

import pytest

from mellum_lsp.completion.draft import Draft, Rejected, Rule
from mellum_lsp.completion.rules import policy, rule_name
from mellum_lsp.completion.rules.broken_text import cut_broken_text
from mellum_lsp.completion.rules.closers import reconcile_closers
from mellum_lsp.completion.rules.following_lines import reject_following_lines
from mellum_lsp.completion.rules.line_above import reject_line_above
from mellum_lsp.completion.rules.line_end import end_with_the_line
from mellum_lsp.completion.rules.minimum_worth import MinimumWorth
from mellum_lsp.completion.rules.repetition import cut_repetition
from mellum_lsp.completion.rules.whitespace import trim_whitespace
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger

from .golden import caret_in


def applied(rule: Rule, document: str, draft: str | Draft) -> str:
    """The draft's text behind ``rule``, or its reason in brackets."""
    result = rule(Draft(draft) if isinstance(draft, str) else draft, caret_in(document))
    return f"[{result.reason}]" if isinstance(result, Rejected) else result.text


@pytest.mark.parametrize(
    ("document", "draft", "expected"),
    [
        ("x = $0 + 1", "a\nb", "a"),
        ("x = $0 + 1", "\nb", "[empty]"),
        ("x = f($0)", "a\n)", "a\n)"),
        ("x = $0", "a\nb", "a\nb"),
    ],
)
def test_end_with_the_line(document: str, draft: str, expected: str) -> None:
    assert applied(end_with_the_line, document, draft) == expected


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ("a()\nb()\nb()\nb()", "a()\nb()"),
        ("a()\nb()\na()\nb()", "a()\nb()"),
        ("a()\nb()\nb()", "a()\nb()\nb()"),
        ("}\n}\n}", "}\n}\n}"),
        ("a()\nxyz" + "xyz" * 5, "a()"),
        ("x = " + "ab, " * 6, "x = ab,"),
        ("x = " + "0123456789" * 4, "x = 0123456789"),
        ("x = " + "0123456789" * 3, "x = " + "0123456789" * 3),
        ("# " + "=" * 40, "# " + "=" * 40),
    ],
)
def test_cut_repetition(draft: str, expected: str) -> None:
    assert applied(cut_repetition, "$0", draft) == expected


@pytest.mark.parametrize(
    ("document", "draft", "expected"),
    [
        ("$0\nreturn x\n", "return  x", "[duplicates suffix]"),
        ("$0\nreturn x\n", "return y", "return y"),
        ("$0\n    return x\n", "return x", "return x"),
        ("ret$0\nreturn x\n", "urn x", "[duplicates suffix]"),
        ("$0\na = first(1)\nb = second(2)\n", "a = first(1)\nb = second(3)", "[duplicates suffix]"),
        ("$0\na = first(1)\nb = second(2)\n", "a = first(4)\nb = second(3)", "a = first(4)\nb = second(3)"),
        ("x = $0 + 1\nreturn x\n", "y", "y"),
        ("$0\n}\n", "}", "}"),
    ],
)
def test_reject_following_lines(document: str, draft: str, expected: str) -> None:
    assert applied(reject_following_lines, document, draft) == expected


@pytest.mark.parametrize(
    ("document", "draft", "expected"),
    [
        ("commit()\n$0", "commit()", "[rewrites line above]"),
        ("commit()\n\n$0", "commit()", "[rewrites line above]"),
        ("commit()$0", "\ncommit()", "[rewrites line above]"),
        ("commit()\n    $0", "commit()", "commit()"),
        ("}\n$0", "}", "}"),
        ("1, 2, 3,\n$0", "1, 2, 3,", "1, 2, 3,"),
        ("x: int\n$0", "y: int", "y: int"),
    ],
)
def test_reject_line_above(document: str, draft: str, expected: str) -> None:
    assert applied(reject_line_above, document, draft) == expected


@pytest.mark.parametrize(
    ("document", "draft", "expected"),
    [
        ("x = $0", "a  ", "a"),
        ("x = $0", "a\n   \n  b", "a\n\n  b"),
        ("x = $0", "  \n ", "[empty]"),
        ('x = "$0"', "a ", "a "),
        ("f($0x)", "a, ", "a, "),
        ("f($0 + x)", "a ", "a"),
    ],
)
def test_trim_whitespace(document: str, draft: str, expected: str) -> None:
    assert applied(trim_whitespace, document, draft) == expected


@pytest.mark.parametrize(
    ("document", "draft", "expected"),
    [
        ("$0", "a<|endoftext|>b", "a"),
        ("$0", "a</fim_middle>b", "a"),
        ("$0", "a<｜fim▁end｜>b", "a"),
        ("$0", "a\ufffd", "a"),
        ("$0", "\x00", "[broken text]"),
        ("# <|endoftext|>\n$0", "a<|endoftext|>b", "a<|endoftext|>b"),
        ("$0", "a < b | c > d", "a < b | c > d"),
    ],
)
def test_cut_broken_text(document: str, draft: str, expected: str) -> None:
    assert applied(cut_broken_text, document, draft) == expected


@pytest.mark.parametrize(
    ("document", "draft", "expected", "replaced"),
    [
        ("f($0)", "x)", "x", 0),
        ("f($0)", "x).y", "x).y", 1),
        ("f(g($0))", "x).y", "x).y", 1),
        ("f(g($0))", "x).y)", "x).y", 1),
        ("f(g($0))", "x)) + 1", "x)) + 1", 2),
        ("f(g($0))", "x)))", "x", 0),
        ("f([$0])", "x)", "x", 0),
        ('f("$0")', 'x")', "x", 0),
        ('f("$0")', 'x ")', "x ", 0),
        ('f("$0")', 'x" + ")")', 'x" + ")"', 1),
        ("f($0) + 1", "x) + 2", "x", 0),
        ("f($0", "x)", "x)", 0),
    ],
)
def test_reconcile_closers(document: str, draft: str, expected: str, replaced: int) -> None:
    result = reconcile_closers(Draft(draft), caret_in(document))
    assert isinstance(result, Draft)
    assert (result.text, result.replace_after) == (expected, replaced)


def test_minimum_worth_counts_what_was_typed_of_the_suggestion() -> None:
    worth = MinimumWorth(4)
    assert applied(worth, "$0", "abc") == "[too short]"
    assert applied(worth, "$0", "a c d e") == "a c d e"
    assert applied(worth, "abcd$0", Draft("e", typed="abcd")) == "e"
    assert applied(worth, "$0", ")))))") == "[too short]"


def test_the_order_is_policy() -> None:
    names = [rule_name(rule) for rule in policy(CompletionSettings(), Trigger.AUTOMATIC)]
    assert names[0] == "UnwantedPlace"
    assert names[-2:] == ["reconcile_closers", "MinimumWorth"], "nothing may be cut behind the closers"
    invoked = [rule_name(rule) for rule in policy(CompletionSettings(), Trigger.INVOKED)]
    assert set(names) - set(invoked) == {"UnwantedPlace", "cut_stubs", "MinimumWorth"}
