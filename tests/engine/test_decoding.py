"""What a decoder evaluates, generates and reports: on a model that babbles, in this very process."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asking import ONE_THREAD, Result, as_part, decode, decode_anew, fim, make_decoder, plain
from tiny_gguf import write_tiny_gguf

from mellum_lsp.domain import Part
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.choice import Chooser
from mellum_lsp.engine.context import Context, Evaluation
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.interface import EngineError, RequestInvalid
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.vocabulary import prompt_tokens

LINE = "XYZ123 = 45\n"
"""Twelve characters that the tiny vocabulary knows only one by one."""


class TestReuse:
    """Tokens are evaluated once: this is what a keystroke costs."""

    def test_the_first_request_evaluates_everything(self, decoder: Decoder) -> None:
        stats = decode(decoder, fim(LINE)).stats
        assert (stats.reused_tokens, stats.evaluated_tokens) == (0, stats.prompt_tokens)

    def test_a_typed_character_costs_itself_and_the_marker_behind_it(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = X"))
        typed = [decode(decoder, fim("a = X" + "YZW"[:n])).stats.evaluated_tokens for n in (1, 2, 3)]
        assert typed == [2, 2, 2]

    def test_backspace_costs_the_marker_alone(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = XYZ"))
        removed = [decode(decoder, fim("a = XYZ"[:-n])).stats.evaluated_tokens for n in (1, 2, 3)]
        assert removed == [1, 1, 1]

    def test_typing_past_a_removed_character_evaluates_only_the_new_one(self, decoder: Decoder) -> None:
        decode(decoder, fim("a = XYZ"))
        decode(decoder, fim("a = XY"))
        assert decode(decoder, fim("a = XYQ")).stats.evaluated_tokens == 2

    def test_the_same_prompt_again_evaluates_its_last_token(self, decoder: Decoder) -> None:
        decode(decoder, fim(LINE))
        stats = decode_anew(decoder, fim(LINE)).stats
        assert (stats.reused_tokens, stats.evaluated_tokens) == (stats.prompt_tokens - 1, 1)

    def test_a_warm_up_evaluates_the_prompt_and_generates_nothing(self, decoder: Decoder) -> None:
        warm = decode(decoder, fim(LINE), max_tokens=0)
        assert warm.tokens == []
        assert (warm.stats.evaluated_tokens, warm.stats.stop) == (warm.stats.prompt_tokens, "length")
        assert decode(decoder, fim(LINE + "X")).stats.evaluated_tokens == 2

    def test_generated_text_that_is_accepted_is_reused(self, decoder: Decoder) -> None:
        """A model without a marker behind the caret goes on where it stopped, at its last token."""
        generated = decode(decoder, plain("UVW"), 8, document="u")
        accepted = (Part("prefix", "", ("UVW",)), *(as_part(decoder, token) for token in generated.ids))
        assert decode(decoder, accepted, document="u").stats.evaluated_tokens == 1

    def test_a_change_in_front_evaluates_what_is_behind_it(self, decoder: Decoder) -> None:
        decode(decoder, fim("XYZ", suffix="one"))
        stats = decode(decoder, fim("XYZ", suffix="two")).stats
        assert stats.reused_tokens == 2  # the two markers in front of the suffix


class TestSameAnswer:
    """Reuse is only an economy: the answer is that of an engine which has never seen the document."""

    PREFIX = LINE * 30

    def test_warm_equals_cold_in_equal_batches(self, tiny_model: Path, decoder: Decoder) -> None:
        warm_up = plain(self.PREFIX[:128])  # two micro-batches, so that the rest is cut alike
        assert decode(decoder, warm_up, 0).stats.prompt_tokens == 128
        warm = decode(decoder, plain(self.PREFIX), 24)
        cold = decode(make_decoder(tiny_model), plain(self.PREFIX), 24)
        assert (warm.stats.reused_tokens, cold.stats.reused_tokens) == (128, 0)
        assert warm.tokens == cold.tokens

    def test_what_was_typed_and_removed_leaves_no_trace(self, tiny_model: Path, decoder: Decoder) -> None:
        for end in ("X", "XY", "XYZ", "XY", "X", "XQ", "X", ""):
            decode(decoder, fim(self.PREFIX + end), 4)
        travelled = decode(decoder, fim(self.PREFIX), 24)
        fresh = decode(make_decoder(tiny_model), fim(self.PREFIX), 24)
        assert travelled.ids == fresh.ids
        assert_close(travelled, fresh)

    def test_documents_do_not_disturb_each_other(self, tiny_model: Path, decoder: Decoder) -> None:
        alone = {name: decode(make_decoder(tiny_model), fim(name * 40), 12) for name in "XYZ"}
        for round_ in range(3):
            for name in "XYZ":
                result = decode_anew(decoder, fim(name * 40), 12, document=name)
                assert result.ids == alone[name].ids
                assert result.stats.evaluated_tokens == (result.stats.prompt_tokens if round_ == 0 else 1)

    def test_shared_context_is_copied_from_another_document(self, tiny_model: Path, decoder: Decoder) -> None:
        context = "shared lines of the project\n" * 10
        decode(decoder, fim("first", context=context), document="first")
        second = decode(decoder, fim("SECOND", context=context), 12, document="second")
        assert second.stats.reused_tokens > 200
        assert second.ids == decode(make_decoder(tiny_model), fim("SECOND", context=context), 12).ids
        again = decode_anew(decoder, fim("first", context=context), document="first").stats
        assert again.evaluated_tokens == 1

    def test_a_full_cache_gives_way_and_answers_alike(self, tmp_path: Path) -> None:
        model = write_tiny_gguf(tmp_path / "small.gguf")
        alone = {name: decode(make_decoder(model), fim(name * 200), 12).ids for name in "WXYZ"}
        decoder = make_decoder(model, replace(ONE_THREAD, sequences=1))
        for name in "WXYZWXYZ":
            assert decode(decoder, fim(name * 200), 12, document=name).ids == alone[name]


class TestEnd:
    def test_it_stops_at_the_length(self, decoder: Decoder) -> None:
        result = decode(decoder, fim(LINE), 5)
        assert (len(result.tokens), result.stats.generated_tokens, result.stats.stop) == (5, 5, "length")

    def test_the_model_ends_and_its_end_is_not_shown(self, tmp_path: Path) -> None:
        result = decode(make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " 1"])), fim(""), 9)
        assert (result.bytes, result.stats.stop) == (b"return 1", "end")

    def test_a_stop_marker_ends_it(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " 1", " 2"]))
        result = decode(decoder, fim(""), 9, stop_markers=["Ġ2", "<never_heard_of>"])
        assert (result.bytes, result.stats.stop) == (b"return 1", "end")

    def test_a_control_token_ends_it_though_nobody_asked(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["a", "<filename>", "b"]))
        result = decode(decoder, fim(""), 9)
        assert (result.bytes, result.stats.stop) == (b"a", "end")

    def test_low_joint_probability_ends_it_with_the_token_that_crossed(self, decoder: Decoder) -> None:
        free = decode(decoder, fim(LINE), 12)
        joint = np.cumprod([token.probability for token in free.tokens])
        threshold = float(joint[4] + joint[3]) / 2
        result = decode(decoder, fim(LINE), 12, min_joint_probability=threshold)
        assert (result.ids, result.stats.stop) == (free.ids[:5], "probability")

    def test_the_end_of_the_context_is_a_length(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", context_length=256))
        result = decode(decoder, plain("X" * 250), 50)
        assert (len(result.tokens), result.stats.stop) == (6, "length")

    def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", context_length=256))
        with pytest.raises(RequestInvalid, match=r"1,300 tokens, but the context holds 256 .*\nhint: "):
            decode(decoder, plain("X" * 1300))
        assert decode(decoder, plain("X" * 250), 2).stats.stop == "length"

    def test_an_empty_prompt_is_refused(self, decoder: Decoder) -> None:
        with pytest.raises(RequestInvalid, match="empty"):
            decode(decoder, plain(""))

    def test_a_character_cut_into_tokens_arrives_whole(self, tmp_path: Path) -> None:
        pieces = [b"\xf0\x9f", b"\x98", b"\x80 \xe6\x97", b"\xa5", "é".encode()]
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=pieces))
        result = decode(decoder, fim(""), 9)
        assert [token.piece for token in result.tokens] == pieces
        assert result.bytes.decode() == "😀 日é"


class TestAbort:
    """The flag stops native code between graph nodes, and us between micro-batches."""

    def test_native_code_looks_at_the_flag(self, decoder: Decoder) -> None:
        tokens = decoder.vocabulary.tokenise("XYZ" * 20)
        decoder.abort.set()
        assert decoder.context.evaluate(0, tokens, 0, outputs=0) is Evaluation.ABORTED
        assert decoder.context.length(0) == 0
        decoder.abort.clear()
        assert decoder.context.evaluate(0, tokens, 0, outputs=0) is Evaluation.DONE
        assert decoder.context.length(0) == 60

    def test_a_backend_that_never_looks_is_stopped_too(
        self, long_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(AbortFlag, "watch", lambda self, native_context: None)
        decoder = make_decoder(long_model, EngineSettings(threads=1, context_tokens=32768))
        assert seconds_until_aborted(decoder, plain("XYZ" * 10_000)) < 0.5


class TestProbabilities:
    def test_they_are_the_softmax_of_the_logits(self, decoder: Decoder) -> None:
        result = decode(decoder, fim(LINE), 12)
        prompt, _ = prompt_tokens(decoder.vocabulary, [list(part.segments) for part in fim(LINE)])
        reference = logits_after(decoder.context, np.concatenate([prompt, result.ids[:-1]]), len(prompt))
        for token, logits in zip(result.tokens, reference, strict=True):
            exact = logits.astype(np.float64)
            softmax = np.exp(exact) / np.exp(exact).sum()
            assert token.id == int(exact.argmax())
            assert token.probability == pytest.approx(softmax[token.id], rel=1e-5)

    @pytest.mark.parametrize("offset", [-1e4, 0.0, 1e4])
    def test_large_logits_neither_overflow_nor_vanish(self, offset: float) -> None:
        logits = (np.array([0.0, 1.0, 2.0]) + offset).astype(np.float32)
        token, probability = Chooser(3).most_likely(logits)
        assert (token, probability) == (2, pytest.approx(0.6652, abs=1e-4))

    def test_a_told_model_is_sure(self, tmp_path: Path) -> None:
        decoder = make_decoder(write_tiny_gguf(tmp_path / "m", says=["return", " 1"]))
        assert all(token.probability > 0.999 for token in decode(decoder, fim(""), 9).tokens)


def test_an_error_of_llama_cpp_leaves_a_decoder_that_works(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = decode(decoder, fim(LINE), 6).ids

    def fail(*_arguments: object, **_options: object) -> Evaluation:
        raise EngineError("code -3")

    with monkeypatch.context() as patch, pytest.raises(EngineError, match="-3"):
        patch.setattr(Context, "evaluate", fail)
        decode(decoder, fim(LINE + "X"))
    result = decode_anew(decoder, fim(LINE), 6)
    assert (result.ids, result.stats.reused_tokens) == (expected, 0)


def test_speeds_follow_the_work(decoder: Decoder) -> None:
    decoder.speeds.prefill = decoder.speeds.decode = 1.0
    decode(decoder, fim(LINE * 30), 16)
    assert decoder.speeds.prefill > 10
    assert decoder.speeds.decode > 10


def test_a_context_is_never_larger_than_the_model_was_trained_for(tmp_path: Path) -> None:
    model = write_tiny_gguf(tmp_path / "m", context_length=300)
    assert make_decoder(model, EngineSettings(threads=1, context_tokens=4096)).context.context_tokens == 300


def seconds_until_aborted(decoder: Decoder, parts: tuple[Part, ...]) -> float:
    """How long the decoder goes on after its flag has been set, 0.1 s into the prompt."""
    set_at = 0.0

    def abort() -> None:
        nonlocal set_at
        set_at = time.perf_counter()
        decoder.abort.set()

    threading.Timer(0.1, abort).start()
    stats = decode(decoder, parts).stats
    assert stats.stop == "aborted"
    assert stats.evaluated_tokens < stats.prompt_tokens
    decoder.abort.clear()
    return time.perf_counter() - set_at


def logits_after(context: Context, tokens: np.ndarray, first: int) -> list[np.ndarray]:
    """The logits in front of ``first`` and every later token, in the batches of a decode loop."""
    context.clear(0)
    for start in range(0, first, context.micro_batch_tokens):
        context.evaluate(0, tokens[start : min(first, start + context.micro_batch_tokens)], start, outputs=1)
    rows = [context.logits()[0].copy()]
    for position in range(first, len(tokens)):
        context.evaluate(0, tokens[position : position + 1], position, outputs=1)
        rows.append(context.logits()[0].copy())
    return rows


def assert_close(one: Result, other: Result) -> None:
    """Batches of another shape change a probability a little."""
    for a, b in zip(one.tokens, other.tokens, strict=True):
        assert a.probability == pytest.approx(b.probability, abs=0.01)
