"""What a model will be like here, from what weights cost on this machine."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from mellum_lsp.diagnosis.prediction import Speed, predict_speed, waiting
from mellum_lsp.diagnosis.speed import MachineSpeed, WeightSpeed
from mellum_lsp.models.catalog import CatalogModel, catalog, find
from mellum_lsp.prompt.budget import WARMING_SECONDS

MACHINE = MachineSpeed(
    weights={"Q8_0": WeightSpeed(0.04, 0.01), "Q4_K_M": WeightSpeed(0.025, 0.01)},
    layer_decode_ms=0.05,
    layer_prefill_ms=0.32,
    machine="",
    measured_at=0.0,
)


def model(name: str) -> CatalogModel:
    found = find(name)
    assert found
    return found


def test_a_token_costs_the_weights_that_it_passes_and_the_layers_beside_them() -> None:
    mellum = model("mellum-4b-base")
    speed = predict_speed(mellum, MACHINE)
    assert speed
    blocks, output = 4.0e9 - 2 * 3072 * 49152, 3072 * 49152
    assert 1e3 / speed.prefill == pytest.approx(blocks * 0.01 / 1e6 + 30 * 0.32 / 16)
    assert 1e3 / speed.decode == pytest.approx((blocks + output) * 0.04 / 1e6 + 30 * 0.05)


def test_fewer_bits_are_read_sooner() -> None:
    mellum = model("mellum-4b-base")
    eight, four = predict_speed(mellum, MACHINE), predict_speed(mellum, MACHINE, "Q4_K_M")
    assert eight and four and four.decode > 1.5 * eight.decode


def test_a_mixture_of_experts_passes_only_those_in_use_and_gains_nothing_from_batches() -> None:
    mixture = model("mellum2-12b-base")
    speed = predict_speed(mixture, MACHINE)
    dense = predict_speed(msgspec.structs.replace(mixture, active_parameters_billion=None), MACHINE)
    assert speed and dense
    assert speed.decode > 3 * dense.decode
    assert speed.prefill < 1.5 * speed.decode


def test_what_was_not_measured_is_not_predicted() -> None:
    assert (
        predict_speed(msgspec.structs.replace(model("mellum-4b-base"), quantisation="Q6_K"), MACHINE) is None
    )
    assert predict_speed(msgspec.structs.replace(model("mellum-4b-base"), layers=0), MACHINE) is None
    # llama.cpp's quantiser takes other types where rows are no multiple of 256.
    assert predict_speed(model("qwen2.5-coder-0.5b"), MACHINE, "Q4_K_M") is None


def test_a_larger_model_of_the_catalogue_is_never_predicted_faster() -> None:
    dense = [one for one in catalog() if one.quantisation == "Q8_0"]
    speeds = [predict_speed(one, MACHINE) for one in sorted(dense, key=lambda one: one.parameters_billion)]
    assert len(speeds) > 4
    for smaller, larger in pairwise(speeds):
        assert smaller and larger
        assert (smaller.prefill, smaller.decode) >= (larger.prefill, larger.decode)


def test_a_key_costs_little_and_a_jump_the_short_prompt() -> None:
    found = waiting(Speed(prefill=500, decode=100), context_tokens=8192, target_ms=300)
    assert found.typing_ms == pytest.approx(2 / 500 * 1e3 + 100)
    assert found.jump_ms <= 300
    assert found.context_seconds == pytest.approx(WARMING_SECONDS)
    assert found.context_tokens == 500 * WARMING_SECONDS


@pytest.mark.parametrize(("decode", "verdict"), [(200, "yes"), (40, "close"), (28, "close"), (10, "no")])
def test_near_the_target_a_prediction_does_not_decide(decode: float, verdict: str) -> None:
    assert waiting(Speed(1000, decode), 8192, 300).verdict(300) == verdict
