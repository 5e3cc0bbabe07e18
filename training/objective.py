"""What training minimises: the weighted loss of packed rows, as one module.

One module, because data-parallel and sharded training (DistributedDataParallel, FSDP) hook into the forward
pass of the module that they are given.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from training import model as models
from training.shards import Row


class Objective(torch.nn.Module):
    """Mean weighted loss of one packed row; the model's logits are computed at the loss positions alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._no_split_modules = model._no_split_modules

    def forward(
        self, tokens: torch.Tensor, lengths: list[int], positions: torch.Tensor, weights: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``(loss, loss on the middles)`` in nats a token; the second is 0 where there is no middle."""
        hidden = models.hidden_states(self.model, tokens, lengths)
        logits = self.model.lm_head(hidden[positions - 1])
        losses = torch.nn.functional.cross_entropy(logits.float(), tokens[positions], reduction="none")
        loss = (losses * weights).sum() / weights.sum().clamp_min(1.0)
        in_middle = (weights >= 1).float()
        return loss, (losses.detach() * in_middle).sum() / in_middle.sum().clamp_min(1.0)


def inputs(row: Row, count: int, rng: np.random.Generator, device: torch.device) -> tuple[Any, ...]:
    """What `Objective` takes: a row with ``count`` loss positions drawn."""
    positions = loss_positions(row.weights, count, rng)
    return (
        torch.from_numpy(row.tokens).to(device),
        row.lengths,
        torch.from_numpy(positions).to(device),
        torch.from_numpy(row.weights[positions]).to(device),
    )


def loss_positions(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` positions: every one of full weight first, the rest drawn from other weighted positions."""
    full = np.flatnonzero(weights >= 1)
    other = np.flatnonzero((weights > 0) & (weights < 1))
    if len(full) >= count:
        return np.sort(rng.choice(full, count, replace=False))
    drawn = rng.choice(other, min(count - len(full), len(other)), replace=False)
    return np.sort(np.concatenate([full, drawn]))
