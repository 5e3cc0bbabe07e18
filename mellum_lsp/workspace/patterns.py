"""The patterns of one ignore file, matched as git matches them: the last one that fits decides.

A pattern speaks of an entry itself, never of what lies in it: whoever walks does not enter an ignored folder.
(The package pathspec lets ``!a/`` bring back files in ``a/`` that another file ignores; git does not.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class Patterns:
    """``verdict`` is True for ignored, False for taken back by ``!``, None where no pattern fits."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool, bool]] = []
        for line in lines:
            rule = _compile(line)
            if rule is not None:
                self._rules.append(rule)
        self._rules.reverse()
        self._any = _any_of([rule[0].pattern for rule in self._rules])

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """``path`` is relative to the folder of the ignore file, with ``/``."""
        if self._any is None or not self._any.fullmatch(path):
            return None
        for pattern, negated, only_folders in self._rules:
            if (is_folder or not only_folders) and pattern.fullmatch(path):
                return not negated
        return None


def _any_of(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL) if patterns else None


def _compile(line: str) -> tuple[re.Pattern[str], bool, bool] | None:
    """The pattern, whether it takes back, whether it means folders alone; None for no pattern."""
    line = _without_trailing_spaces(line.rstrip("\r\n"))
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    if negated:
        line = line[1:]
    only_folders = line.endswith("/")
    if only_folders:
        line = line[:-1]
    anchored = "/" in line
    body = _translate(line.removeprefix("/") if anchored else line)
    if not line or body is None:
        return None
    try:
        return re.compile(body if anchored else f"(?:.*/)?{body}", re.DOTALL), negated, only_folders
    except re.error:
        return None


def _without_trailing_spaces(line: str) -> str:
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    return line


def _translate(glob: str) -> str | None:
    """A glob as a regular expression; None where git would never match it."""
    out: list[str] = []
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            stars = 1
            while at < len(glob) and glob[at] == "*":
                stars, at = stars + 1, at + 1
            begins = at - stars == 0 or glob[at - stars - 1] == "/"
            if stars == 2 and begins and glob[at : at + 1] == "/":
                out.append("(?:[^/]+/)*")
                at += 1
            elif stars == 2 and begins and at == len(glob) and at > 2:
                out.append(".+")
            else:
                out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[":
            translated, at = _translate_class(glob, at)
            if translated is None:
                return None
            out.append(translated)
        elif character == "\\":
            if at >= len(glob):
                return None
            out.append(re.escape(glob[at]))
            at += 1
        else:
            out.append(re.escape(character))
    return "".join(out)


def _translate_class(glob: str, at: int) -> tuple[str | None, int]:
    """A ``[...]`` whose content begins at ``at``: its regular expression and where it ends."""
    negated = glob[at : at + 1] in ("!", "^")
    if negated:
        at += 1
    content: list[str] = []
    first = True
    while at < len(glob) and (first or glob[at] != "]"):
        first = False
        if glob[at] == "\\" and at + 1 < len(glob):
            at += 1
            content.append(re.escape(glob[at]))
        elif glob.startswith("[:", at) and (end := glob.find(":]", at)) > 0:
            content.append(_POSIX.get(glob[at + 2 : end], ""))
            at = end + 1
        elif glob[at] == "-":
            content.append("-")
        else:
            content.append(re.escape(glob[at]))
        at += 1
    if at >= len(glob):
        return None, at
    return f"(?!/)[{'^' if negated else ''}{''.join(content)}]", at + 1


_POSIX = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "xdigit": "0-9a-fA-F",
    "punct": re.escape("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
}
