"""Personal data out of text that is otherwise kept: addresses, telephone numbers, names of authors.

Files that hold what looks like a real key are dropped as a whole before (`mellum_lsp.workspace.secrets`).
Replacements have the form of what they replace, so code stays code.
"""

from __future__ import annotations

import re

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-zA-Z]{2,24}(?![\w-])")
_HARMLESS_DOMAIN = re.compile(r"(?i)@(?:[\w-]+\.)*(?:example|test|localhost|invalid|domain|email|foo|bar)\b")
_AUTHOR = re.compile(
    r"(?im)^(\W{0,8}(?:@author|__author__\s*=|:?authors?:|created by|written by|maintainer:|contact:)\s*)"
    r"(\S.*)$"
)
_COPYRIGHT = re.compile(
    r"(?im)^(\W{0,8}(?:SPDX-FileCopyrightText:|(?:portions )?copyright|\(c\)|©)[^\n]{0,12}?[\d, -]{4,})"
    r"([^\n]*)$"
)
_PHONE = re.compile(r"(?<![\w.])\+\d{1,3}[ .-]\(?\d{2,4}\)?(?:[ .-]\d{2,4}){2,3}(?![\w.])")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_KNOWN_ADDRESS = re.compile(
    r"^(?:0|10|127|169\.254|172|192|198\.51|203\.0|224|239|25[0-5]|1\.1\.1|8\.8)\.|^1\.2\.3"
)


def scrub(text: str) -> tuple[str, int]:
    """The text without personal data, and how many places were changed."""
    changes = 0

    def counted(replacement: str) -> str:
        nonlocal changes
        changes += 1
        return replacement

    def email(match: re.Match[str]) -> str:
        return match[0] if _HARMLESS_DOMAIN.search(match[0]) else counted("user@example.com")

    def author(match: re.Match[str]) -> str:
        named = match[2]
        quote = named[0] if named[0] in "\"'" and named.rstrip().endswith(named[0]) else ""
        return counted(f"{match[1]}{quote}The authors{quote}")

    def address(match: re.Match[str]) -> str:
        is_version = any(int(part) > 255 for part in match[0].split("."))
        return match[0] if is_version or _KNOWN_ADDRESS.match(match[0]) else counted("192.0.2.1")

    if "@" in text:
        text = _EMAIL.sub(email, text)
    text = _AUTHOR.sub(author, text)
    text = _COPYRIGHT.sub(lambda m: counted(f"{m[1].rstrip()} The authors") if m[2].strip() else m[0], text)
    text = _PHONE.sub(lambda m: counted("+1 555 0100"), text)
    text = _ADDRESS.sub(address, text)
    return text, changes
