"""A llama.cpp context: evaluates tokens of one sequence at a time and keeps their KV cache.

Every sequence has a cache of its own (``kv_unified`` off). In a common one llama.cpp looks at the cells of
all sequences for every token: with eight others of 900 tokens each, a token behind 900 took 17.6 ms with
flash attention and 31 without, instead of 8.4 (135M model, two cores). With separate caches nothing is lost
by leaving flash attention out on the CPU, and batches gain: 16 tokens take 47 instead of 72 ms, 64 take 155
instead of 181 (its fast path begins at 64).
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

_BYTE_POINTER = ctypes.POINTER(ctypes.c_uint8)
MOST_OUTPUTS = 16
"""Tokens of one evaluation whose logits can be asked for."""


class Evaluation(Enum):
    """How an evaluation went; after anything but DONE, none of its tokens are in the cache."""

    DONE = 0
    NO_ROOM = 1
    ABORTED = 2


class Context:
    """``context_tokens`` cells for each of ``sequences`` sequences, evaluated at most ``micro_batch_tokens``
    at a time."""

    def __init__(
        self,
        model: Model,
        abort: AbortFlag,
        *,
        context_tokens: int,
        micro_batch_tokens: int,
        sequences: int,
        threads: int,
    ):
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = context_tokens * sequences
        parameters.n_batch = parameters.n_ubatch = micro_batch_tokens
        parameters.n_seq_max = sequences
        parameters.n_outputs_max = MOST_OUTPUTS  # the default reserves logits for a whole micro-batch: 100 MB
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.kv_unified = False  # see the top
        if model.gpu_layers == 0:
            parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        parameters.swa_full = True  # otherwise a sliding-window cache cannot be cut back
        parameters.no_perf = True
        self._native = llama_cpp.llama_init_from_model(model.native, parameters)
        if not self._native:
            raise ModelTooLarge(
                f"{model.header.path}: no memory for {sequences} contexts of {context_tokens:,} tokens\n"
                "hint: lower contextTokens or choose a smaller model"
            )
        model.adapt(self._native)
        self.context_tokens = context_tokens
        self.longest_state: int = llama_cpp.llama_model_n_swa(model.native) or context_tokens
        """Tokens. Of sequences that are longer, `save` leaves out what a sliding window has left."""
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

    def state_bytes(self, sequence: int) -> int:
        """The size of what `save` would return."""
        return int(llama_cpp.llama_state_seq_get_size(self._native, sequence))

    def save(self, sequence: int) -> npt.NDArray[np.uint8]:
        """The cache of the sequence as bytes; only a context of the same model and kind can read them."""
        data = np.empty(self.state_bytes(sequence), np.uint8)
        written = llama_cpp.llama_state_seq_get_data(
            self._native, data.ctypes.data_as(_BYTE_POINTER), len(data), sequence
        )
        return data[:written]

    def restore(self, sequence: int, data: npt.NDArray[np.uint8]) -> bool:
        """Let the sequence, which is empty, hold what `save` returned; False where that is impossible: the
        sequence is then undefined, `clear` it."""
        return bool(
            llama_cpp.llama_state_seq_set_data(
                self._native, data.ctypes.data_as(_BYTE_POINTER), len(data), sequence
            )
        )


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
