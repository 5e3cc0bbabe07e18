"""Names that a text defines, and names that a text near the caret uses or imports.

Found by the shape of the lines alone, so that it works the same in every language and in broken code.
"""

from __future__ import annotations

import re

_KEYWORDS = re.compile(
    r"^[ \t]*(?:@?\w+(?:\([^)\n]*\))?[ \t]+){0,5}?"
    r"(?:def|class|func|fun|fn|function\*?|struct|enum|interface|trait|object|type|module|namespace|protocol"
    r"|record|union|mod|macro_rules!|defmodule|defp?|typedef|extension|impl|package|message|service|sub|proc)"
    r"[ \t]+(?:\([^)\n]*\)[ \t]*)?(?:<[^>\n]*>[ \t]*)?(?:\w+\.)*([^\W\d]\w*)",
    re.MULTILINE,
)
_VALUES = re.compile(
    r"^(?:[ \t]{0,4}"
    r"(?:export[ \t]+|pub(?:\([^)]*\))?[ \t]+|private[ \t]+|static[ \t]+|public[ \t]+|final[ \t]+)*"
    r"(?:const|let|var|val|static(?=[ \t]+(?:mut[ \t]+)?\w+[ \t]*[:=])|define|#define)[ \t]+"
    r"(?:mut[ \t]+)?([^\W\d]\w*)"
    r"|([^\W\d]\w*)[ \t]*(?::[^=\n]+)?=(?!=))",
    re.MULTILINE,
)
_TYPED_FUNCTION = re.compile(
    r"^[ \t]*(?:[\w:<>,\[\]*&?.~]+[ \t]+[*&]*)+(?:[\w:]+::)?~?([^\W\d]\w*)"
    r"[ \t]*\([^;{}\n]*\)?[^;\n]*\{?[ \t]*$",
    re.MULTILINE,
)
_NOT_TYPES = frozenset(
    [
        "return",
        "else",
        "if",
        "for",
        "while",
        "new",
        "case",
        "throw",
        "await",
        "yield",
        "in",
        "not",
        "and",
        "or",
        "is",
        "import",
        "from",
        "with",
        "elif",
        "assert",
        "raise",
        "print",
        "delete",
        "typeof",
        "def",
        "fn",
        "fun",
        "func",
        "function",
        "class",
        "match",
        "switch",
        "do",
        "try",
        "catch",
        "export",
        "goto",
        "use",
    ]
)
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_IMPORT = re.compile(
    r"^[ \t]*(?:(?:from[ \t]+\S+[ \t]+)?import\b|use\b|using\b|require\b|#include\b"
    r"|(?:const|let|var)\b.*\brequire\()"
    r"(?:\([^)]*\)|\{[^}]*\}|[^\n;({])*",
    re.MULTILINE,
)
_MIN_NAME = 3
_MAX_LINE_CHARACTERS = 300


def defined_names(text: str) -> set[str]:
    """Names of the functions, types and module-level values that ``text`` defines."""
    text = "\n".join(line[:_MAX_LINE_CHARACTERS] for line in text.split("\n"))
    names = {match.group(1) for match in _KEYWORDS.finditer(text)}
    names |= {match.group(1) or match.group(2) for match in _VALUES.finditer(text)}
    for match in _TYPED_FUNCTION.finditer(text):
        if match.group().split(None, 1)[0].rstrip("(") not in _NOT_TYPES:
            names.add(match.group(1))
    return {name for name in names if len(name) >= _MIN_NAME and name not in _NOT_TYPES}


def imported_names(text: str) -> dict[str, set[str]]:
    """Names on the import lines of a text, each with the words of its lines: modules and folders among them.

    ``from shop.cart import Item`` gives ``Item`` with ``from``, ``shop``, ``cart``, ``import`` and itself.
    """
    names: dict[str, set[str]] = {}
    for match in _IMPORT.finditer(text):
        words = set(_IDENTIFIER.findall(match.group()))
        for name in words:
            if len(name) >= _MIN_NAME:
                names.setdefault(name, set()).update(words)
    return names


def used_names(text: str) -> dict[str, float]:
    """The identifiers of a text in front of the caret, with weights from 0 to 1: nearer is heavier."""
    weights: dict[str, float] = {}
    length = max(1, len(text))
    for match in _IDENTIFIER.finditer(text):
        name = match.group()
        if len(name) >= _MIN_NAME:
            weights[name] = 0.3 + 0.7 * (match.end() / length) ** 2
    return weights
