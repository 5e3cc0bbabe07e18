"""What holds for any document, any caret and anything a model may say."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mellum_lsp.completion.gate import gate
from mellum_lsp.completion.generated import Collector, Generated
from mellum_lsp.completion.judge import Judge
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.stop import Stop, StopPolicy
from mellum_lsp.completion.surroundings import look
from mellum_lsp.completion.thresholds import Thresholds
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.engine.interface import Token

from .texts import LANGUAGES, carets, texts

brackets = st.text(alphabet="()[]{}ab \n", max_size=30)


@st.composite
def generations(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Generated:
    data = draw(text).encode()
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=20)) | {0, len(data)})
    collector = Collector()
    for begin, end in pairwise(cuts):
        collector.add(Token(0, data[begin:end], draw(st.floats(0.01, 1.0))))
    return collector.generated(draw(st.sampled_from(["end", "length", "probability", "aborted"])))


@given(carets(), generations(), st.floats(0, 1), st.integers(1, 12))
def test_judging_never_fails_and_never_loses_text_of_the_document(
    caret: Caret, generated: Generated, threshold: float, max_lines: int
) -> None:
    verdict = Judge(caret, CompletionSettings(gate=threshold, max_lines=max_lines)).verdict(generated)
    assert bool(verdict.text) != bool(verdict.reason)
    replaced = caret.suffix[: verdict.replace_after]
    assert "\n" not in replaced
    assert is_subsequence(replaced, verdict.text)
    after = caret.prefix + verdict.text + caret.suffix[verdict.replace_after :]
    assert is_subsequence(caret.text, after)


@given(carets(), texts, st.lists(st.integers(1, 7), max_size=60))
@example(Caret("a", "python", "x", 1), "\n\n\n  if a:\n  el\n", [1] * 17)
@example(Caret("a", "rust", "()", 1), "')'", [1, 1, 1])
@example(Caret("a", "haskell", "def   <|endoftext|>)", 0), "def   <|endoftext|>)", [1] * 20)
@settings(max_examples=300)
def test_where_a_draft_ends_does_not_depend_on_the_pieces_it_came_in(
    caret: Caret, text: str, sizes: list[int]
) -> None:
    whole = StopPolicy(caret).finish(text)
    assert whole.length <= len(text)
    assert piecewise(caret, text, sizes) == whole


@given(st.sampled_from(LANGUAGES), texts, st.lists(st.integers(1, 3), max_size=60), st.data())
@settings(max_examples=200)
def test_nor_where_the_draft_reproduces_what_follows_the_caret(
    language: str, behind: str, sizes: list[int], data: st.DataObject
) -> None:
    """Where several things end a draft, the one that is seen first in a growing text must win."""
    before = data.draw(st.sampled_from(["", "x = ", "f(", "if x:\n    ", '"', "{\n  ", "'"]))
    caret = Caret("a", language, before + behind, len(before))
    text = (
        data.draw(st.sampled_from(["", "x", "x)", "ab "]))
        + behind
        + data.draw(st.sampled_from(["", ")", "\n"]))
    )
    assert piecewise(caret, text, [*sizes, *[1] * len(text)]) == StopPolicy(caret).finish(text)


@given(carets(), texts, texts)
def test_what_a_stopped_draft_keeps_does_not_depend_on_how_far_the_model_ran_on(
    caret: Caret, text: str, more: str
) -> None:
    stopped = StopPolicy(caret).feed(text)
    if stopped:
        assert StopPolicy(caret).finish(text + more) == stopped


@given(carets(), generations(), st.floats(0.01, 1))
def test_the_gate_shows_no_more_than_it_may(caret: Caret, generated: Generated, threshold: float) -> None:
    gated = gate(generated, len(generated.text), caret, Thresholds.flat(threshold))
    assert 0 <= gated.length <= len(generated.text)
    if gated.length:
        assert gated.probability >= threshold
    ends_in_word = (
        generated.text[: gated.length][-1:].isalnum() and generated.text[gated.length :][:1].isalnum()
    )
    assert not ends_in_word


@given(st.text(alphabet="ab([{", max_size=8), st.integers(0, 4), brackets)
def test_no_item_duplicates_the_closers_behind_the_caret(before: str, closed: int, draft: str) -> None:
    """The editor has closed some brackets; with the item in place none is closed twice."""
    closers = "".join({"(": ")", "[": "]", "{": "}"}.get(opener, "") for opener in reversed(before))[:closed]
    caret = Caret("a.py", "python", before + closers + "\n", len(before), Trigger.INVOKED)
    generated = Generated(draft, (len(draft),), (1.0,), "end")
    verdict = Judge(caret, CompletionSettings()).verdict(generated)
    if verdict.text:
        after = caret.prefix + verdict.text + caret.suffix[verdict.replace_after :]
        assert surplus_closers(after) <= surplus_closers(caret.text)


@given(carets())
def test_looking_around_never_fails(caret: Caret) -> None:
    around = look(caret)
    assert caret.suffix.startswith(around.closers)
    assert around.line_before == caret.line_before


@pytest.mark.parametrize("trigger", Trigger)
def test_a_very_long_draft_is_judged_in_reasonable_time(trigger: Trigger) -> None:
    """A model that loops on one line must not hold the event loop."""
    text = "x" + " " * 3000 + "(" * 500 + "abc, " * 300
    caret = Caret("a.py", "python", "y = ", 4, trigger)
    Judge(caret, CompletionSettings()).verdict(Generated(text, (len(text),), (1.0,), "end"))


def piecewise(caret: Caret, text: str, sizes: list[int]) -> Stop:
    policy = StopPolicy(caret)
    end = 0
    for size in sizes:
        end = min(end + size, len(text))
        stop = policy.feed(text[:end])
        if stop:
            return stop
    return policy.finish(text)


def is_subsequence(short: str, long: str) -> bool:
    characters = iter(long)
    return all(character in characters for character in short)


def surplus_closers(text: str) -> int:
    """Closers of each kind before which not enough of that kind were opened."""
    surplus = 0
    for opener, closer in ("()", "[]", "{}"):
        depth = 0
        for character in text:
            depth += (character == opener) - (character == closer)
            surplus += depth < 0
            depth = max(depth, 0)
    return surplus
