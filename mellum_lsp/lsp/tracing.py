"""``$/logTrace``: what became of every request, and what every generation cost, for clients that trace.

The standard's own way of looking into a running server: a client asks for it with ``trace`` in ``initialize``
or with ``$/setTrace``. ``message`` is for people; at the level ``verbose`` a second text holds the same as
JSON. No line holds source text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from lsprotocol import types

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.engine.interface import GenerateRequest, GenerationStats, Priority
from mellum_lsp.lsp.requests import current_request

Level = Literal["off", "messages", "verbose"]


class Tracing:
    """One session's. ``tell`` sends the parameters of a trace to the client."""

    def __init__(self, tell: Callable[[types.LogTraceParams], None]) -> None:
        self._send = tell
        self._level: Level = "off"

    def set(self, level: Any) -> None:
        """As a client says it; what is no level is off."""
        self._level = level if level in ("messages", "verbose") else "off"

    def answered(self, path: str, outcome: Outcome) -> None:
        """The pipeline's outcome for the request that is being answered; its reply follows."""
        if self._level == "off":
            return
        what = f"nothing: {outcome.reason}" if outcome.reason else f"{len(outcome.text)} characters"
        self._tell(
            f"{path}: {what} ({outcome.source or 'no model'}, {outcome.timings.total_ms:.0f} ms)",
            {
                "answered": {
                    "request": current_request.get(),
                    "path": path,
                    "source": outcome.source,
                    "reason": outcome.reason,
                    "confidence": outcome.confidence,
                    "tokens": asdict(outcome.tokens),
                    "timings": asdict(outcome.timings),
                }
            },
        )

    def generated(self, request: GenerateRequest, stats: GenerationStats) -> None:
        """A generation has ended, whoever wanted it."""
        if self._level == "off":
            return
        background = request.priority is Priority.BACKGROUND
        self._tell(
            f"{'background' if background else 'request'}: {stats.evaluated_tokens} tokens evaluated, "
            f"{stats.generated_tokens} generated, {stats.stop}",
            {
                "generated": {
                    "background": background,
                    "prompt": stats.prompt_tokens,
                    "reused": stats.reused_tokens,
                    "evaluated": stats.evaluated_tokens,
                    "generated": stats.generated_tokens,
                    "prefill_ms": stats.prefill_ms,
                    "decode_ms": stats.decode_ms,
                    "stop": stats.stop,
                }
            },
        )

    def _tell(self, message: str, more: dict[str, Any]) -> None:
        verbose = json.dumps(more) if self._level == "verbose" else None
        self._send(types.LogTraceParams(message, verbose))
