"""The context is as large as prompts need and memory allows, and what does not fit is refused in time."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import ONE_THREAD, decode, fim, make_decoder
from tiny_gguf import write_tiny_gguf

from mellum_lsp import machine
from mellum_lsp.engine import loading
from mellum_lsp.engine.context import Context
from mellum_lsp.engine.gguf import GgufHeader, read_header
from mellum_lsp.engine.interface import ModelError, ModelTooLarge
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.sizing import (
    ContextSize,
    cache_bytes_per_token,
    fitting_size,
    memory_left,
    wanted_size,
)

GIB = 1024**3


def header(weights: int = 2 * GIB, layers: int = 30, kv_heads: int = 24, **more: str) -> GgufHeader:
    """Of a model like Mellum-4b: 360 KiB of cache a token."""
    metadata = {
        "llama.block_count": str(layers),
        "llama.embedding_length": "3072",
        "llama.attention.head_count": "24",
        "llama.attention.head_count_kv": str(kv_heads),
        "llama.context_length": "8192",
    }
    shapes = {"blk.0.ffn_up.weight": (3072, 8256 * 160)}
    return GgufHeader(Path("/m.gguf"), "llama", metadata | more, frozenset(), shapes, weights)


class TestSize:
    def test_a_sequence_holds_what_is_warmed_and_its_answer(self) -> None:
        """450 tokens/s: 1,800 tokens are warmed in four seconds; nano's cache takes 23,040 bytes a token."""
        size = wanted_size(8192, None, 450, sequences=4, bytes_per_token=23_040)
        assert size.context_tokens >= 1800 + 192
        assert size.parked_bytes >= 4 * 1992 * 23_040, "four more documents are parked"

    def test_a_slow_model_gets_short_ones_and_a_fast_one_all_it_was_trained_for(self) -> None:
        assert wanted_size(8192, None, 15, 4, 360 * 1024).context_tokens == 1024
        assert wanted_size(8192, None, 15, 4, 23_040).context_tokens == 2048, "where that costs little"
        assert wanted_size(8192, None, 50_000, 4, 1).context_tokens == 8192
        assert wanted_size(131_072, None, 50_000, 4, 1).context_tokens == 8192

    def test_what_the_user_asks_for_counts_up_to_what_the_model_was_trained_for(self) -> None:
        assert wanted_size(8192, 5000, 15, 4, 1).context_tokens == 5000
        assert wanted_size(8192, 20_000, 15, 4, 1).context_tokens == 8192
        assert wanted_size(8192, 300, 50_000, 4, 1).context_tokens == 300

    def test_little_memory_takes_the_other_sequences_first(self) -> None:
        wanted = ContextSize(context_tokens=2048, sequences=4, parked_bytes=8_000_000)
        assert fitting_size(wanted, 1000, 100_000_000) == wanted
        assert fitting_size(wanted, 1000, 12_000_000) == ContextSize(2048, 2, 1_976_000)
        assert fitting_size(wanted, 1000, 2_000_000) == ContextSize(1792, 1, 52_000)

    def test_a_state_that_does_not_grow_needs_no_room(self) -> None:
        wanted = wanted_size(0, None, 450, 4, bytes_per_token=0)
        assert wanted.parked_bytes > 0
        assert fitting_size(wanted, 0, 0) == wanted


