"""Guesses from what stood there before, drafts as long as they pay, and answers that no draft changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import Result, decode, decode_anew, fim, make_decoder, plain
from hypothesis import given
from hypothesis import strategies as st
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine.batch_costs import BatchCosts
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.drafts import LONGEST_DRAFT, Drafter
from mellum_lsp.engine.lookup import LONGEST_MATCH, EarlierAnswers, Lookup
from mellum_lsp.engine.recent_logits import RecentLogits

FREE = BatchCosts(dict.fromkeys(range(1, 17), 10.0))
"""A machine on which a batch costs what one token costs."""
PROPORTIONAL = BatchCosts({size: 10.0 * size for size in range(1, 17)})
"""A machine on which nothing is gained by evaluating tokens together."""


def tokens(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def lookup(
    prompt: list[int], answer: list[int], *, caret: int | None = None, earlier: EarlierAnswers | None = None
) -> Lookup:
    """A search in front of the token behind ``answer``; token 0 is never guessed."""
    search = Lookup(
        earlier or EarlierAnswers(),
        tokens(*prompt),
        len(prompt) if caret is None else caret,
        len(answer),
        frozenset([0]),
    )
    for token in answer:
        search.add(token)
    return search


class TestLookup:
    def test_what_followed_the_same_two_tokens_is_guessed(self) -> None:
        guess = lookup([1, 2, 3, 4, 5, 9], [1, 2]).guess(3)
        assert (guess.tokens.tolist(), guess.matched) == ([3, 4, 5], 2)

    def test_one_common_token_is_too_few(self) -> None:
        assert lookup([1, 2, 3, 9], [2]).guess(3).matched == 0

    def test_the_longer_match_wins_and_among_equals_the_later(self) -> None:
        longer_first = [7, 1, 2, 50, 8, 1, 2, 60, 9]
        assert lookup(longer_first, [7, 1, 2]).guess(1).tokens.tolist() == [50]
        assert lookup(longer_first, [1, 2]).guess(1).tokens.tolist() == [60]

    def test_the_answer_goes_on_at_the_caret_not_at_the_end_of_the_prompt(self) -> None:
        """Markers, and in some dialects the suffix, stand between them."""
        prompt = [1, 2, 3, 99, 1, 2, 0, 40, 41]
        assert lookup(prompt, [], caret=6).guess(1).tokens.tolist() == [3]

    def test_an_earlier_answer_is_found_from_its_beginning_on(self) -> None:
        earlier = EarlierAnswers()
        earlier.add(lookup([5, 6, 7], [20, 21, 22]).answer())
        assert lookup([9, 6, 7], [], earlier=earlier).guess(3).tokens.tolist() == [20, 21, 22]

    def test_markers_and_what_is_behind_them_are_not_guessed(self) -> None:
        assert lookup([1, 2, 3, 0, 4], [1, 2]).guess(4).tokens.tolist() == [3]

    def test_nothing_is_guessed_from_one_text_into_the_next(self) -> None:
        earlier = EarlierAnswers()
        earlier.add(tokens(8, 1, 2))
        assert lookup([5, 6], [1, 2], earlier=earlier).guess(4).matched == 0

    def test_a_repetition_is_continued(self) -> None:
        assert lookup([9], [1, 2, 1, 2]).guess(5).tokens.tolist() == [1, 2, 1, 2, 1]

    def test_old_answers_are_forgotten(self) -> None:
        earlier = EarlierAnswers(capacity=10)
        for begin in (100, 200, 300):
            earlier.add(tokens(*range(begin, begin + 4)))
        assert len(earlier.tokens) == 10
        assert earlier.tokens[-5:-1].tolist() == [300, 301, 302, 303]

    @given(
        prompt=st.lists(st.integers(0, 3), max_size=40),
        answer=st.lists(st.integers(0, 3), max_size=20),
        past=st.lists(st.integers(0, 3), max_size=20),
        length=st.integers(1, 8),
    )
    def test_a_guess_follows_the_longest_match_there_is(
        self, prompt: list[int], answer: list[int], past: list[int], length: int
    ) -> None:
        earlier = EarlierAnswers()
        if past:
            earlier.add(tokens(*past))
        guess = lookup(prompt, answer, earlier=earlier).guess(length)
        own = [*prompt[-LONGEST_MATCH:], *answer]
        text = [*earlier.tokens.tolist(), *prompt, -1, *own]
        longest, place = longest_match(text, len(own))
        assert guess.matched == longest
        if longest:
            followed = (text[place:] * length)[:length] if len(text) - place < length else text[place:]
            expected = followed[:length]
            stops = [n for n, token in enumerate(expected) if token in (0, -1)]
            assert guess.tokens.tolist() == expected[: stops[0] if stops else length]


def longest_match(text: list[int], own: int) -> tuple[int, int]:
    """Length of the longest match with the end of ``text`` and behind which place it ends, by trial."""
    for length in range(min(LONGEST_MATCH, own), 1, -1):
        for end in range(len(text) - 1, length - 1, -1):
            if text[end - length : end] == text[-length:] and text[end] not in (0, -1):
                return length, end
    return 0, 0


class TestLength:
    def test_batches_of_sizes_that_were_not_measured_are_not_made(self) -> None:
        """Seven tokens may take longer than eight."""
        drafter = Drafter(BatchCosts({1: 10, 4: 11, 8: 12, 16: 16}))
        assert [drafter.best_length(16, available) for available in (2, 3, 6, 7, 14, 15)] == [
            0,
            3,
            3,
            7,
            7,
            15,
        ]

    def test_without_a_measured_curve_nothing_is_drafted(self) -> None:
        assert Drafter().best_length(16, LONGEST_DRAFT) == 0

    def test_where_batches_save_nothing_nothing_is_drafted(self) -> None:
        assert Drafter(PROPORTIONAL).best_length(16, LONGEST_DRAFT) == 0

    def test_where_a_batch_costs_as_much_as_a_token_all_is_drafted(self) -> None:
        assert Drafter(FREE).best_length(2, 7) == 7

    def test_a_longer_match_is_trusted_further(self) -> None:
        drafter = Drafter(BatchCosts({1: 10} | {size: 10 + 2 * size for size in range(2, 17)}))
        lengths = [drafter.best_length(matched, LONGEST_DRAFT) for matched in range(2, 12)]
        assert lengths == sorted(lengths)
        assert lengths[0] < lengths[-1]

    def test_guesses_that_were_wrong_end_it_and_right_ones_bring_it_back(self) -> None:
        drafter = Drafter(BatchCosts({1: 10, 2: 14, 4: 24, 8: 48, 16: 100}))
        before = drafter.best_length(4, LONGEST_DRAFT)
        for _ in range(100):
            drafter.trust.learn(4, was_right=False)
        assert drafter.best_length(4, LONGEST_DRAFT) == 0 < before
        for _ in range(300):
            drafter.trust.learn(4, was_right=True)
        assert drafter.best_length(4, LONGEST_DRAFT) >= before

    def test_it_is_learned_from_guesses_that_were_not_drafted_too(self) -> None:
        """So that drafting begins again where it begins to pay."""
        drafter = Drafter()
        drafts = drafter.begin(tokens(1, 2, 3, 1, 2), 5, 4, frozenset())
        before = drafter.trust.probability(2)
        assert len(drafts.propose(3)) == 0
        drafts.took(3)
        assert drafter.trust.probability(2) > before


class TestCosts:
    def test_between_and_beyond_what_was_measured_it_is_linear(self) -> None:
        costs = BatchCosts({1: 10.0, 2: 12.0, 4: 20.0})
        assert [costs.milliseconds(n) for n in (1, 2, 3, 4, 6)] == [10, 12, 16, 20, 28]

    def test_a_larger_batch_never_counts_as_cheaper(self) -> None:
        assert BatchCosts({1: 10.0, 2: 9.0, 4: 8.0}).milliseconds(3) == 10

    def test_from_one_point_nothing_can_be_gained(self) -> None:
        assert BatchCosts({1: 10.0}).milliseconds(3) == 30

    def test_the_cost_of_one_token_must_be_known(self) -> None:
        with pytest.raises(ValueError, match="single token"):
            BatchCosts({2: 10.0})


class TestDecoding:
    """A model that repeats itself, on a machine where drafting is free."""

    LINES = "\n".join(f"value_{n % 3} = compute({n % 3})" for n in range(12)) + "\n"

    def test_an_answer_that_repeats_earlier_text_is_drafted_and_stays_the_same(self, echo: Decoder) -> None:
        expected = decode(echo, fim(""), 30)
        assert expected.stats.drafted_tokens == 0
        echo.drafter.costs = FREE
        result = decode_anew(echo, fim(""), 30, document="other")
        assert result.bytes == expected.bytes
        assert result.stats.accepted_tokens > 10
        for drafted, alone in zip(result.tokens, expected.tokens, strict=True):
            assert drafted.probability == pytest.approx(alone.probability, abs=0.01)

    @pytest.mark.parametrize("text", ["XYZ123 = 45\n" * 12, "def f(self):\n    return self.a\n" * 6])
    def test_every_token_is_the_choice_of_a_batch_of_the_same_shape(
        self, tiny_model: Path, text: str
    ) -> None:
        """Ids and probabilities, bit for bit; wrong guesses leave no trace in the cache."""
        decoder = make_decoder(tiny_model)
        decoder.drafter.costs = FREE
        teach(decoder, text)
        shapes: list[list[int]] = []
        evaluate = decoder.context.evaluate

        def record(sequence: int, batch: np.ndarray, position: int, *, outputs: int) -> object:
            shapes.append([position, outputs, *batch.tolist()])
            return evaluate(sequence, batch, position, outputs=outputs)

        decoder.context.evaluate = record
        result = decode(decoder, plain(text), 40, document="new")
        assert 0 < result.stats.accepted_tokens < result.stats.drafted_tokens
        assert replay(make_decoder(tiny_model), shapes, result) == [
            (token.id, token.probability) for token in result.tokens
        ]

    def test_a_draft_ends_where_the_answer_would(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " a", " +", " b"]))
        decoder.drafter.costs = FREE
        for limit, stop in ((9, "end"), (3, "length"), (9, "end"), (2, "length")):
            result = decode(decoder, fim(""), limit)
            assert result.bytes == b"return a + b"[: len(result.bytes)]
            assert (len(result.tokens), result.stats.stop) == (min(limit, 4), stop)
        assert result.stats.drafted_tokens <= 1

    def test_the_next_request_reuses_what_was_accepted_and_nothing_else(self, tiny_model: Path) -> None:
        decoder = make_decoder(tiny_model)
        decoder.drafter.costs = FREE
        text = "XYZ123 = 45\n" * 12
        teach(decoder, text)
        result = decode(decoder, plain(text), 40, document="d")
        assert result.stats.accepted_tokens < result.stats.drafted_tokens
        typed = text + "Q"
        again = decode(decoder, plain(typed), 12, document="d")
        assert again.stats.evaluated_tokens == 1
        assert again.ids == decode(make_decoder(tiny_model), plain(typed), 12).ids


@pytest.fixture
def echo(tmp_path: Path) -> Decoder:
    return make_decoder(write_tiny_gguf(tmp_path / "m", says=[f"w{n}" for n in range(25)]))


def teach(decoder: Decoder, text: str) -> None:
    """Let an earlier answer to ``text`` be what the model says, but for every ninth token."""
    greedy = decode(decoder, plain(text), 40, document="teacher").ids
    almost = [100 + place if place % 9 == 8 else token for place, token in enumerate(greedy)]
    decoder.slots.forget_all()
    decoder.drafter.forget()
    decoder.recent = RecentLogits()
    prompt = decoder.vocabulary.tokenise(text)
    begun = decoder.drafter.begin(prompt, len(prompt), 40, frozenset())
    for token in almost:
        begun.took(token)
    decoder.drafter.remember(begun)


def replay(decoder: Decoder, shapes: list[list[int]], result: Result) -> list[tuple[int, float]]:
    """What a decoder without drafts chooses, evaluating the same batches."""
    chosen: list[tuple[int, float]] = []
    for position, outputs, *batch in shapes:
        decoder.context.cut(0, position)
        decoder.context.evaluate(0, tokens(*batch), position, outputs=outputs)
        if outputs:
            for row, logits in enumerate(decoder.context.logits()):
                chosen.append(decoder.chooser.most_likely(logits))
                following = batch[len(batch) - outputs + row + 1 :][:1]
                if following != [chosen[-1][0]]:
                    break
    return chosen[: len(result.tokens)]
