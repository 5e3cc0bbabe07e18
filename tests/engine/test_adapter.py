"""LoRA adapters: they compute what the merged model would, and say why where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from asking import ONE_THREAD, ask, decode, fim, make_decoder, read
from tiny_lora import MATRICES, merge, write_tiny_lora

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import ModelBroken, ModelMissing, ModelUnsupported
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.rendezvous import place_for
from mellum_lsp.engine.settings import EngineSettings

PROMPT = fim("def area(width, height):\n    return ", "\n\nprint(area(2, 3))\n")


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_tiny_lora(tmp_path / "lora.gguf")


def adapted(path: Path) -> EngineSettings:
    return replace(ONE_THREAD, lora=str(path))


def test_an_adapter_computes_what_the_merged_model_does(tiny_model: Path, lora: Path, tmp_path: Path) -> None:
    beside = decode(make_decoder(tiny_model, adapted(lora)), PROMPT, 24)
    merged = decode(make_decoder(merge(tiny_model, lora, tmp_path / "merged.gguf")), PROMPT, 24)
    alone = decode(make_decoder(tiny_model), PROMPT, 24)
    assert beside.ids == merged.ids
    assert beside.ids != alone.ids
    probabilities = [[token.probability for token in one.tokens] for one in (beside, merged)]
    assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-3)


async def test_an_engines_process_serves_it_and_says_so(
    make_engine: Callable[..., LlamaEngine], tiny_model: Path, lora: Path
) -> None:
    engine = make_engine(tiny_model, adapted(lora))
    assert (await engine.start()).lora == str(lora)
    said = await read(ask(engine, PROMPT, 24))
    assert said.ids == decode(make_decoder(tiny_model, adapted(lora)), PROMPT, 24).ids
    assert (await make_engine(tiny_model).start()).lora == ""


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"architecture": "gemma"}, "architecture 'gemma'"),
        ({"matrices": MATRICES | {"blk.7.attn_q.weight": (64, 64)}}, "no tensor for its blk.7.attn_q"),
        ({"matrices": {"blk.0.attn_q.weight": (64, 96)}}, "takes 96 inputs, the model's matrix 64"),
        ({"matrices": {"blk.0.attn_q.weight": (32, 64)}}, "has 32 outputs, the model's matrix 64"),
        ({"matrices": {}}, "no tensors"),
        ({"kind": "control"}, "not a LoRA adapter"),
    ],
)
def test_an_adapter_of_another_model_is_refused_with_the_reason(
    tiny_model: Path, tmp_path: Path, how: dict[str, object], problem: str
) -> None:
    path = write_tiny_lora(tmp_path / "other.gguf", **how)
    with pytest.raises(ModelUnsupported, match=problem) as raised:
        make_decoder(tiny_model, adapted(path))
    assert str(path) in str(raised.value)
    assert "hint: " in str(raised.value)


def test_a_model_is_no_adapter(tiny_model: Path) -> None:
    with pytest.raises(ModelUnsupported, match="not a LoRA adapter"):
        make_decoder(tiny_model, adapted(tiny_model))


async def test_a_damaged_or_missing_adapter_fails_every_request_with_the_reason(
    make_engine: Callable[..., LlamaEngine], tiny_model: Path, lora: Path
) -> None:
    engine = make_engine(tiny_model, adapted(lora))
    whole = lora.read_bytes()
    lora.write_bytes(whole[:-5000])
    with pytest.raises(ModelBroken, match="truncated"):
        await engine.start()
    lora.unlink()
    with pytest.raises(ModelMissing, match=r"lora\.gguf"):
        await engine.start()
    lora.write_bytes(whole)  # downloaded again
    assert (await engine.start()).lora


def test_every_adapter_has_an_engine_of_its_own(tiny_model: Path, lora: Path) -> None:
    other = write_tiny_lora(lora.with_name("other.gguf"), seed=2)
    places = [
        place_for(tiny_model, settings).address for settings in (ONE_THREAD, adapted(lora), adapted(other))
    ]
    write_tiny_lora(lora, matrices={"blk.0.attn_q.weight": (64, 64)})  # another file at the same place
    places.append(place_for(tiny_model, adapted(lora)).address)
    assert len(set(places)) == 4


def test_states_on_disk_are_those_of_one_adapter(tiny_model: Path, lora: Path, tmp_path: Path) -> None:
    """What was evaluated with other weights must never be continued from."""

    def states_after(settings: EngineSettings) -> set[str]:
        decoder, _ = load(tiny_model, settings, AbortFlag(), lambda fraction: None, tmp_path / "cache")
        decode(decoder, fim("x = 1\n" * 400), 1, document="a")
        decoder.slots.write_all(10)
        return {path.name.split("-")[0] for path in (tmp_path / "cache" / "states").glob("*.kv")}

    alone = states_after(ONE_THREAD)
    assert len(alone) == 1
    assert len(states_after(adapted(lora))) == 2
    other = write_tiny_lora(tmp_path / "other.gguf", seed=2)
    assert len(states_after(adapted(other))) == 3
