"""Words that programming languages reserve: they say little about what comes, and nobody writes one twice."""

from __future__ import annotations

import re

_WORDS = (
    "abstract and as assert async await begin break case catch class const constexpr continue def default "
    "defer del delete do done else elif elsif end ensure enum esac except export extends extern extension "
    "fi final finally fn for foreach from func function global goto guard if impl implements import in "
    "inline instanceof interface internal is lambda let local loop match mod module mut namespace native "
    "new nil none nonlocal not null object of open operator or out override package pass private "
    "protected protocol pub public raise readonly ref require rescue return sealed select self static "
    "struct super suspend switch synchronized template then this throw throws trait transient try type "
    "typedef typename typeof undefined union unless unsafe until use using val var virtual void volatile "
    "when where while with yield "
)
KEYWORDS = frozenset(_WORDS.split())
_WORD = re.compile(r"\w+")


def is_keyword(word: str) -> bool:
    return word.lower() in KEYWORDS


def without_keywords(text: str) -> str:
    """``text`` with every reserved word left out."""
    return _WORD.sub(lambda found: "" if is_keyword(found.group()) else found.group(), text)
