"""Low-rank adapters by PEFT, injected into the model in place: it keeps its shape for everything else."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer

from training.recipe import Lora


def inject(model: Any, settings: Lora) -> None:
    """Puts adapters on the target matrices; from then on only they are trained, in float32."""
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=list(settings.targets),
        bias="none",
    )
    inject_adapter_in_model(config, model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def state(model: Any) -> dict[str, torch.Tensor]:
    """The adapters' tensors by name."""
    found: dict[str, torch.Tensor] = get_peft_model_state_dict(model)
    return found


def load(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Raises `ValueError` where the tensors belong to another adapter."""
    result = set_peft_model_state_dict(model, tensors)
    if result.unexpected_keys:
        raise ValueError(f"the checkpoint has tensors that no adapter has: {result.unexpected_keys[:3]}")


def pairs(model: Any) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """``(A, B)`` of each adapted matrix by the matrix's own name: A is (rank, in), B is (out, rank)."""
    return {
        f"{name}.weight": (
            module.lora_A["default"].weight.detach().float().cpu(),
            module.lora_B["default"].weight.detach().float().cpu(),
        )
        for name, module in model.named_modules()
        if isinstance(module, LoraLayer)
    }


def merge(model: Any) -> None:
    """Adds the adapters to what they adapt and takes them out: the model is an ordinary one again."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, module.get_base_layer())


def merged_state(model: Any) -> dict[str, torch.Tensor]:
    """The model's own tensors under their own names, the adapters added to what they adapt (in float32)."""
    tensors: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            weight = module.get_base_layer().weight.detach().float()
            tensors[f"{name}.weight"] = weight + module.get_delta_weight("default").float()
    for name, tensor in model.state_dict().items():
        if ".lora_" not in name:
            tensors.setdefault(name.replace(".base_layer", ""), tensor)
    return tensors
