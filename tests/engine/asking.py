"""Decoders to ask, requests as short as the tests need them, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.interface import Engine, GenerateRequest, Generation, GenerationStats, Token
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.messages import Generate
from mellum_lsp.engine.recent_logits import RecentLogits
from mellum_lsp.engine.settings import EngineSettings, Lifetime

MakeEngine = Callable[..., LlamaEngine]
"""The fixture `make_engine`: model, settings and log file → an engine of a process of its own."""
OpenEngine = Callable[..., LlamaEngine]
"""The fixture `open_engine`: model, settings and lifetime → what a server has of a shared engine."""
MIDDLE = Marker("<fim_middle>")
ONE_THREAD = EngineSettings(threads=1, micro_batch_tokens=64, drafts=False)
"""More threads only wait for each other in a model this small. Batches are the same in every run: of another
shape, they decide near ties otherwise."""


def fim(prefix: str, suffix: str = "", context: str = "") -> tuple[Part, ...]:
    """A prompt in Mellum's order; the typed text is the last but the marker."""
    return (
        Part("context", "other.py", (Marker("<filename>"), context)),
        Part("suffix", "a.py", (Marker("<fim_suffix>"), suffix)),
        Part("prefix", "a.py", (Marker("<fim_prefix>"), prefix)),
        Part("middle", "a.py", (MIDDLE,)),
    )


def plain(text: str) -> tuple[Part, ...]:
    return (Part("prefix", "a.py", (text,)),)


AT_ONCE = Lifetime(idle_seconds=0.0)
LONG = EngineSettings(threads=1, context_tokens=32768)
LONG_PROMPT = plain("XYZ123 = 45\n" * 2600)
"""31,200 tokens: several seconds of prefill."""


def make_decoder(model: Path, settings: EngineSettings = ONE_THREAD) -> Decoder:
    """A decoder in this process: for what is decoded, not for who decodes it."""
    decoder, _ = load(model, settings, AbortFlag(), lambda fraction: None)
    return decoder


@dataclass
class Result:
    stats: GenerationStats
    tokens: list[Token] = field(default_factory=list)

    @property
    def bytes(self) -> bytes:
        return b"".join(token.piece for token in self.tokens)

    @property
    def ids(self) -> list[int]:
        return [token.id for token in self.tokens]


def decode(decoder: Decoder, parts: tuple[Part, ...], max_tokens: int = 8, **options: Any) -> Result:
    """Run a request on a decoder of this process."""
    tokens: list[Token] = []
    fields = {"stop_markers": [], "document": "", "priority": 1, "min_joint_probability": 0.0} | options
    message = Generate(id=1, parts=[list(part.segments) for part in parts], max_tokens=max_tokens, **fields)
    return Result(decoder.run(message, tokens.append), tokens)


def decode_anew(decoder: Decoder, *arguments: Any, **options: Any) -> Result:
    """The same, by a decoder that has forgotten what it said: for what its sequences hold."""
    decoder.recent = RecentLogits()
    return decode(decoder, *arguments, **options)


def ask(engine: Engine, parts: tuple[Part, ...], max_tokens: int = 8, **options: Any) -> Generation:
    return engine.generate(GenerateRequest(parts, max_tokens, **options))


async def read(generation: Generation) -> Result:
    """Everything that the generation yields, and its stats once it has ended."""
    tokens = [token async for token in generation]
    return Result(generation.stats, tokens)


def as_part(decoder: Decoder, token: int) -> Part:
    """A part that is exactly this token, by its text in the vocabulary."""
    texts = decoder.vocabulary
    assert texts.marker("X") is not None  # fills the table of all texts
    text = next(text for text, other in (texts._all_texts or {}).items() if other == token)
    return Part("prefix", "", (Marker(text),))
