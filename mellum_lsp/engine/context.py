"""A llama.cpp context: evaluates tokens of one sequence at a time and keeps their KV cache.

All sequences share the cells of one cache (``kv_unified``), so that copying a sequence costs nothing. With
flash attention, three other sequences of 900 tokens make a token about a tenth slower.
"""

from __future__ import annotations

import ctypes
from enum import Enum

import llama_cpp
import numpy as np
import numpy.typing as npt

from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.interface import EngineError, ModelTooLarge
from mellum_lsp.engine.model import Model
from mellum_lsp.engine.vocabulary import Tokens

MOST_OUTPUTS = 16
"""Tokens of one evaluation whose logits can be asked for."""


class Evaluation(Enum):
    """How an evaluation went; after anything but DONE, none of its tokens are in the cache."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


class Context:
    """``cells`` for the tokens of ``sequences`` sequences, evaluated at most ``micro_batch_tokens`` at a
    time."""

    def __init__(
        self,
        model: Model,
        abort: AbortFlag,
        *,
        cells: int,
        micro_batch_tokens: int,
        sequences: int,
        threads: int,
    ):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = cells
        parameters.n_batch = parameters.n_ubatch = micro_batch_tokens
        parameters.n_seq_max = sequences
        parameters.n_outputs_max = MOST_OUTPUTS  # the default reserves logits for a whole micro-batch: 100 MB
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.kv_unified = True
        parameters.swa_full = True  # otherwise a sliding-window cache cannot be cut back
        parameters.no_perf = True
        self._native = llama_cpp.llama_init_from_model(model.native, parameters)
        if not self._native:
            raise ModelTooLarge(
                f"{model.header.path}: no memory for a context of {cells:,} tokens\n"
                "hint: lower contextTokens or choose a smaller model"
            )
        self.cells = cells
        self.micro_batch_tokens = micro_batch_tokens
        self.sequences = sequences
        self._memory = llama_cpp.llama_get_memory(self._native)
        self._batch = _Batch(micro_batch_tokens)
        self._vocabulary_size = model.vocabulary.size
        self._outputs = 0
        self._abort = abort  # llama.cpp holds a pointer into it
        abort.watch(self._native)

    def evaluate(self, sequence: int, tokens: Tokens, position: int, *, outputs: int) -> Evaluation:
        """Evaluate up to ``micro_batch_tokens`` tokens that stand at ``position`` and behind it.

        ``outputs`` is how many of the last tokens' logits are wanted, at most `MOST_OUTPUTS`. Raises
        `EngineError` where llama.cpp fails; the cache of the sequence is then undefined: `clear` it.
        """
        self._outputs = outputs
        native_batch = self._batch.fill(sequence, tokens, position, outputs)
        result = llama_cpp.llama_decode(self._native, native_batch)
        if result not in (0, 1, 2):
            raise EngineError(
                f"llama.cpp could not evaluate {len(tokens)} tokens (code {result})\nhint: see its log"
            )
        return Evaluation(result)

    def logits(self) -> npt.NDArray[np.float32]:
        """The logits that the last evaluation was asked for, shape (outputs, vocabulary): a view that is
        valid until the next evaluation."""
        address = ctypes.cast(llama_cpp.llama_get_logits(self._native), ctypes.c_void_p).value
        if not address or not self._outputs:
            raise EngineError("llama.cpp gives no logits\nhint: see the engine's log")
        shape = (self._outputs, self._vocabulary_size)
        values = (ctypes.c_float * (shape[0] * shape[1])).from_address(address)
        return np.ndarray(shape, np.float32, buffer=memoryview(values).cast("B"))

    def use_threads(self, threads: int) -> None:
        """From the next evaluation on."""
        llama_cpp.llama_set_n_threads(self._native, threads, threads)

    def close(self) -> None:
        """Give its memory back; it must not be used any more."""
        llama_cpp.llama_free(self._native)

    def synchronise(self) -> None:
        """Wait until everything asked for is evaluated (a GPU computes on after `evaluate` returned)."""
        llama_cpp.llama_synchronize(self._native)

    def length(self, sequence: int) -> int:
        """How many tokens of the sequence are cached one by one; 0 where its beginning is not."""
        if llama_cpp.llama_memory_seq_pos_min(self._memory, sequence) > 0:
            return 0
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, sequence)) + 1

    def cut(self, sequence: int, length: int) -> bool:
        """Keep the first ``length`` tokens of the sequence; False where this kind of cache cannot be cut
        there."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence, length, -1))

    def clear(self, sequence: int) -> None:
        """Forget the sequence. Never fails."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def copy(self, source: int, target: int, length: int) -> None:
        """Let ``target``, which is empty, begin with the first ``length`` tokens of ``source``."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)


class _Batch:
    """The arrays that ``llama_batch`` points to, reused for every evaluation."""

    def __init__(self, capacity: int):
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._sequence_counts = np.ones(capacity, np.int32)
        self._outputs = np.zeros(capacity, np.int8)
        self._offsets = np.arange(capacity, dtype=np.int32)
        self._sequence = ctypes.c_int32(0)  # one cell, pointed to by every token
        pointer_type = ctypes.POINTER(ctypes.c_int32)
        self._sequences = (pointer_type * capacity)(*([ctypes.pointer(self._sequence)] * capacity))
        self._native = llama_cpp.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(pointer_type),
            embd=None,
            pos=self._positions.ctypes.data_as(pointer_type),
            n_seq_id=self._sequence_counts.ctypes.data_as(pointer_type),
            seq_id=ctypes.cast(self._sequences, ctypes.POINTER(pointer_type)),
            logits=self._outputs.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, sequence: int, tokens: Tokens, position: int, outputs: int) -> llama_cpp.llama_batch:
        count = len(tokens)
        self._native.n_tokens = count
        self._tokens[:count] = tokens
        np.add(self._offsets[:count], position, out=self._positions[:count])
        self._outputs[:count] = 0
        self._outputs[count - outputs : count] = 1
        self._sequence.value = sequence
        return self._native
