"""Where a statement, or the block it opens, is over: judged line by line from indentation and a few words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mellum_lsp.completion.lexing import State, scan
from mellum_lsp.completion.syntax import PROSE, Syntax

_PYTHON_CLAUSE = re.compile(r"(?:else|elif|except|finally)\b")
_CLAUSE = re.compile(
    r"(?:else|elif|elsif|elseif|catch|finally|rescue|ensure|when|then|do|end\w*|fi|done|esac)\b|[})\]{]|</|;;"
)
_LAST_LINE = re.compile(r"(?:end\w*|fi|done|esac)\b|[})\]]|</")
_OPERATOR_FIRST = re.compile(r"\?\.|\.(?!\.)|&&|\|\||\|>|[+*/%?:](?!\w)|=(?!=)|<<|>>")
_OPERATOR_LAST = re.compile(r"(?:\\|&&|\|\||->|=>|(?<!\+)\+|(?<!-)-|[*/%=^|?])$")


@dataclass(frozen=True, slots=True)
class Line:
    """A line's code without its comment, and the columns of its indentation."""

    code: str
    indentation: int


def code_of(line: str, syntax: Syntax, state: State) -> str:
    """``line`` without a comment at its end, stripped."""
    for event in scan(line, syntax, state):
        if event.kind == "comment" and event.state.kind == "line comment":
            return line[: event.offset].strip()
    return line.strip()


def opens_block(line: Line, syntax: Syntax) -> bool:
    """Whether a block or the rest of the statement must follow on the next line."""
    if syntax.colon_blocks:
        return line.code.endswith((":", "\\"))
    return line.code.endswith("{") or (syntax.braces and bool(_OPERATOR_LAST.search(line.code)))


def is_preface(line: Line, syntax: Syntax) -> bool:
    """A comment or decorator: it belongs to the statement under it."""
    if not line.code:
        return True
    return (
        line.code.startswith("@") and (syntax.colon_blocks or syntax.braces) and not opens_block(line, syntax)
    )


def is_complete(line: Line, base: int, in_block: bool, syntax: Syntax) -> bool:
    """Whether the statement that began at column ``base`` surely ends with ``line``, whatever follows.

    ``in_block``: an earlier line of the statement opened a block.
    """
    if syntax is PROSE:
        return True
    if is_preface(line, syntax) or opens_block(line, syntax) or line.indentation > base:
        return False
    if syntax.colon_blocks:
        return True
    if syntax.braces:
        return line.code.endswith((";", "}", ",", "};", "});", "})"))
    return in_block and bool(_LAST_LINE.match(line.code))


def continues(line: str, indentation: int, base: int, in_block: bool, syntax: Syntax) -> bool:
    """Whether ``line`` still belongs to a statement that began at column ``base`` and may be over."""
    if indentation > base:
        return True
    text = line.strip()
    if syntax.colon_blocks:
        return indentation == base and in_block and bool(_PYTHON_CLAUSE.match(text))
    if syntax.braces and _OPERATOR_FIRST.match(text):
        return True
    return indentation == base and (in_block or syntax.braces) and bool(_CLAUSE.match(text))
