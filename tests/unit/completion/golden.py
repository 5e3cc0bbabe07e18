"""Golden cases of completion: a document with its caret, what the model says, and what the user sees.

A case is a small text file::

    Why the case exists, in a sentence or two.
    language: python
    --- document
    def add(a, b):
        $0
    --- generation
    return a‹0.9› +‹0.8› c‹0.1›
    --- shown
    def add(a, b):
        ⟦return a⟧

``$0`` is the caret. ``‹p›`` ends a token and gives its probability; text without it is certain. The shown
document holds the ghost between ``⟦⟧`` in place of what it replaces; ``--- silent`` gives a reason instead.
``--- then`` is the document a moment later and ``--- then shown`` what is seen there, without the model being
asked again. Headers besides ``language``: ``trigger`` (automatic, invoked) and ``gate``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mellum_lsp.completion.outcome import Outcome
from mellum_lsp.domain import Caret, Trigger

CARET = "$0"
_SECTION = re.compile(r"^--- (.+)\n", re.MULTILINE)
_TOKEN = re.compile(r"(.*?)‹([0-9.]+)›", re.DOTALL)


@dataclass
class Golden:
    why: str
    headers: dict[str, str] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def gate(self) -> float:
        return float(self.headers.get("gate", "0.7"))

    @property
    def script(self) -> list[tuple[str | bytes, float] | str]:
        """The generation for a scripted engine."""
        text = self.sections["generation"]
        steps: list[tuple[str | bytes, float] | str] = []
        end = 0
        for token in _TOKEN.finditer(text):
            steps.append((token.group(1), float(token.group(2))))
            end = token.end()
        return [*steps, text[end:]] if end < len(text) else steps

    def caret(self, section: str = "document") -> Caret:
        return caret_in(
            self.sections[section],
            self.headers.get("language", "python"),
            Trigger(self.headers.get("trigger", "automatic")),
        )


def caret_in(marked: str, language: str = "python", trigger: Trigger = Trigger.AUTOMATIC) -> Caret:
    """The caret of a document in which ``$0`` stands for it."""
    offset = marked.index(CARET)
    text = marked[:offset] + marked[offset + len(CARET) :]
    return Caret(f"file.{language}", language, text, offset, trigger, document=f"file:///file.{language}")


def read(path: Path) -> Golden:
    parts = _SECTION.split(path.read_text(encoding="utf-8"))
    golden = Golden(why="")
    for line in parts[0].splitlines():
        name, colon, value = line.partition(": ")
        if colon and name in ("language", "trigger", "gate"):
            golden.headers[name] = value
        else:
            golden.why += f"{line}\n"
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        golden.sections[name] = body.removesuffix("\n")
    return golden


def shown(caret: Caret, outcome: Outcome) -> str:
    """The document as the user sees it, the ghost between brackets; or the reason for nothing."""
    if not outcome.items:
        return outcome.reason
    item = outcome.items[0]
    rest = caret.text[caret.offset + item.replace_after :]
    return f"{caret.prefix}⟦{item.text}⟧{rest}"
