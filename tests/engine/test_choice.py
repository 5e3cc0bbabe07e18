"""Other candidates than the greedy one, and answers that must begin with what was typed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from asking import Result, as_part, decode, decode_anew, fim, make_decoder, read
from hypothesis import given
from hypothesis import strategies as st
from tiny_gguf import write_tiny_gguf

from mellum_lsp.engine.choice import Chooser, Spelling
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.interface import GenerateRequest, RequestInvalid
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.vocabulary import Pieces

logits_of = st.lists(st.floats(-30, 30, width=32), min_size=4, max_size=40).map(
    lambda values: np.array(values, np.float32)
)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64) - logits.max())
    return weights / weights.sum()


class TestCandidates:
    @given(logits=logits_of, rank=st.integers(1, 3), data=st.data())
    def test_a_rank_counts_what_is_neither_the_best_nor_an_end(
        self, logits: np.ndarray, rank: int, data: st.DataObject
    ) -> None:
        ends = data.draw(st.frozensets(st.integers(0, len(logits) - 1), max_size=len(logits) // 2))
        best = int(logits.argmax())
        others = [token for token in range(len(logits)) if token not in ends and token != best]
        chooser = Chooser(len(logits))
        if len(others) < rank:
            with pytest.raises(RequestInvalid, match=f"rank {rank}"):
                chooser.runner_up(logits, rank, ends)
            return
        token, probability = chooser.runner_up(logits, rank, ends)
        assert token in others
        assert sum(logits[other] > logits[token] for other in others) < rank
        assert sum(logits[other] >= logits[token] for other in others) >= rank
        assert probability == pytest.approx(softmax(logits)[token], rel=1e-5)

    def test_candidates_differ_and_are_always_the_same(self, decoder: Decoder) -> None:
        first = [decode(decoder, fim("XYZ"), 6, first_token_rank=rank) for rank in range(4)]
        again = [decode(decoder, fim("XYZ"), 6, first_token_rank=rank).ids for rank in range(4)]
        assert len({result.ids[0] for result in first}) == 4
        assert [result.ids for result in first] == again
        probabilities = [result.tokens[0].probability for result in first]
        assert probabilities == sorted(probabilities, reverse=True)

    def test_behind_its_first_token_a_candidate_is_greedy(self, decoder: Decoder) -> None:
        candidate = decode(decoder, fim("XYZ"), 6, first_token_rank=2)
        begun = (*fim("XYZ"), as_part(decoder, candidate.ids[0]))
        assert candidate.ids[1:] == decode(decoder, begun, 5).ids

    def test_where_the_model_would_end_the_first_candidate_says_something(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return"]))
        parts = fim("")
        assert decode(decoder, parts, 9).bytes == b"return"
        assert decode(decoder, parts, 9, first_token_rank=1).ids[0] != decode(decoder, parts, 9).ids[0]


class TestSpelling:
    def test_a_typed_beginning_is_continued_and_not_repeated(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " a"]))
        for typed, shown in (("", b"return a"), ("retu", b"rn a"), ("return", b" a"), ("return ", b"a")):
            assert decode(decoder, fim(""), 9, must_begin_with=typed).bytes == shown

    def test_the_prompt_stays_evaluated_while_the_word_is_typed(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = "), 4)
        for typed in ("X", "XY", "XYZ"):
            assert decode_anew(decoder, fim("a = "), 4, must_begin_with=typed).stats.evaluated_tokens == 1

    def test_what_was_typed_against_the_model_costs_no_confidence(self, tmp_path: Path) -> None:
        """A model that is sure of ``return`` is held to ``Q``, the only thing the user can mean."""
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " a"]))
        result = decode(decoder, fim(""), 1, must_begin_with="Q", min_joint_probability=0.9)
        assert (result.stats.generated_tokens, result.stats.stop) == (1, "length")

    @pytest.mark.parametrize("typed", ["X", "sel", "self", "in", "  in", "über", "日本", "a😀b"])
    def test_the_answer_begins_with_it_and_its_probability_is_renormalised(
        self, decoder: Decoder, typed: str
    ) -> None:
        result = decode(decoder, fim("XYZ123"), 24, must_begin_with=typed)
        expected, joint = reference(decoder, typed, 24)
        assert result.stats.generated_tokens == 24
        assert expected.startswith(typed.encode())
        assert result.bytes == expected[len(typed.encode()) :]
        assert math.prod(token.probability for token in result.tokens) == pytest.approx(joint, rel=0.02)

    def test_what_no_token_spells_is_refused(self) -> None:
        with pytest.raises(RequestInvalid, match=r"spells the beginning of b'x'"):
            Spelling(Pieces([(b"a", 1)]), "x").choose(np.zeros(2, np.float32))

    @given(
        pieces=st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=40),
        text=st.text(min_size=1, max_size=4),
    )
    def test_tokens_agree_that_begin_with_it_or_that_it_begins_with(
        self, pieces: list[bytes], text: str
    ) -> None:
        wanted = text.encode()
        found = Pieces(zip(pieces, range(len(pieces)), strict=True)).agreeing_with(wanted)
        agreeing = [n for n, p in enumerate(pieces) if p.startswith(wanted) or wanted.startswith(p)]
        assert sorted(found.tolist()) == agreeing


async def test_an_engine_passes_both_on(engine: LlamaEngine) -> None:
    async def ask(**options: int | str) -> Result:
        return await read(engine.generate(GenerateRequest(fim("XYZ"), 6, **options)))

    greedy, other, typed = await ask(), await ask(first_token_rank=1), await ask(must_begin_with="Q")
    assert greedy.ids[0] != other.ids[0]
    assert typed.stats.generated_tokens == 6
    assert len(typed.tokens) < 6 or not typed.bytes.startswith(b"Q")


def reference(decoder: Decoder, typed: str, count: int) -> tuple[bytes, float]:
    """All that is generated, with what was typed, and its joint probability: straight from the definition."""
    context, vocabulary = decoder.context, decoder.vocabulary
    prompt = np.concatenate(
        [
            np.array([vocabulary.marker(segment.text)], np.int32)
            if not isinstance(segment, str)
            else vocabulary.tokenise(segment)
            for part in fim("XYZ123")
            for segment in part.segments
        ]
    )
    pieces = [
        b"" if token in vocabulary.ends else vocabulary.piece(token) for token in range(vocabulary.size)
    ]
    context.clear(1)
    context.evaluate(1, prompt[:-1], 0, outputs=0)
    context.evaluate(1, prompt[-1:], len(prompt) - 1, outputs=1)
    spelled, joint = b"", 1.0
    for position in range(len(prompt), len(prompt) + count):
        rest = typed.encode()[len(spelled) :]
        allowed = [not rest or (bool(p) and (p.startswith(rest) or rest.startswith(p))) for p in pieces]
        probabilities = np.where(allowed, softmax(context.logits()[0]), 0.0)
        token = int(probabilities.argmax())
        joint *= probabilities[token] / probabilities.sum()
        spelled += pieces[token]
        context.evaluate(1, np.array([token], np.int32), position, outputs=1)
    return spelled, joint
