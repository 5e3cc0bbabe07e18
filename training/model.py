"""The model under training: loading it from a GGUF or at random, and attention over packed examples.

One optimiser step sees one *row* of fixed length in which examples lie one behind another. Attention is
computed example by example on slices of that row, so no example sees its neighbour, no mask of row × row is
built, and every large tensor keeps its shape (allocators fragment under ever-changing shapes).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

ATTENTION = "packed_rows"
_SHORT = 512
"""Tokens up to which `_causal_short` is the faster on a CPU: at 10 × 205 of head size 64 in bf16, 52 against
85 ms forward and backward, at 4 × 512 82 against 116, at 2 × 1,024 173 against 149."""
_TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    *,
    lengths: list[int],
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each example of a row; heads first: (1, heads, row, dimension).

    With a sliding window a token sees the last ``sliding_window`` tokens, itself among them (Mellum2).
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
    outputs = [
        _causal(q, k, v, scaling, dropout, sliding_window)
        for q, k, v in zip(
            query.split(lengths, dim=2), key.split(lengths, dim=2), value.split(lengths, dim=2), strict=True
        )
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def _causal(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, dropout: float, window: int | None
) -> torch.Tensor:
    length = q.shape[2]
    if window is None or length <= window:
        if q.device.type == "cpu" and length <= _SHORT and not dropout:
            return _causal_short(q, k, v, scale)
        return functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=scale, dropout_p=dropout
        )
    at = torch.arange(length, device=q.device)
    distance = at[:, None] - at[None, :]
    seen = (distance >= 0) & (distance < window)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, dropout_p=dropout)


def _causal_short(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
    """By plain matrix products, whose backward pass costs a CPU half of that of the fused kernel."""
    later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
    scores = ((q * scale) @ k.mT).masked_fill(later, -math.inf)
    return scores.softmax(-1) @ v


AttentionInterface.register(ATTENTION, packed_attention)


def load_from_gguf(path: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The base model, dequantised."""
    model = AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, dtype=dtype, attn_implementation=ATTENTION
    )
    model.config.use_cache = False
    return model


def load_from_hub_format(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """Weights in the hub's format: a folder, or a name that is in the hub's cache."""
    model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, attn_implementation=ATTENTION)
    model.config.use_cache = False
    return model


def tiny_random(vocabulary_size: int, seed: int = 0) -> Any:
    """A model of the same architecture that trains in seconds, for dry runs and tests."""
    return from_scratch(vocabulary_size, _TINY, seed)


def from_scratch(vocabulary_size: int, sizes: dict[str, int], seed: int) -> Any:
    """A Llama of these sizes with random weights and tied embeddings."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary_size,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
        attn_implementation=ATTENTION,
        **sizes,
    )
    return LlamaForCausalLM(config)


def initialise_renamed_tokens(model: Any, renamed: dict[int, list[int]]) -> None:
    """Gives each renamed spare token the mean embedding of the tokens that describe it.

    Spare tokens were never trained: their rows are noise of a norm that the other tokens do not have.
    ``renamed`` maps a token id to the ids whose mean it starts from.
    """
    with torch.no_grad():
        weights = model.get_input_embeddings().weight
        for token, sources in renamed.items():
            weights[token] = weights[sources].mean(dim=0)


def positions_of(lengths: list[int]) -> torch.Tensor:
    """Position ids that begin again at 0 with each example: (1, sum of lengths)."""
    return torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0)


def hidden_states(model: Any, row: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Last hidden states of a packed row: (row, hidden)."""
    output = model.model(
        input_ids=row.unsqueeze(0),
        position_ids=positions_of(lengths).to(row.device),
        lengths=lengths,
        use_cache=False,
    )
    return output.last_hidden_state[0]


def parameters_in_groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """What is trained: matrices decay, norms do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in trained if p.ndim >= 2]
    vectors = [p for p in trained if p.ndim < 2]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def schedule_factor(
    share: float, warmup: float, decay: float, shape: str = "linear", floor: float = 0.0
) -> float:
    """Learning-rate factor of a warm-up–stable–decay schedule at ``share`` (0..1) of the planned budget."""
    if warmup > 0 and share < warmup:
        return max(share / warmup, 1e-3)
    start = 1.0 - decay
    if decay <= 0 or share <= start:
        return 1.0
    left = max(0.0, (1.0 - share) / decay)
    factor = left if shape == "linear" else 0.5 * (1 - math.cos(math.pi * left))
    return floor + (1 - floor) * factor
