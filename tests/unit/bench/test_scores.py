"""An answer against the truth: what counts as right, and what a user would have seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.bench.holes import Hole, Place
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.scores import chrf, judged, score, shown
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger


def place(before: str, middle: str, behind: str) -> Place:
    """A hole in a Python file."""
    caret = Project("p", Path("/p"), {}).caret("a.py", before + behind, len(before))
    hole = Hole("id", "p", "a.py", "python", "single-line", "token", len(before), len(before + middle))
    return Place(hole, caret, middle)


def said(*tokens: tuple[str, float], stop: str = "end") -> Generated:
    text, ends = "", []
    for piece, _ in tokens:
        text += piece
        ends.append(len(text))
    return Generated(text, ends, [probability for _, probability in tokens], stop)


@pytest.mark.parametrize(
    ("text", "truth", "exact", "first_line", "right_lines"),
    [
        ("return a\n", "return a", 1, 1, 1),
        ("return b", "return a", 0, 0, 0),
        ("if a:\n    b()", "if a:\n    c()", 0, 1, 0.5),
        ("\n    b()\n    c()", "\n    b()\n    d()\n    c()", 0, 1, 2 / 3),
        ("", "a", 0, 0, 0),
    ],
)
def test_a_score_by_example(
    text: str, truth: str, exact: float, first_line: float, right_lines: float
) -> None:
    given = score(text, truth, ended=True)
    assert (given.exact, given.first_line, given.right_lines) == pytest.approx(
        (exact, first_line, right_lines)
    )


def test_chrf_is_that_of_sacrebleu_and_silence_has_none() -> None:
    assert chrf("return a + b", "return a + b") == pytest.approx(100)
    assert 0 < chrf("return a", "return a + b") < 100
    assert chrf("", "return a") == 0


def test_closers_that_an_answer_says_again_are_part_of_the_truth() -> None:
    at = place("total = max(", "left, right", ")\n")
    verdict = judged(at, said(("left, right", 0.9), (")", 0.9)), CompletionSettings(), Trigger.AUTOMATIC)
    assert (verdict.text, verdict.replace_after) in [("left, right)", 1), ("left, right", 0)]
    seen = shown(at, verdict)
    assert seen and seen.right


def test_what_goes_on_behind_the_hole_is_wrong() -> None:
    at = place("total = ", "left", " + right\n")
    seen = shown(at, judged(at, said(("left + left", 1.0)), CompletionSettings(), Trigger.AUTOMATIC))
    assert seen and not seen.right
    assert (seen.right_characters, seen.wrong_characters) == (4, 7)


def test_a_cut_back_suggestion_counts_as_shown_and_may_be_right() -> None:
    at = place("total = ", "left.width + right.width", "\n")
    generated = said(("left", 0.99), (".width", 0.99), (" +", 0.9), (" left", 0.1), (".width", 0.9))
    seen = shown(at, judged(at, generated, CompletionSettings(gate=0.7), Trigger.AUTOMATIC))
    assert seen and seen.right
    assert seen.text == "left.width"
    assert seen.probability == pytest.approx(0.99 * 0.99)


def test_silence_is_not_shown() -> None:
    at = place("total = ", "left.width", "\n")
    assert shown(at, judged(at, said(("left.width", 0.1)), CompletionSettings(), Trigger.AUTOMATIC)) is None
