"""The stream of a completion as servers send it: server-sent events with text and log-probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text that arrived at once, how many tokens it is and the product of their probabilities.

    ``finish`` is why the server ended (``stop``, ``length``), "" while it has not. ``has_probability`` is
    False where the server did not say how sure it was.
    """

    text: str
    tokens: int
    probability: float
    has_probability: bool
    finish: str = ""


class ServerSaid(Exception):
    """The server sent an error instead of text."""


def read_event(line: str) -> Piece | None:
    """The piece in one line of the stream; None for empty lines, comments and the closing ``[DONE]``.

    Raises `ServerSaid` for an error in the stream and for what is no completion.
    """
    if not line.startswith("data:") or (data := line[5:].strip()) in ("", "[DONE]"):
        return None
    try:
        event = json.loads(data)
    except ValueError as error:
        raise ServerSaid(f"it sent what is not JSON: {data[:80]}") from error
    if not isinstance(event, dict):
        raise ServerSaid(f"it sent {data[:80]}")
    if event.get("error"):
        raise ServerSaid(message_of(event))
    choices = event.get("choices")
    if not choices:
        return None  # a last event may hold only the usage
    choice = choices[0]
    text = str(choice.get("text") or "")
    logarithms = _logarithms(choice.get("logprobs"))
    return Piece(
        text=text,
        tokens=len(logarithms) or (1 if text else 0),
        probability=math.exp(min(0.0, sum(logarithms))),
        has_probability=bool(logarithms),
        finish=str(choice.get("finish_reason") or ""),
    )


def message_of(body: Mapping[str, Any]) -> str:
    """What an error body says, however it is wrapped."""
    error = body.get("error", body)
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("detail") or error
    return str(error)[:300]


def _logarithms(logprobs: Any) -> list[float]:
    """OpenAI's older form (``token_logprobs``), or the newer one (``content``) of llama.cpp's server."""
    if not isinstance(logprobs, Mapping):
        return []
    if isinstance(logprobs.get("content"), list):
        found = [entry.get("logprob") for entry in logprobs["content"] if isinstance(entry, Mapping)]
    else:
        found = logprobs.get("token_logprobs") or []
    return [float(value) for value in found if isinstance(value, (int, float))]
