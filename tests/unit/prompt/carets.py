"""Texts with a caret marker, and ways to count tokens without a model."""

from __future__ import annotations

import re
from dataclasses import replace

from mellum_lsp.domain import Caret

CARET = "¦"

CLOSER_OF = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}

_WORDS = re.compile(r"\w{1,6}|[^\S\n]+|\n+|[^\w\s]")


def caret_in(marked: str, path: str = "src/shapes.py", language: str = "python") -> Caret:
    """The caret of a text in which ``¦`` marks it."""
    offset = marked.index(CARET)
    return Caret(path, language, marked.replace(CARET, "", 1), offset, document=f"file:///{path}")


def typed(caret: Caret, characters: str) -> Caret:
    """The caret after the user typed ``characters`` in an editor like VS Code.

    It closes brackets and quotes in front of blanks and closers, and lets only such closers be typed over. A
    line break in front of such a bracket takes that to a line of its own.
    """
    inserted = ""
    for character in characters:
        before, behind = caret.prefix, caret.suffix
        if character == "\n" and inserted[:1] in (")", "]", "}"):
            behind, inserted = "\n" + behind, ""
        elif inserted.startswith(character):
            behind, inserted = behind[1:], inserted[1:]
        elif character in CLOSER_OF and behind[:1] in ("", *" \t\n;:.,=)]}>"):
            behind, inserted = CLOSER_OF[character] + behind, CLOSER_OF[character] + inserted
        caret = replace(caret, text=before + character + behind, offset=caret.offset + 1)
    return caret


def one_per_character(text: str) -> int:
    """Every character is a token."""
    return len(text)


def four_characters(text: str) -> int:
    """Every four characters are a token."""
    return -(-len(text) // 4)


def words(text: str) -> int:
    """Words of up to six characters, runs of blanks and single signs: near to what real vocabularies do."""
    return len(_WORDS.findall(text))


def jumpy(text: str) -> int:
    """A shorter text may have more tokens, as happens now and then when merges fall apart."""
    return len(text) // 2 if len(text) % 2 == 0 else len(text)


COUNTS = (one_per_character, four_characters, words)
