"""What a run computes on: one CPU, one GPU, or many processes through accelerate, behind one interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch


class Machine:
    """One process of a run. Under ``accelerate launch`` there are several; otherwise accelerate is not used.

    FSDP, its wrapping and its offloading are set where accelerate sets them (``accelerate config``); the
    recipe knows nothing of them.
    """

    def __init__(self, device: str, threads: int) -> None:
        self._accelerator: Any = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import Accelerator

            self._accelerator = Accelerator(cpu=device == "cpu", mixed_precision="bf16")
        torch.set_num_threads(threads)
        self.device = self._accelerator.device if self._accelerator else torch.device(device)
        self.rank: int = self._accelerator.process_index if self._accelerator else 0
        self.processes: int = self._accelerator.num_processes if self._accelerator else 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def prepare(self, module: torch.nn.Module, optimiser: Any) -> tuple[Any, Any]:
        """Both on the device; wrapped where several processes share them."""
        if self._accelerator is None:
            return module.to(self.device), optimiser
        prepared: tuple[Any, Any] = self._accelerator.prepare(module, optimiser)
        return prepared

    def autocast(self) -> AbstractContextManager[Any]:
        if self._accelerator is not None:  # its wrapper casts by itself
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @contextmanager
    def accumulating(self, module: Any, more: bool) -> Iterator[None]:
        """Gradients are exchanged with the other processes only behind the last row of a step."""
        if self._accelerator is not None and more:
            with self._accelerator.no_sync(module):
                yield
        else:
            yield

    def backward(self, loss: torch.Tensor) -> None:
        if self._accelerator is not None:
            self._accelerator.backward(loss)
        else:
            loss.backward()

    def clip(self, module: Any, limit: float) -> float:
        """The norm of the gradients before it was cut to ``limit``."""
        parameters = [p for p in module.parameters() if p.requires_grad]
        if self._accelerator is not None:
            return float(self._accelerator.clip_grad_norm_(parameters, limit))
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes it: all must do the same, and their clocks differ."""
        if self._accelerator is None:
            return wish
        wishes = torch.tensor([float(wish)], device=self.device)
        return bool(self._accelerator.reduce(wishes, "sum")[0] > 0)

    def wait(self) -> None:
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def gathered(
        self, objective: Any, optimiser: Any, adapters: bool
    ) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The model's tensors (or its adapters') by their own names, and the optimiser's state, whole."""
        if self._accelerator is None:
            model = objective.model
            tensors, state = model.state_dict(), optimiser.state_dict()
        else:
            from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

            whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
            inner = getattr(optimiser, "optimizer", optimiser)
            named, state = get_state_dict(objective, inner, options=whole)
            tensors = {name.removeprefix("module.").removeprefix("model."): t for name, t in named.items()}
        if adapters:
            tensors = {name.replace(".default", ""): t for name, t in tensors.items() if ".lora_" in name}
        return tensors, state

    def load_optimiser(self, optimiser: Any, objective: Any, state: dict[str, Any]) -> None:
        """What `gathered` gave, into this run's optimiser, however many processes there were then."""
        if self._accelerator is None:
            optimiser.load_state_dict(state)
            return
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

        inner = getattr(optimiser, "optimizer", optimiser)
        set_optimizer_state_dict(objective, inner, state, options=StateDictOptions(full_state_dict=True))
