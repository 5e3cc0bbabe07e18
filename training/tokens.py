"""Text → token ids through llama.cpp's own tokeniser, so that training and serving split text alike."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from mellum_lsp.domain import Marker, Prompt

END_OF_TEXT = "<|endoftext|>"


class Tokeniser:
    """The base GGUF's vocabulary with the recipe's renamed markers. Text never becomes a control token."""

    def __init__(self, gguf: Path, markers: dict[str, int]) -> None:
        self._model = load_vocabulary(gguf)
        self.size = self._model.n_vocab()
        self.markers = dict(markers)
        self.end = self.marker(END_OF_TEXT)
        self.count = lru_cache(maxsize=200_000)(self._count)

    def knows(self, marker: str) -> bool:
        """Whether the vocabulary itself already calls the recipe's token ``marker``."""
        return list(self._model.tokenize(marker.encode(), False, True)) == [self.markers.get(marker)]

    def encode(self, text: str) -> list[int]:
        return self._model.tokenize(text.encode("utf-8", "replace"), False, False) if text else []

    def decode(self, tokens: list[int]) -> str:
        """Without control tokens; bytes that are no text become U+FFFD."""
        return str(self._model.detokenize(tokens).decode("utf-8", "replace")) if tokens else ""

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Each segment by itself, markers as their control tokens: the server's way."""
        ids: list[int] = []
        for part in prompt:
            for segment in part.segments:
                if isinstance(segment, Marker):
                    ids.append(self.marker(segment.text))
                else:
                    ids.extend(self.encode(segment))
        return ids

    def _count(self, text: str) -> int:
        return len(self.encode(text))

    def marker(self, text: str) -> int:
        """The id of a control token; raises `ValueError` where the vocabulary has none of this name."""
        if text in self.markers:
            return self.markers[text]
        ids = self._model.tokenize(text.encode(), False, True)
        if len(ids) != 1:
            raise ValueError(
                f"the vocabulary has no control token {text!r} (it splits into {len(ids)} tokens)"
            )
        self.markers[text] = ids[0]
        return ids[0]


def load_vocabulary(gguf: Path) -> Any:
    """Vocabulary alone, in milliseconds; no weights are read."""
    import llama_cpp
    from llama_cpp import _internals

    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    return _internals.LlamaModel(path_model=str(gguf), params=parameters, verbose=False)
