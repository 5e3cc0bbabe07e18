"""Where the gate cuts, and what probability it reports."""

from __future__ import annotations

import pytest

from mellum_lsp.completion.gate import Gated, gate
from mellum_lsp.completion.generated import Collector, Generated
from mellum_lsp.completion.thresholds import Form, Thresholds
from mellum_lsp.engine.interface import Token

from .golden import caret_in

CARET = caret_in("x = $0\n")


def generated(*tokens: tuple[str | bytes, float], stop: str = "end") -> Generated:
    collector = Collector()
    for piece, probability in tokens:
        collector.add(Token(0, piece.encode() if isinstance(piece, str) else piece, probability))
    return collector.generated(stop)


def cut(tokens: Generated, threshold: float = 0.7, length: int | None = None) -> tuple[str, float]:
    bars = Thresholds.flat(threshold)
    gated = gate(tokens, len(tokens.text) if length is None else length, CARET, bars)
    return tokens.text[: gated.length], gated.probability


def test_the_reported_probability_is_that_of_what_is_shown() -> None:
    text, probability = cut(generated(("one", 0.9), (" + ", 0.9), ("two", 0.5)))
    assert (text, probability) == ("one", pytest.approx(0.9))


def test_tokens_behind_the_stop_do_not_count() -> None:
    text, probability = cut(generated(("one", 0.9), ("\n", 0.1), ("two", 0.1)), length=3)
    assert (text, probability) == ("one", pytest.approx(0.9))


def test_silence_reports_what_was_not_enough() -> None:
    assert cut(generated(("one", 0.43), ("two", 0.9))) == ("", pytest.approx(0.43))


def test_half_a_word_reports_the_token_that_was_not_enough() -> None:
    assert cut(generated(("on", 0.9), ("e", 0.5), ("x", 1.0))) == ("", pytest.approx(0.45))


def test_exactly_the_threshold_is_enough() -> None:
    assert cut(generated(("one", 0.7)))[0] == "one"


def test_a_threshold_of_zero_shows_all() -> None:
    assert gate(generated(("one", 0.01)), 3, CARET, Thresholds.flat(0)) == Gated(3, 0.01, 0, Form.WORD)


def test_a_character_of_two_tokens_is_shown_whole_or_not() -> None:
    rocket = "🚀".encode()
    tokens = generated(("a = '", 0.95), (rocket[:2], 0.95), (rocket[2:], 0.3), ("'", 0.9))
    assert cut(tokens)[0] == "a"


def test_a_character_that_never_got_complete_is_no_text() -> None:
    assert generated(("ab", 1.0), ("🚀".encode()[:2], 1.0)).text == "ab"


@pytest.mark.parametrize(
    ("sure", "unsure", "kept"),
    [
        ("value +", " other", "value"),
        ("value.", "name", "value"),
        ("self.items", ".append", "self.items"),
        ("first, ", "second", "first"),
        ("i++", "; j", "i++"),
        ("total_", "price", ""),
        ("if ready:", "\n", "if ready:"),
        ("name = 'The", " file'", "name"),
    ],
)
def test_sensible_ends(sure: str, unsure: str, kept: str) -> None:
    assert cut(generated((sure, 0.9), (unsure, 0.1)))[0] == kept


def test_typing_along_leaves_typed_tokens_out_of_the_product() -> None:
    tokens = generated(("aa", 0.8), ("bb", 0.9), ("cc", 0.9))
    assert cut(tokens)[0] == ""
    rest = tokens.after(3)
    assert (rest.text, rest.ends, rest.probabilities) == ("bcc", [1, 3], (0.9, 0.9))
    assert cut(rest) == ("bcc", pytest.approx(0.81))


LINES = generated(("if ready:", 0.95), ("\n    ", 0.95), ("start", 0.9), ("()", 0.95))


@pytest.mark.parametrize(
    ("thresholds", "kept"),
    [
        (Thresholds(line=0.7, block=0.7), "if ready:\n    start()"),
        (Thresholds(line=0.7, block=0.9), "if ready:"),
        (Thresholds(line=0.97, block=0.7), "if ready:\n    start()"),
        (Thresholds(line=0.97, block=0.97), ""),
    ],
)
def test_each_form_has_its_own_bar(thresholds: Thresholds, kept: str) -> None:
    gated = gate(LINES, len(LINES.text), CARET, thresholds)
    assert LINES.text[: gated.length] == kept


@pytest.mark.parametrize(("bar", "kept"), [(0.85, "calculate"), (0.95, "")])
def test_a_bare_word_has_its_own_bar(bar: float, kept: str) -> None:
    tokens = generated(("calculate", 0.9), ("(", 0.9), ("x", 0.1))
    gated = gate(tokens, len(tokens.text), CARET, Thresholds(line=0.5, word=bar))
    assert tokens.text[: gated.length] == kept


def test_what_is_left_of_a_suggestion_keeps_the_form_of_the_whole() -> None:
    tokens = generated(("total", 0.9))
    thresholds = Thresholds(line=0.5, word=0.95)
    assert gate(tokens, 5, CARET, thresholds).length == 0
    assert gate(tokens, 5, CARET, thresholds, typed="return ").length == 5


def test_in_front_of_text_another_bar_counts() -> None:
    tokens = generated(("first, second", 0.6))
    thresholds = Thresholds(line=0.5, mid_line=0.7)
    assert gate(tokens, 13, caret_in("x = $0\n"), thresholds).length == 13
    assert gate(tokens, 13, caret_in("x = $0 or y\n"), thresholds).length == 0


def test_a_draft_that_was_broken_off_ends_at_a_sensible_place() -> None:
    tokens = generated(("value = compute(a, b", 1.0), (", ", 1.0))
    gated = gate(tokens, len(tokens.text), CARET, Thresholds.flat(0.5), whole=False)
    assert tokens.text[: gated.length] == "value = compute"
