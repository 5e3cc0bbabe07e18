"""From a model file and settings to a decoder that is ready to serve.

Everything that settings leave open follows from the machine: whether the model fits into memory and how many
of its layers onto a GPU, threads and micro-batches from what was measured, the context from speed and memory.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, replace
from pathlib import Path

import llama_cpp

from mellum_lsp import machine
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.adapter import load_adapter, read_adapter
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
from mellum_lsp.engine.state_files import StateFiles
from mellum_lsp.engine.states import States
from mellum_lsp.engine.stoker import Stoker
from mellum_lsp.engine.tuning import (
    LARGEST_BATCH,
    Tuning,
    TuningStore,
    longest_product_share,
    measure,
    thread_counts,
)


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
    if settings.lora:
        read_adapter(Path(settings.lora), header)  # before gigabytes are loaded in vain
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
        if settings.lora:
            model.adapter = load_adapter(model.native, read_adapter(Path(settings.lora), header))
        return _serve(model, settings, abort, free, cache)
    except BaseException:
        model.close()
        raise


def _serve(
    model: Model, settings: EngineSettings, abort: AbortFlag, free_bytes: int | None, cache: Path | None
) -> tuple[Decoder, ModelInfo]:
    identity: tuple[object, ...] = (fingerprint(model.header.path), llama_cpp.__version__, model.gpu_layers)
    if model.adapter:
        identity += (fingerprint(model.adapter.path),)  # other weights: other states, and other speeds
    threads, tuning = _measure(model, settings, abort, TuningStore(cache, _named(*identity, *_machine())))
    costs = tuning.costs(threads)
    micro_batch = settings.micro_batch_tokens or tuning.micro_batch(
        threads, longest_product_share(model.header), model.gpu_layers != 0
    )
    speeds = Speeds(micro_batch / costs.milliseconds(micro_batch) * 1e3, 1e3 / costs.milliseconds(1))
    wanted = _size(model, settings, speeds.prefill, free_bytes)
    size, context = _make_context(model, abort, wanted, micro_batch, threads)
    info = ModelInfo(
        name=model.name,
        path=str(model.header.path),
        architecture=model.header.architecture,
        context_tokens=size.context_tokens,
        markers=model.vocabulary.markers,
        metadata=model.header.metadata,
        prefill_tokens_per_second=speeds.prefill,
        decode_tokens_per_second=speeds.decode,
        threads=threads,
        micro_batch_tokens=micro_batch,
        gpu_layers=model.gpu_layers,
        sequences=size.sequences,
        batch_ms=costs.measured,
        lora=str(model.adapter.path) if model.adapter else "",
    )
    _log(
        f"serving {info.path} with {info.lora or 'no adapter'} and llama-cpp-python {llama_cpp.__version__}, "
        f"{threads} threads, "
        f"{size.sequences} sequences of {size.context_tokens} tokens, micro-batches of {micro_batch}, "
        f"prefill {speeds.prefill:.0f} and decode {speeds.decode:.0f} tokens/s"
    )
    can_cut = not model.keeps_a_state
    drafter = Drafter(costs if settings.drafts and can_cut else None)
    files = None
    if cache and settings.keep_states:
        files = StateFiles(cache / "states", _named(*identity, size.sequences))
    states = States(context, lambda: speeds.prefill, size.parked_bytes, files, can_cut)
    slots = Slots(context, states, can_cut)
    # Where some cores never take part, the scheduler would have one of those kept awake.
    on_all_cores = model.gpu_layers == 0 and 1 < threads == machine.cores().logical
    stoker = Stoker() if on_all_cores else None
    return Decoder(model.vocabulary, context, slots, abort, speeds, drafter, micro_batch, stoker=stoker), info


def _measure(
    model: Model, settings: EngineSettings, abort: AbortFlag, store: TuningStore
) -> tuple[int, Tuning]:
    """The number of threads to use, and what has been measured with it."""
    cores = machine.cores()
    # More threads than cores only wait for each other, and a million of them end in native code.
    asked = settings.threads and min(settings.threads, cores.logical)
    preferred, others = (asked, ()) if asked else thread_counts(cores)
    tuning = store.read()
    context = Context(
        model,
        abort,
        context_tokens=2 * LARGEST_BATCH,
        micro_batch_tokens=LARGEST_BATCH,
        sequences=1,
        threads=preferred,
    )
    try:
        measure(context, tuning, model.vocabulary.size, preferred, others)
    finally:
        context.close()
    store.write(tuning)
    return asked or tuning.best_threads(preferred), tuning


def _size(
    model: Model, settings: EngineSettings, prefill_tokens_per_second: float, free_bytes: int | None
) -> ContextSize:
    each = cache_bytes_per_token(model.header)
    size = wanted_size(
        model.trained_context, settings.context_tokens, prefill_tokens_per_second, settings.sequences, each
    )
    if free_bytes is None:  # on a GPU: what fits shows itself; what is parked lies in the machine's memory
        return size
    return fitting_size(size, each, free_bytes)


def _make_context(
    model: Model, abort: AbortFlag, size: ContextSize, micro_batch: int, threads: int
) -> tuple[ContextSize, Context]:
    """A context of this size, or of the largest smaller one for which there is memory."""
    for attempt in _sizes_down_from(size):
        try:
            context = Context(
                model,
                abort,
                context_tokens=attempt.context_tokens,
                micro_batch_tokens=max(micro_batch, MOST_OUTPUTS),
                sequences=attempt.sequences,
                threads=threads,
            )
        except ModelTooLarge as error:
            failure = error
        else:
            return attempt, context
    raise failure


def _sizes_down_from(size: ContextSize) -> Iterator[ContextSize]:
    yield size
    while size.sequences > 1:
        size = replace(size, sequences=size.sequences // 2)
        yield size
    while size.context_tokens > SHORTEST_CONTEXT:
        size = replace(size, context_tokens=max(SHORTEST_CONTEXT, size.context_tokens // 2))
        yield size


def _machine() -> tuple[object, ...]:
    """What measurements hold for: the cores, and what the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith(("model name", "CPU part")))
    except (OSError, StopIteration):
        processor = f"{platform.machine()} {platform.processor()}"
    return *astuple(machine.cores()), processor


def _named(*identity: object) -> str:
    """A name for a file that holds for exactly this."""
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
