"""From a model file and settings to a decoder that is ready to serve.

Everything that settings leave open follows from the machine: whether the model fits into memory and how many
of its layers onto a GPU, threads and micro-batches from what was measured, the context from speed and memory.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path

import llama_cpp

from mellum_lsp import machine
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.context import MOST_OUTPUTS, Context
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.drafts import Drafter
from mellum_lsp.engine.fingerprint import fingerprint
from mellum_lsp.engine.gguf import GgufHeader, check_is_model, read_header
from mellum_lsp.engine.interface import ModelError, ModelInfo, ModelTooLarge
from mellum_lsp.engine.model import Model, can_offload, load_model
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.sizing import (
    SHORTEST_CONTEXT,
    ContextSize,
    cache_bytes_per_token,
    fitting_size,
    memory_left,
    wanted_size,
)
from mellum_lsp.engine.slots import Slots
from mellum_lsp.engine.speeds import Speeds
from mellum_lsp.engine.tuning import (
    LARGEST_BATCH,
    Tuning,
    TuningStore,
    longest_product_share,
    measure,
    thread_counts,
)

_STATES = 4
"""Sequences of a recurrent model, each of which has a state of its own in memory."""


def load(
    path: Path,
    settings: EngineSettings,
    abort: AbortFlag,
    on_progress: Callable[[float], None],
    cache: Path | None = None,
) -> tuple[Decoder, ModelInfo]:
    """Load the model, measure it, make its context; ``cache`` is a folder that keeps the measurements.

    Where it does not fit on the GPU as asked for by "auto", fewer layers are put there, in the end none.
    Raises `ModelError`.
    """
    header = read_header(path)
    check_is_model(header)
    for layers in _gpu_attempts(settings, header):
        try:
            return _load(header, layers, settings, abort, on_progress, cache)
        except ModelError as error:
            if layers == 0 or settings.gpu_layers != "auto":
                raise
            _log(f"not with {layers} layers on the GPU (-1: all): {str(error).splitlines()[0]}")
    raise AssertionError("the last attempt needs no GPU")


def _gpu_attempts(settings: EngineSettings, header: GgufHeader) -> list[int]:
    """How many layers to put on the GPU, -1 for all, the most first."""
    if not can_offload():
        return [0]
    if settings.gpu_layers != "auto":
        return [settings.gpu_layers]
    layers = int(header.metadata.get(f"{header.architecture}.block_count", 0))
    return [-1, *sorted({layers * quarters // 4 for quarters in (3, 2, 1, 0)}, reverse=True)]


def _load(
    header: GgufHeader,
    gpu_layers: int,
    settings: EngineSettings,
    abort: AbortFlag,
    on_progress: Callable[[float], None],
    cache: Path | None,
) -> tuple[Decoder, ModelInfo]:
    free = None
    if gpu_layers == 0:
        available = machine.memory().available
        free = memory_left(header, min(available, settings.memory_bytes or available))
    model = load_model(header, gpu_layers, on_progress)
    try:
        return _serve(model, settings, abort, free, cache)
    except BaseException:
        model.close()
        raise


def _serve(
    model: Model, settings: EngineSettings, abort: AbortFlag, free_bytes: int | None, cache: Path | None
) -> tuple[Decoder, ModelInfo]:
    threads, tuning = _measure(model, settings, abort, cache)
    costs = tuning.costs(threads)
    micro_batch = settings.micro_batch_tokens or tuning.micro_batch(
        threads, longest_product_share(model.header), model.gpu_layers != 0
    )
    speeds = Speeds(micro_batch / costs.milliseconds(micro_batch) * 1e3, 1e3 / costs.milliseconds(1))
    size = _size(model, settings, speeds.prefill, free_bytes)
    size, context = _make_context(model, settings, abort, size, micro_batch, threads)
    info = ModelInfo(
        name=model.name,
        path=str(model.header.path),
        architecture=model.header.architecture,
        context_tokens=size.limit,
        markers=model.vocabulary.markers,
        metadata=model.header.metadata,
        prefill_tokens_per_second=speeds.prefill,
        decode_tokens_per_second=speeds.decode,
        threads=threads,
        micro_batch_tokens=micro_batch,
        gpu_layers=model.gpu_layers,
        cache_tokens=size.cells,
        batch_ms=costs.measured,
    )
    _log(
        f"serving {info.path} with llama-cpp-python {llama_cpp.__version__}, {threads} threads, "
        f"{size.limit} tokens of context ({size.cells} for all documents), micro-batches of {micro_batch}, "
        f"prefill {speeds.prefill:.0f} and decode {speeds.decode:.0f} tokens/s"
    )
    drafter = Drafter(costs if settings.drafts and not model.keeps_a_state else None)
    slots = Slots(context, can_copy=not model.keeps_a_state)
    return Decoder(model.vocabulary, context, slots, abort, speeds, drafter, micro_batch, size.limit), info


def _measure(
    model: Model, settings: EngineSettings, abort: AbortFlag, cache: Path | None
) -> tuple[int, Tuning]:
    """The number of threads to use, and what has been measured with it."""
    cores = machine.cores()
    preferred, others = (settings.threads, ()) if settings.threads else thread_counts(cores)
    identity = (fingerprint(model.header.path), llama_cpp.__version__, model.gpu_layers, astuple(cores))
    store = TuningStore(cache, hashlib.sha256(repr((*identity, _processor())).encode()).hexdigest()[:16])
    tuning = store.read()
    context = Context(
        model,
        abort,
        cells=2 * LARGEST_BATCH,
        micro_batch_tokens=LARGEST_BATCH,
        sequences=1,
        threads=preferred,
    )
    try:
        measure(context, tuning, model.vocabulary.size, preferred, others)
    finally:
        context.close()
    store.write(tuning)
    return settings.threads or tuning.best_threads(preferred), tuning


def _size(
    model: Model, settings: EngineSettings, prefill_tokens_per_second: float, free_bytes: int | None
) -> ContextSize:
    size = wanted_size(model.trained_context, settings.context_tokens, prefill_tokens_per_second)
    if settings.cache_tokens:
        return ContextSize(min(size.limit, settings.cache_tokens), settings.cache_tokens)
    if free_bytes is None:  # on a GPU: what fits shows itself
        return size
    return fitting_size(size, cache_bytes_per_token(model.header), free_bytes)


def _make_context(
    model: Model,
    settings: EngineSettings,
    abort: AbortFlag,
    size: ContextSize,
    micro_batch: int,
    threads: int,
) -> tuple[ContextSize, Context]:
    """A context of this size, or of the largest smaller one for which there is memory."""
    for attempt in _sizes_down_from(size):
        try:
            context = Context(
                model,
                abort,
                cells=attempt.cells,
                micro_batch_tokens=max(micro_batch, MOST_OUTPUTS),
                sequences=min(settings.sequences, _STATES) if model.keeps_a_state else settings.sequences,
                threads=threads,
            )
        except ModelTooLarge as error:
            failure = error
        else:
            return attempt, context
    raise failure


def _sizes_down_from(size: ContextSize) -> Iterator[ContextSize]:
    limit, cells = size.limit, size.cells
    yield size
    while cells > limit:
        cells = max(limit, cells // 2)
        yield ContextSize(limit, cells)
    while limit > SHORTEST_CONTEXT:
        limit = max(SHORTEST_CONTEXT, limit // 2)
        yield ContextSize(limit, limit)


def _processor() -> str:
    """What the processor is called: measurements of another one are worth nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("model name", "CPU part")))
    except (OSError, StopIteration):
        import platform

        return f"{platform.machine()} {platform.processor()}"


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
