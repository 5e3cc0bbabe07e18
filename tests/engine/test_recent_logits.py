"""What the model has just said is not computed again: the same answer, and one that follows its path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import Result, decode, decode_anew, fim, make_decoder
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine.context import Evaluation
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.recent_logits import RecentLogits


@pytest.fixture
def evaluations(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tokens of every evaluation."""
    sizes: list[int] = []
    evaluate = decoder.context.evaluate

    def count(sequence: int, tokens: np.ndarray, position: int, *, outputs: int) -> Evaluation:
        sizes.append(len(tokens))
        return evaluate(sequence, tokens, position, outputs=outputs)

    monkeypatch.setattr(decoder.context, "evaluate", count)
    return sizes


class TestAnswers:
    def test_the_same_question_again_costs_nothing(self, decoder: Decoder, evaluations: list[int]) -> None:
        first = decode(decoder, fim("a = "), 6)
        evaluations.clear()
        again = decode(decoder, fim("a = "), 6)
        assert again.tokens == first.tokens
        assert evaluations == []
        assert (again.stats.reused_tokens, again.stats.evaluated_tokens) == (again.stats.prompt_tokens, 0)

    def test_a_longer_answer_evaluates_what_is_new_of_it(
        self, decoder: Decoder, evaluations: list[int]
    ) -> None:
        decode(decoder, fim("a = "), 3)
        evaluations.clear()
        longer = decode(decoder, fim("a = "), 6)
        assert evaluations == [1, 1, 1]
        assert longer.ids == decode_anew(decoder, fim("a = "), 6).ids

    def test_a_word_that_is_typed_as_the_model_said_costs_nothing(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " a", " +", " b"]))
        whole = decode(decoder, fim(""), 9)
        for typed in ("r", "re", "retur", "return", "return "):
            rest = decode(decoder, fim(""), 9, must_begin_with=typed)
            assert typed.encode() + rest.bytes == whole.bytes
            assert rest.stats.evaluated_tokens == 0

    def test_a_word_that_goes_another_way_is_answered_as_by_a_model_that_never_heard_of_the_first(
        self, decoder: Decoder
    ) -> None:
        for typed in ("X", "XY", "XQ", "Q", "self", "XY"):
            known = decode(decoder, fim("a = "), 8, must_begin_with=typed)
            assert_same(known, decode_anew(emptied(decoder), fim("a = "), 8, must_begin_with=typed))

    def test_what_one_document_was_told_another_one_need_not_ask(
        self, decoder: Decoder, evaluations: list[int]
    ) -> None:
        told = decode(decoder, fim("a = "), 6, document="a")
        evaluations.clear()
        assert decode(decoder, fim("a = "), 6, document="b").tokens == told.tokens
        assert evaluations == []
        after = decode(decoder, fim("a = X"), 6, document="b")  # whose sequence holds nothing yet
        assert after.ids == decode_anew(emptied(decoder), fim("a = X"), 6).ids

    def test_a_warm_up_evaluates_even_what_is_known(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = "), 6, document="a")
        warm = decode(decoder, fim("a = "), 0, document="b").stats
        assert warm.evaluated_tokens == warm.prompt_tokens

    def test_an_abort_ends_a_known_answer_too(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = "), 6)
        decoder.abort.set()
        assert decode(decoder, fim("a = "), 6).stats.stop == "aborted"

    def test_known_answers_say_nothing_of_the_speed(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = "), 12)
        speed = decoder.speeds.decode
        decode(decoder, fim("a = "), 12)
        assert decoder.speeds.decode == speed


class TestRecentLogits:
    ROW = np.arange(4, dtype=np.float32)

    def test_logits_are_those_of_exactly_these_tokens(self) -> None:
        recent = RecentLogits()
        recent.put(text(1, 2), self.ROW)
        found = recent.get(text(1, 2))
        assert found is not None and found.tolist() == [0, 1, 2, 3]
        assert recent.get(text(1)) is None
        assert recent.get(text(1, 2, 3)) is None
        assert recent.get(text(0, 1, 2)) is None

    def test_they_are_a_copy(self) -> None:
        recent, row = RecentLogits(), self.ROW.copy()
        recent.put(text(1), row)
        row[:] = 9
        found = recent.get(text(1))
        assert found is not None and found.tolist() == [0, 1, 2, 3]

    def test_what_was_not_asked_for_the_longest_gives_way(self) -> None:
        recent = RecentLogits(capacity_bytes=2 * self.ROW.nbytes)
        recent.put(text(1), self.ROW)
        recent.put(text(2), self.ROW)
        recent.put(text(2), self.ROW)  # anew: it takes no more room
        assert recent.get(text(1)) is not None
        recent.put(text(3), self.ROW)
        assert [recent.get(text(n)) is not None for n in (1, 2, 3)] == [True, False, True]

    def test_what_has_no_room_at_all_is_not_kept(self) -> None:
        recent = RecentLogits(capacity_bytes=self.ROW.nbytes - 1)
        recent.put(text(1), self.ROW)
        assert recent.get(text(1)) is None


def text(*tokens: int) -> np.ndarray:
    return np.array(tokens, np.int32)


def emptied(decoder: Decoder) -> Decoder:
    """The same model, in a decoder whose sequences hold nothing."""
    decoder.slots.forget_all()
    return decoder


def assert_same(one: Result, other: Result) -> None:
    """Batches of another shape change a probability a little."""
    assert one.bytes == other.bytes
    for a, b in zip(one.tokens, other.tokens, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=0.01)