class TestNeed:
    def test_the_cache_of_a_token_follows_from_the_header(self, tiny_model: Path) -> None:
        assert cache_bytes_per_token(header()) == 360 * 1024
        assert cache_bytes_per_token(header(kv_heads=4)) == 60 * 1024
        wide = {"llama.attention.key_length": "256", "llama.attention.value_length": "128"}
        assert cache_bytes_per_token(header(kv_heads=4, **wide)) == 2 * 30 * 4 * (256 + 128)
        assert cache_bytes_per_token(read_header(tiny_model)) == 2 * 2 * 2 * (16 + 16)

    def test_a_model_that_fits_says_what_it_leaves(self) -> None:
        assert 5 * GIB < memory_left(header(), 8 * GIB) < 6 * GIB

    def test_one_that_does_not_is_refused_with_both_numbers_and_the_alternatives(self) -> None:
        with pytest.raises(ModelTooLarge) as caught:
            memory_left(header(weights=4 * GIB), 3 * GIB)
        message, _, hint = str(caught.value).partition("\nhint: ")
        assert "/m.gguf: the model needs 4.5 GiB of memory (weights 4.0 GiB" in message
        assert "and 3.0 GiB are free" in message
        for alternative in ("quantise it to Q4_K_M", "models list", "nano-135m", "end other programs"):
            assert alternative in hint

    def test_what_would_not_help_is_not_advised(self) -> None:
        with pytest.raises(ModelTooLarge) as caught:
            memory_left(header(weights=4 * GIB), GIB // 2)
        assert "quantise" not in str(caught.value)


class TestLoading:
    def test_a_limit_refuses_before_the_model_is_loaded(
        self, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "load_model", lambda *_: pytest.fail("it was loaded"))
        with pytest.raises(ModelTooLarge, match=r"needs 0\.1 GiB .* 0\.0 GiB are free"):
            make_decoder(tiny_model, EngineSettings(threads=1, memory_bytes=20_000_000))

    async def test_the_server_is_told_and_asks_again_later(self, tiny_model: Path) -> None:
        engine = LlamaEngine(tiny_model, EngineSettings(threads=1, memory_bytes=20_000_000))
        for _ in range(2):
            with pytest.raises(ModelTooLarge, match="hint: choose another model"):
                await engine.start()
        await engine.close()

    def test_a_machine_with_little_memory_gets_a_smaller_cache(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = write_tiny_gguf(tmp_path / "m")
        usual = make_decoder(model, ONE_THREAD)
        room = 128 * 1024**2 + model.stat().st_size + 3000 * 256
        monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * GIB, room))
        small = make_decoder(model, ONE_THREAD)
        assert small.context.sequences == 1 < usual.context.sequences
        assert small.context.context_tokens < usual.context.context_tokens
        assert decode(small, fim("XYZ"), 8).ids == decode(usual, fim("XYZ"), 8).ids

    def test_where_a_context_cannot_be_had_a_smaller_one_is_tried(
        self, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make, asked = Context.__init__, []

        def with_little_memory(
            self: Context, *arguments: object, context_tokens: int, sequences: int, **options: object
        ) -> None:
            asked.append(context_tokens * sequences)
            if asked[-1] > 2000:
                raise ModelTooLarge("no memory")
            options |= {"context_tokens": context_tokens, "sequences": sequences}
            make(self, *arguments, **options)

        monkeypatch.setattr(Context, "__init__", with_little_memory)
        decoder = make_decoder(tiny_model)
        assert (decoder.context.sequences, decoder.context.context_tokens) == (1, 1024)
        assert asked[1:] == sorted(asked[1:], reverse=True)


class TestGpu:
    """There is none here: what llama.cpp says about it is pretended."""

    @pytest.fixture
    def attempts(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Layers that were tried; a GPU on which one layer fits."""
        tried: list[int] = []
        load_model = loading.load_model

        def load(header: GgufHeader, layers: int, *rest: object) -> object:
            tried.append(layers)
            if layers not in (0, 1):
                raise ModelTooLarge(f"{header.path}: out of memory on the GPU")
            return load_model(header, 0, *rest)

        monkeypatch.setattr(loading, "load_model", load)
        monkeypatch.setattr(loading, "can_offload", lambda: True)
        return tried

    def test_as_many_layers_as_fit_are_put_there(self, tiny_model: Path, attempts: list[int]) -> None:
        decoder = make_decoder(tiny_model, ONE_THREAD)
        assert attempts == [-1, 1]
        assert decode(decoder, fim("XYZ"), 4).stats.generated_tokens == 4

    def test_a_number_that_was_asked_for_is_a_promise(self, tiny_model: Path, attempts: list[int]) -> None:
        with pytest.raises(ModelError, match="out of memory"):
            make_decoder(tiny_model, EngineSettings(threads=1, gpu_layers=2))
        assert attempts == [2]

    def test_without_a_gpu_none_is_tried(
        self, tiny_model: Path, attempts: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loading, "can_offload", lambda: False)
        make_decoder(tiny_model, EngineSettings(threads=1, gpu_layers=99))
        assert attempts == [0]
