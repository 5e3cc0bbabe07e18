"""From a model file and settings to a decoder that is ready to serve."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import llama_cpp

from mellum_lsp import machine
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.context import Context
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.drafts import Drafter
from mellum_lsp.engine.interface import ModelInfo
from mellum_lsp.engine.model import load_model
from mellum_lsp.engine.settings import EngineSettings, default_micro_batch
from mellum_lsp.engine.slots import Slots
from mellum_lsp.engine.speeds import measure


def load(
    path: Path, settings: EngineSettings, abort: AbortFlag, on_progress: Callable[[float], None]
) -> tuple[Decoder, ModelInfo]:
    """Load the model, make its context, measure its speed. Raises `ModelError`."""
    model = load_model(path, settings.gpu_layers, on_progress)
    context_tokens = min(settings.context_tokens, model.trained_context or settings.context_tokens)
    context = Context(
        model,
        abort,
        context_tokens=context_tokens,
        micro_batch_tokens=settings.micro_batch_tokens
        or default_micro_batch(model.bytes, model.gpu_layers != 0),
        sequences=settings.sequences,
        threads=settings.threads or machine.cores().physical,
    )
    speeds = measure(context, model.vocabulary.size)
    info = ModelInfo(
        name=model.name,
        path=str(path),
        architecture=model.header.architecture,
        context_tokens=context_tokens,
        markers=model.vocabulary.markers,
        metadata=model.header.metadata,
        prefill_tokens_per_second=speeds.prefill,
        decode_tokens_per_second=speeds.decode,
    )
    print(
        f"serving {path} with llama-cpp-python {llama_cpp.__version__}, {context_tokens} tokens of context, "
        f"prefill {speeds.prefill:.0f} and decode {speeds.decode:.0f} tokens/s",
        file=sys.stderr,
        flush=True,
    )
    slots = Slots(context, can_copy=not model.keeps_a_state)
    return Decoder(model.vocabulary, context, slots, abort, speeds, Drafter()), info
