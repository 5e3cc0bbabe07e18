"""What a model will be like on this machine before it is here, from measured costs of weights. Pure.

The time of a token is that of the weights it passes, each at the cost measured for its quantisation, and of
the layers beside their weights. A mixture of experts evaluates a prompt's tokens about as slowly as it
decodes them: few tokens of a small batch meet at the same expert. Left out: attention over long prompts,
which makes them slower, and drafts, which make answers faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mellum_lsp.diagnosis.speed import MachineSpeed
from mellum_lsp.engine.tuning import SMALLEST_BATCH
from mellum_lsp.models.catalog import CatalogModel
from mellum_lsp.prompt.budget import Capacity, PlanSettings, full_budget, micro_budget

REPLY_TOKENS = 10
"""A line of code, about; what the prompt's budget reckons with too."""
TYPED_TOKENS = 2
"""What one key makes the engine evaluate, with the KV cache kept."""
TOLERANCE = 1.7
"""How far predictions may lie from what is measured then, as a factor: see docs/doctor.md."""
_LONGEST_CONTEXT = 8192
_Q4_BLOCK = 256

Verdict = Literal["yes", "close", "no"]


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second."""

    prefill: float
    decode: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Milliseconds until a line is there: while typing, and after a jump to another place (from the short
    prompt that is made for this). ``context_tokens`` of project and file are shown to the model, and take so
    many seconds to be evaluated in the background, once for each place."""

    typing_ms: float
    jump_ms: float
    context_tokens: int
    context_seconds: float

    def verdict(self, target_ms: float) -> Verdict:
        """Whether a line comes within the target while typing."""
        if self.typing_ms <= target_ms / TOLERANCE:
            return "yes"
        return "close" if self.typing_ms <= target_ms * TOLERANCE else "no"


def predict_speed(model: CatalogModel, machine: MachineSpeed, quantisation: str = "") -> Speed | None:
    """The speed of ``model``, in another quantisation than its file's if one is named.

    None where the shape is unknown, or what that quantisation costs was not measured.
    """
    weights = machine.weights.get(quantisation or model.quantisation)
    if weights is None or not model.layers or not _fits_blocks(model, quantisation):
        return None
    passed = model.block_weights
    sparse = model.active_parameters_billion is not None
    prefill_ns = weights.decode_ns if sparse else weights.prefill_ns
    layer_ms = machine.layer_decode_ms if sparse else machine.layer_prefill_ms / SMALLEST_BATCH
    prefill_ms = passed * prefill_ns / 1e6 + model.layers * layer_ms
    decode_ms = (passed + model.output_weights) * weights.decode_ns / 1e6
    return Speed(1e3 / prefill_ms, 1e3 / (decode_ms + model.layers * machine.layer_decode_ms))


def waiting(speed: Speed, context_tokens: int, target_ms: float) -> Waiting:
    """How long a user waits for a model of this speed, whose own context is ``context_tokens``."""
    capacity = Capacity(min(context_tokens, _LONGEST_CONTEXT), speed.prefill, speed.decode)
    settings = PlanSettings(latency_target_ms=target_ms)
    reply_ms = 1e3 * REPLY_TOKENS / speed.decode
    full = full_budget(capacity, settings).total_tokens
    return Waiting(
        typing_ms=1e3 * TYPED_TOKENS / speed.prefill + reply_ms,
        jump_ms=1e3 * micro_budget(capacity, settings).total_tokens / speed.prefill + reply_ms,
        context_tokens=full,
        context_seconds=full / speed.prefill,
    )


def _fits_blocks(model: CatalogModel, quantisation: str) -> bool:
    """Whether llama.cpp's quantiser would use that type: other widths get another one, of another speed."""
    return not quantisation.startswith("Q4_K") or model.width % _Q4_BLOCK == 0
