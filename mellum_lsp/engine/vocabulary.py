"""Text to tokens and back, such that text stays text and a marker is exactly one token.

* Text is tokenised with ``parse_special=False``: text that spells ``<fim_middle>`` becomes ordinary tokens.
  That spares control tokens only; *user-defined* tokens that look like markers (some conversions mark them
  so) are kept apart by tokenising the text in two pieces, cut behind the first character of the spelled
  marker.
* Sentencepiece vocabularies put a space in front of every text. The model is loaded with that switched off
  (`model.py`), so the tokens of a segment spell exactly its text wherever in the prompt it stands; a dialect
  whose model expects the space renders it. (They cannot spell ``▁``, U+2581: to them it *is* the space.)
"""

from __future__ import annotations

import ctypes
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from mellum_lsp.domain import Marker
from mellum_lsp.engine.interface import RequestInvalid

Tokens = npt.NDArray[np.int32]

_CONTROL = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
_USER_DEFINED = llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
_LOOKS_LIKE_A_MARKER = re.compile(r"<[|｜].*[|｜]>|<(fim|file|repo|issue|jupyter)\w*>|\[[A-Z_]{3,}\]|>>\w+<<")
_CACHED_SEGMENTS = 512


class Vocabulary:
    """The vocabulary of a loaded model. Thread-safe to read: counting may go on while the model decodes."""

    def __init__(self, native_model: Any):
        self._vocab = llama_cpp.llama_model_get_vocab(native_model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        control, user_defined = self._special_tokens()
        guarded = {
            text: token for text, token in user_defined.items() if _LOOKS_LIKE_A_MARKER.fullmatch(text)
        }
        self._special = control | user_defined
        self._guard = _alternation(guarded)
        self.markers = frozenset(self._special)
        self.ends = frozenset([*control.values(), *guarded.values()])
        """Tokens that end a generation: the model's own ends, which are control tokens, and the other control
        tokens, which a completion could never show."""
        self._all_texts: dict[str, int] | None = None
        self.bos: int | None = None
        """The token that the model's metadata wants at the beginning of every prompt."""
        bos = llama_cpp.llama_vocab_bos(self._vocab)
        if llama_cpp.llama_vocab_get_add_bos(self._vocab) and bos >= 0:
            self.bos = bos
        self._piece_buffer = ctypes.create_string_buffer(256)
        self.tokenise = lru_cache(maxsize=_CACHED_SEGMENTS)(self._tokenise)
        """The tokens of a text by itself. Cached: of a prompt, only the segment before the caret changes."""
        self.piece = lru_cache(maxsize=None)(self._piece)
        """The bytes of a token, empty for a control token."""

    def marker(self, text: str) -> int | None:
        """The token whose text in the vocabulary is ``text``; None where there is none."""
        token = self._special.get(text)
        if token is None:
            if self._all_texts is None:
                self._all_texts = {self._text(token): token for token in range(self.size)}
            token = self._all_texts.get(text)
        return token

    @cached_property
    def pieces(self) -> Pieces:
        """The bytes of all tokens that a completion can show. Takes a tenth of a second at first."""
        shown = ((self.piece(token), token) for token in range(self.size) if token not in self.ends)
        return Pieces((piece, token) for piece, token in shown if piece)

    def count(self, text: str) -> int:
        """The number of tokens of ``text`` by itself."""
        return len(self._tokenise(text))

    def _special_tokens(self) -> tuple[dict[str, int], dict[str, int]]:
        """The control and the user-defined tokens by text. Every end of a generation is a control token."""
        control: dict[str, int] = {}
        user_defined: dict[str, int] = {}
        attributes_of, vocab = llama_cpp.llama_vocab_get_attr, self._vocab
        for token in range(self.size):
            attributes = attributes_of(vocab, token)
            if attributes & _CONTROL:
                control[self._text(token)] = token
            elif attributes & _USER_DEFINED:
                user_defined[self._text(token)] = token
        return control, user_defined

    def _text(self, token: int) -> str:
        text: bytes = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return text.decode(errors="replace")

    def _tokenise(self, text: str) -> Tokens:
        if self._guard is None or not self._guard.search(text):
            return self._tokenise_piece(text)
        cuts = [0, *(match.start() + 1 for match in self._guard.finditer(text)), len(text)]
        return np.concatenate([self._tokenise_piece(text[a:b]) for a, b in pairwise(cuts)])

    def _tokenise_piece(self, text: str) -> Tokens:
        encoded = text.encode(errors="replace")
        tokens = np.empty(len(encoded) + 1, np.int32)
        count = llama_cpp.llama_tokenize(
            self._vocab,
            encoded,
            len(encoded),
            tokens.ctypes.data_as(llama_cpp.llama_token_p),
            len(tokens),
            False,  # add_special: we add the beginning ourselves
            False,  # parse_special: text never becomes control tokens
        )
        if count < 0:
            raise RequestInvalid(f"the text cannot be tokenised: {text[:40]!r}…\nhint: report this as a bug")
        return tokens[:count].copy()

    def _piece(self, token: int) -> bytes:
        length = self._write_piece(token)
        if length > len(self._piece_buffer):
            self._piece_buffer = ctypes.create_string_buffer(length)
            self._write_piece(token)
        return self._piece_buffer.raw[:length]

    def _write_piece(self, token: int) -> int:
        buffer = self._piece_buffer
        written = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, len(buffer), 0, False)
        return abs(int(written))  # negative: the buffer is too small


