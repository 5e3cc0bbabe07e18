"""Training for one GPU: batches of packed rows, one attention mask for all, compiled where there is CUDA."""

from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM

from training.model import parameters_in_groups, schedule_factor
from training.quantisation import served_weights
from training.shards import Example, Row, RowStream

ATTENTION = "packed_batch"
_ROWS_AHEAD = 8
MODES = {"cuda": ("layers", "flex", "dense"), "cpu": ("dense",)}
"""Ways to compute, the fastest first: compiled layers, compiled attention alone, plain with a dense mask."""
_flex: Any = flex_attention


def packed_batch_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    *,
    packing: BlockMask | torch.Tensor,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each example of each row; ``packing`` is a block mask or a dense one."""
    grouped = query.shape[1] != key.shape[1]
    if isinstance(packing, BlockMask):
        out = _flex(query, key, value, block_mask=packing, scale=scaling, enable_gqa=grouped)
    else:
        out = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=packing, scale=scaling, enable_gqa=grouped
        )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, packed_batch_attention)


class Batches:
    """Rows packed in a thread of their own, so that the GPU never waits for them."""

    def __init__(self, stream: RowStream, rows: int) -> None:
        self._stream, self._rows = stream, rows
        self._ready: queue.Queue[list[Row]] = queue.Queue(_ROWS_AHEAD)
        threading.Thread(target=self._fill, daemon=True).start()

    def next(self) -> list[Row]:
        return self._ready.get()

    def _fill(self) -> None:
        while True:
            try:
                rows = [self._stream.next_row() for _ in range(self._rows)]
            except FileNotFoundError:  # no shard has arrived yet
                time.sleep(0.5)
                continue
            self._ready.put(rows)


class Trainer:
    """Float32 masters, bf16 autocast, AdamW; the schedule follows the share of the time that is spent."""

    def __init__(
        self,
        tensors: dict[str, torch.Tensor],
        config: dict[str, Any],
        about: dict[str, Any],
        shards: Path,
        device: torch.device,
        metrics: Path,
    ) -> None:
        sft = about["sft"]
        self._sft, self._device = sft, device
        torch.manual_seed(about["seed"])
        torch.set_float32_matmul_precision("high")
        self.model = LlamaForCausalLM(LlamaConfig(**config, use_cache=False, attn_implementation=ATTENTION))
        missing = self.model.load_state_dict(tensors, strict=False).missing_keys
        if set(missing) - {"lm_head.weight"}:
            raise ValueError(f"the weights lack {missing[:3]}")
        self.model.tie_weights()
        self.model.to(device).train()
        self._optimiser = torch.optim.AdamW(
            parameters_in_groups(self.model, sft["weight_decay"]),
            lr=sft["learning_rate"],
            betas=tuple(sft["betas"]),
            fused=True,
        )
        self.mode = MODES[device.type][-1]
        stream = RowStream(
            shards,
            sft["mix"],
            sft["row_tokens"],
            sft["other_text_weight"],
            about["seed"],
            {},
            sft["end_weight"],
        )
        self._batches = Batches(stream, sft["rows_per_step"])
        self._rng = np.random.default_rng(about["seed"])
        self._log = metrics.open("a", buffering=1)
        self.validation: list[Example] = []
        self.began = time.monotonic()
        self.steps = self.tokens = 0
        self._losses = {"loss": 0.0, "middle_loss": 0.0, "validation_loss": 0.0}

    def settle(self) -> str:
        """Takes the first way to compute that works on this machine, and says which; trains nothing.

        Raises what the last of them raised where none works.
        """
        rows = self._batches.next()
        modes = MODES[self._device.type]
        for mode in modes:
            try:
                self._use(mode)
                self._loss(rows)[0].backward()
                break
            except Exception as error:
                if mode == modes[-1]:
                    raise
                print(f"trainer: {mode} does not work here: {type(error).__name__}: {error}", flush=True)
            finally:
                self._optimiser.zero_grad(set_to_none=True)
        return self.mode

    def _use(self, mode: str) -> None:
        global _flex
        self.mode = mode
        _flex = torch.compile(flex_attention) if mode != "dense" else flex_attention
        for layer in self.model.model.layers:  # one graph serves all layers: seconds, not minutes
            layer._compiled_call_impl = None
            if mode == "layers":
                layer.compile()

    def step(self, share: float) -> None:
        """One optimiser step at ``share`` (0 to 1) of the time."""
        sft = self._sft
        rows = self._batches.next()
        rate = sft["learning_rate"] * schedule_factor(share, sft["warmup_share"], sft["decay_share"])
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        kind = sft["served_weights"] if share >= sft["served_weights_from_share"] else ""
        with served_weights(self.model, kind):
            loss, middle_loss = self._loss(rows)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), sft["clip"])
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.steps += 1
        self.tokens += sum(len(row.tokens) for row in rows)
        if self.steps % 20 == 0 or self.steps == 1:
            self._losses |= {"loss": float(loss.detach()), "middle_loss": float(middle_loss)}
            self._write("step", learning_rate=rate)
        if self.steps % sft["validate_every"] == 0:
            with served_weights(self.model, kind):
                self._losses["validation_loss"] = self._validate()
            self._write("validation", weights=kind)

    def summary(self) -> dict[str, Any]:
        spent = max(time.monotonic() - self.began, 1e-9)
        return {
            "steps": self.steps,
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens / spent, 1),
            **{name: round(value, 4) for name, value in self._losses.items()},
        }

    def _write(self, event: str, **values: Any) -> None:
        row = {"time": round(time.time(), 1), "event": event, "step": self.steps, **self.summary(), **values}
        self._log.write(json.dumps(row) + "\n")

    def _loss(self, rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
        count = self._sft["loss_positions"]
        tokens = torch.from_numpy(np.stack([row.tokens for row in rows])).to(self._device, non_blocking=True)
        at, weights = zip(*(self._positions(row, count) for row in rows), strict=True)
        places = torch.from_numpy(np.concatenate([p + i * len(rows[0].tokens) for i, p in enumerate(at)]))
        weight = torch.from_numpy(np.concatenate(weights)).to(self._device)
        places = places.to(self._device)
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            hidden = self._hidden(tokens, [row.lengths for row in rows]).flatten(0, 1)
            logits = self.model.lm_head(hidden[places - 1])
        losses = torch.nn.functional.cross_entropy(logits.float(), tokens.flatten()[places], reduction="none")
        middles = (weight >= 1).float()
        loss = (losses * weight).sum() / weight.sum().clamp_min(1.0)
        return loss, (losses.detach() * middles).sum() / middles.sum().clamp_min(1.0)

    def _positions(self, row: Row, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Always ``count`` of them (some twice, without weight), so that every step has one shape."""
        full = np.flatnonzero(row.weights >= 1)
        other = np.flatnonzero((row.weights > 0) & (row.weights < 1))
        if len(full) > count:
            full = self._rng.choice(full, count, replace=False)
        drawn = self._rng.choice(other, min(count - len(full), len(other)), replace=False)
        at = np.concatenate([full, drawn])
        weights = row.weights[at]
        spare = count - len(at)
        return np.concatenate([at, np.ones(spare, at.dtype)]), np.concatenate(
            [weights, np.zeros(spare, np.float32)]
        )

    def _hidden(self, tokens: torch.Tensor, lengths: list[list[int]]) -> torch.Tensor:
        """(rows, tokens, hidden)."""
        length = tokens.shape[1]
        documents = torch.stack(
            [torch.repeat_interleave(torch.arange(len(n)), torch.tensor(n)) for n in lengths]
        ).to(self._device)
        positions = torch.stack([torch.cat([torch.arange(n) for n in row]) for row in lengths])
        packing = _packing(documents, length, self.mode)
        output = self.model.model(
            input_ids=tokens, position_ids=positions.to(self._device), packing=packing, use_cache=False
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    @torch.no_grad()
    def _validate(self) -> float:
        """Loss on the middles of the validation examples, packed into rows as in training."""
        self.model.eval()
        total, count = 0.0, 0
        for row in _packed(self.validation, self._sft["row_tokens"]):
            tokens = torch.from_numpy(row.tokens)[None].to(self._device)
            at = np.flatnonzero(row.weights)
            with torch.autocast(self._device.type, dtype=torch.bfloat16):
                logits = self.model.lm_head(self._hidden(tokens, [row.lengths])[0, at - 1])
            total += float(torch.nn.functional.cross_entropy(logits.float(), tokens[0, at], reduction="sum"))
            count += len(at)
        self.model.train()
        return total / max(count, 1)


def _packing(documents: torch.Tensor, length: int, mode: str = "dense") -> BlockMask | torch.Tensor:
    """Who sees whom, as blocks for flex attention or as a dense mask."""
    if mode != "dense":

        def seen(row: Any, head: Any, query: Any, key: Any) -> Any:
            return (query >= key) & (documents[row, query] == documents[row, key])

        device = documents.device
        compiled = device.type == "cuda"
        return create_block_mask(seen, len(documents), None, length, length, device, _compile=compiled)
    causal = torch.ones(length, length, dtype=torch.bool, device=documents.device).tril()
    return (documents[:, None, :, None] == documents[:, None, None, :]) & causal


def _packed(examples: list[Example], size: int) -> list[Row]:
    rows: list[Row] = []
    waiting = [e for e in examples if len(e.tokens) <= size and e.middle < len(e.tokens)]
    while waiting:
        tokens, weights = np.zeros(size, np.int64), np.zeros(size, np.float32)
        lengths: list[int] = []
        at = 0
        while waiting and at + len(waiting[0].tokens) <= size:
            example = waiting.pop(0)
            end = at + len(example.tokens)
            tokens[at:end] = example.tokens
            weights[at + example.middle : end] = 1
            lengths.append(len(example.tokens))
            at = end
        rows.append(Row(tokens, [*lengths, size - at] if at < size else lengths, weights))
    return rows
