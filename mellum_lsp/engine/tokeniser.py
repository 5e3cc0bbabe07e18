"""The vocabulary of a model file by itself: text to token ids in milliseconds, no weights are read."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llama_cpp

from mellum_lsp.engine.interface import ModelBroken
from mellum_lsp.engine.vocabulary import Vocabulary

_SILENCE = llama_cpp.llama_log_callback(lambda level, text, data: None)
"""llama.cpp tells of every key of a header; it holds a pointer to this for as long as the process lives."""


@contextmanager
def opened_vocabulary(path: Path) -> Iterator[Vocabulary]:
    """The vocabulary, for as long as the block lasts. Native code runs in this process: for commands, not
    for servers. Raises `ModelBroken` where llama.cpp cannot read it."""
    llama_cpp.llama_log_set(_SILENCE, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    native = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    if not native:
        raise ModelBroken(f"{path}: its vocabulary cannot be read\nhint: try `mellum-lsp models verify`")
    try:
        yield Vocabulary(native)
    finally:
        llama_cpp.llama_model_free(native)