class Pieces:
    """The bytes of every token, sorted, so that those with a common beginning stand together."""

    def __init__(self, pieces: Iterable[tuple[bytes, int]]):
        ordered = sorted(pieces)
        self._texts = [piece for piece, _ in ordered]
        self._tokens = np.array([token for _, token in ordered], np.int32)

    def agreeing_with(self, text: bytes) -> Tokens:
        """The tokens that begin with ``text`` and those that ``text`` begins with; all have some bytes."""
        runs = [self._between(text[:length], text[:length] + b"\0") for length in range(1, len(text))]
        # The least bytes behind all that begin with it; UTF-8 has no byte 255.
        runs.append(self._between(text, text[:-1] + bytes([text[-1] + 1])))
        return np.concatenate(runs)

    def _between(self, first: bytes, end: bytes) -> Tokens:
        return self._tokens[bisect_left(self._texts, first) : bisect_left(self._texts, end)]


def prompt_tokens(
    vocabulary: Vocabulary, parts: Sequence[Sequence[Marker | str]]
) -> tuple[Tokens, list[int]]:
    """The tokens of a prompt and how many each of its parts has.

    Where the model's metadata asks for a beginning-of-sequence token and the prompt does not begin with it
    as a marker, it is put in front and counted to the first part: a dialect may spell it but need not know.
    Raises `RequestInvalid` for a marker that the vocabulary lacks.
    """
    runs: list[Tokens] = []
    counts = []
    for part in parts:
        before = len(runs)
        for segment in part:
            if isinstance(segment, Marker):
                runs.append(np.array([_marker(vocabulary, segment)], np.int32))
            else:
                runs.append(vocabulary.tokenise(segment))
        counts.append(sum(map(len, runs[before:])))
    tokens = np.concatenate(runs) if runs else np.empty(0, np.int32)
    if vocabulary.bos is not None and (not len(tokens) or tokens[0] != vocabulary.bos):
        tokens = np.concatenate([np.array([vocabulary.bos], np.int32), tokens])
        counts = [counts[0] + 1, *counts[1:]] if counts else [1]
    return tokens, counts


def _marker(vocabulary: Vocabulary, marker: Marker) -> int:
    token = vocabulary.marker(marker.text)
    if token is None:
        raise RequestInvalid(
            f"this model's vocabulary has no token {marker.text}\nhint: choose the model's own dialect"
        )
    return token


def _alternation(texts: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
