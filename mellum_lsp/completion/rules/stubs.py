"""Placeholders: what models write where they do not know, and what nobody needs to be told."""

from __future__ import annotations

import re

from mellum_lsp.completion.boundaries import cut_back
from mellum_lsp.completion.draft import Draft, Rejected, shortened
from mellum_lsp.completion.reasons import STUB
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_COMMENT = r"(?:#|//|--|/?\*|;|<!--)"
_NOT_DONE = r"(?:not (?:yet )?implemented|unimplemented|implement me|todo)"


def _kind(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(pattern, flags | re.MULTILINE)


_EMPTY_STATEMENTS = (_kind(r"^[ \t]*(?P<key>pass)[ \t]*(?:#.*)?$"), _kind(r"(?P<key>\.\.\.)[ \t]*(?:#.*)?$"))
_STUBS = (
    *_EMPTY_STATEMENTS,
    _kind(rf"{_COMMENT}+[ \t]*(?P<key>TODO|FIXME|XXX|HACK)\b"),
    _kind(
        rf"{_COMMENT}+[ \t]*(?P<key>(?:your|add|put|insert|more|other|rest of the) (?:\w+ )?"
        rf"(?:code|logic|implementation)\b|implement(?:ation)? (?:this|here|goes)|{_NOT_DONE}|\.\.\.[ \t]*$)",
        re.IGNORECASE,
    ),
    _kind(r"\braise[ \t]+(?P<key>NotImplementedError)\b"),
    _kind(r"\bthrow[ \t]+(?:new[ \t]+)?(?P<key>(?:UnsupportedOperation|NotImplemented|NotSupported)\w*)"),
    _kind(rf"\b(?:throw|raise|panic!?|fatalError|error|die)\b.*?[\"'`](?P<key>{_NOT_DONE})", re.IGNORECASE),
    _kind(r"\b(?P<key>todo!|unimplemented!|TODO\()"),
    _kind(
        r"\b(?!private[ \t]+\w+\()(?:function|func|fn|fun|void|public|private|protected|static|async)\b"
        r"[^={}\n]*\)[^={}\n]*?(?P<cut>[ \t]*(?P<key>\{[ \t]*\}))[ \t]*$"
    ),
)
"""Each kind of placeholder. ``key`` gives it away; it is cut from ``cut`` on, or from its beginning."""

_TAKES_NO_BODY = re.compile(r"\s*(?:except|class|finally|with|while|for)\b")
"""Headers behind which an empty statement is how people write that there is nothing to do."""


def cut_stubs(draft: Draft, caret: Caret) -> Draft | Rejected:
    """End before the first placeholder of a kind which the file itself has nowhere.

    What the user has begun to type is what the user wants.
    """
    around = look(caret)
    above = around.line_above if around.on_blank_line else ""
    begin = 0
    for number, line in enumerate(draft.text.split("\n")):
        typed = around.line_before if not number else ""
        cut = _stub_in(typed + line, above, len(typed), caret.text)
        if cut is not None:
            return shortened(draft, cut_back(draft.text, begin + cut, around), STUB)
        above = typed + line if (typed + line).strip() else above
        begin += len(line) + 1
    return draft


def _stub_in(line: str, above: str, typed: int, document: str) -> int | None:
    """Where in the untyped part of a line the first placeholder begins, or None."""
    cuts = []
    for kind in _STUBS:
        found = kind.search(line)
        if found is None or found.start("key") < typed:
            continue
        header = line[: found.start("key")].strip() or above
        if kind in _EMPTY_STATEMENTS and _TAKES_NO_BODY.match(header):
            continue
        if not kind.search(document):
            cuts.append(found.start("cut" if "cut" in kind.groupindex else 0))
    return max(0, min(cuts) - typed) if cuts else None
