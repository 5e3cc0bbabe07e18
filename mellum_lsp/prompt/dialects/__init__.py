"""The dialects by name, and the choice of one for a model.

A model is asked what it is, never its file name: the markers of its vocabulary say which formats it can have
learned, and where families share their markers the GGUF's own metadata decides.
"""

from __future__ import annotations

from dataclasses import replace

from mellum_lsp.domain import Marker
from mellum_lsp.prompt.dialects.base import ContextFile, Dialect, Vocabulary
from mellum_lsp.prompt.dialects.codegemma import CodeGemma
from mellum_lsp.prompt.dialects.codestral import Codestral
from mellum_lsp.prompt.dialects.deepseek_coder import DeepSeekCoder
from mellum_lsp.prompt.dialects.granite import Granite
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.dialects.plain import Plain
from mellum_lsp.prompt.dialects.qwen import Qwen
from mellum_lsp.prompt.dialects.starcoder2 import StarCoder2
from mellum_lsp.prompt.windows import Window

__all__ = ["DIALECT_KEY", "NAMES", "ContextFile", "Dialect", "Vocabulary", "by_name", "choose"]

DIALECT_KEY = "mellum_lsp.dialect"
"""A GGUF may name its dialect by this metadata key; ours do."""

_Known = Mellum | Qwen | StarCoder2 | CodeGemma | DeepSeekCoder | Granite | Codestral | Plain

_BY_NAME: dict[str, _Known] = {
    dialect.name: dialect
    for dialect in (
        Mellum(),
        Qwen(),
        StarCoder2(),
        CodeGemma(),
        DeepSeekCoder(),
        Granite(),
        Codestral(),
        Plain(),
    )
}
NAMES = tuple(_BY_NAME)

_BEGIN_MARKERS = (
    "<bos>",
    "<s>",
    "<｜begin▁of▁sentence｜>",
    "<|begin_of_text|>",
    "<|startoftext|>",
    "<|endoftext|>",
)
_PRE_TOKENIZERS_WITH_BEGIN = ("llama3", "llama-v3", "llama-bpe", "tekken", "chameleon")


def by_name(name: str) -> Dialect:
    """The dialect called ``name``; raises `KeyError` with the known names."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise KeyError(f"unknown dialect {name!r}; known: {', '.join(NAMES)}") from None


def choose(vocabulary: Vocabulary) -> Dialect:
    """The dialect that a model with this vocabulary and metadata speaks.

    It begins prompts as the vocabulary wants them begun and stops only at markers that the vocabulary has.
    A vocabulary without markers is one that nobody can look into, a remote server's: there the names decide.
    """
    named = _BY_NAME.get(vocabulary.metadata.get(DIALECT_KEY, ""))
    if not vocabulary.markers and vocabulary.metadata.get("general.name"):
        return named or _by_said(_said(vocabulary))
    dialect = named if named and _needs(named) <= vocabulary.markers else _family(vocabulary)
    return replace(
        dialect,
        begin=_begin(vocabulary),
        stop_markers=tuple(marker for marker in dialect.stop_markers if marker in vocabulary.markers),
    )


def _by_said(said: str) -> _Known:
    """The dialect of the family that is named."""
    names = {dialect.name.replace("_", "-"): dialect for dialect in _BY_NAME.values()}
    return next((dialect for name, dialect in names.items() if name in said), Plain())


def _family(vocabulary: Vocabulary) -> _Known:
    markers = vocabulary.markers
    if "<fim_prefix>" in markers and "<fim_suffix>" in markers:
        return _family_of_starcoder(vocabulary)
    if "<|fim_prefix|>" in markers and "<|fim_suffix|>" in markers:
        if "<|file_separator|>" in markers:
            return CodeGemma()
        return Qwen() if "<|file_sep|>" in markers else Granite(opening="<|")
    if "<｜fim▁hole｜>" in markers:
        return DeepSeekCoder()
    if "[SUFFIX]" in markers and "[PREFIX]" in markers and _is_codestral(vocabulary):
        return Codestral()
    return Plain()


def _family_of_starcoder(vocabulary: Vocabulary) -> _Known:
    """Mellum, Granite and both StarCoders write their markers alike.

    Only StarCoder2 has ``<file_sep>`` without ``<filename>``. Among those with ``<filename>`` the metadata
    must say that it is *not* Mellum: GGUFs of Mellum without any name are about.
    """
    if "<filename>" not in vocabulary.markers:
        return StarCoder2() if "<file_sep>" in vocabulary.markers else Granite()
    said = _said(vocabulary)
    if "mellum" not in said and any(name in said for name in ("granite", "starcoder", "refact")):
        return Granite()
    return Mellum()


def _is_codestral(vocabulary: Vocabulary) -> bool:
    """Other models of Mistral's have its markers too, but never learned to use them."""
    said = _said(vocabulary)
    return "mamba" not in said and ("codestral" in said or "general.name" not in vocabulary.metadata)


def _said(vocabulary: Vocabulary) -> str:
    """All that the metadata says in general: architecture, names, organisation, base models, sources."""
    metadata = vocabulary.metadata
    return " ".join(metadata[key] for key in sorted(metadata) if key.startswith("general.")).lower()


def _begin(vocabulary: Vocabulary) -> str:
    """The begin token if the vocabulary wants one, by llama.cpp's own defaults where it does not say."""
    metadata = vocabulary.metadata
    wanted = metadata.get("tokenizer.ggml.add_bos_token", "").lower()
    if not wanted:
        sentencepiece = metadata.get("tokenizer.ggml.model") == "llama"
        wanted = str(
            sentencepiece or metadata.get("tokenizer.ggml.pre") in _PRE_TOKENIZERS_WITH_BEGIN
        ).lower()
    if wanted not in ("true", "1"):
        return ""
    return next((marker for marker in _BEGIN_MARKERS if marker in vocabulary.markers), "")


def _needs(dialect: _Known) -> set[str]:
    """The markers without which a dialect cannot be spoken."""
    prompt = replace(dialect, begin="").render("", Window("", "", "", 0), ())
    return {segment.text for part in prompt for segment in part.segments if isinstance(segment, Marker)}
