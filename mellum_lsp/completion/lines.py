"""What a line's beginning tells: its column, and whether it joins what stands above it."""

from __future__ import annotations

import re

_JOINS = re.compile(
    r"\s*(?:[)\]}]|</|(?:end\w*|fi|done|esac)\b"
    r"|(?:else|elif|elsif|elseif|except|finally|catch|rescue|ensure|when|case|default|then|do)\b)"
)


def width(line: str) -> int:
    """The columns of a line's indentation; a tab reaches to the next multiple of four."""
    columns = 0
    for character in line:
        if character == " ":
            columns += 1
        elif character == "\t":
            columns += 4 - columns % 4
        else:
            break
    return columns


def joins(line: str) -> bool:
    """Whether a line ends a block, or goes on with one that began above in the same column."""
    return bool(_JOINS.match(line))
