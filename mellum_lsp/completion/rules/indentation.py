"""Lines of a draft indented as the file is, however much of the indentation was typed already."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from math import gcd

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.lexing import CODE, PAIRS
from mellum_lsp.completion.lines import width
from mellum_lsp.completion.statements import Line, code_of, opens_block
from mellum_lsp.completion.surroundings import Surroundings, look
from mellum_lsp.domain import Caret

_BEFORE = 2000
_AFTER = 1000
"""Characters around the caret that show how the file is indented."""


def fit_indentation(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Use tabs or spaces as the file does, and give the first line the indentation that its place wants."""
    around = look(caret)
    if around.mid_line or not around.state.in_code:
        return draft
    lines = draft.text.split("\n")
    begin = 0 if around.on_blank_line else 1
    if not lines[begin:]:
        return draft
    unit = _unit(caret.text[max(0, caret.offset - _BEFORE) : caret.offset + _AFTER]) or _guess(around)
    lines[begin:] = _in_files_style(lines[begin:], unit)
    if around.on_blank_line and lines[0].strip():
        lines = _fit_first_line(lines, around, unit)
    return draft.with_text("\n".join(lines))


@lru_cache(maxsize=8)
def _unit(text: str) -> str:
    """One step of the file's indentation: a tab, or the commonest step between neighbouring lines.

    Empty where nothing shows it.
    """
    leads = re.findall(r"^([ \t]*)\S", text, re.MULTILINE)
    if sum(lead[:1] == "\t" for lead in leads) > sum(lead[:1] == " " for lead in leads):
        return "\t"
    steps = Counter(len(b) - len(a) for a, b in pairwise(leads) if 2 <= len(b) - len(a) <= 8)
    return " " * (steps.most_common(1)[0][0] if steps else 0)


def _guess(around: Surroundings) -> str:
    """From the caret's own line, where it is the only indented one."""
    typed = width(around.line_before) - width(around.line_above)
    return "\t" if around.line_before.startswith("\t") else " " * (typed if 2 <= typed <= 8 else 4)


def _in_files_style(lines: list[str], unit: str) -> list[str]:
    if unit == "\t":
        step = gcd(*(width(line) for line in lines if line.startswith(" ") and line.strip())) or 4
        step = step if step in (2, 3, 4, 8) else 4
        return [_spaces_to_tabs(line, step) for line in lines]
    return [_tabs_to_spaces(line, unit) for line in lines]


def _spaces_to_tabs(line: str, step: int) -> str:
    body = line.lstrip(" ")
    spaces = len(line) - len(body)
    return "\t" * (spaces // step) + " " * (spaces % step) + body


def _tabs_to_spaces(line: str, unit: str) -> str:
    body = line.lstrip("\t")
    return unit * (len(line) - len(body)) + body


def _fit_first_line(lines: list[str], around: Surroundings, unit: str) -> list[str]:
    """The lines with the first one's indentation corrected; the others follow where they were as wrong."""
    step = 4 if unit == "\t" else len(unit)
    typed = width(around.line_before)
    body = lines[0].lstrip(" \t")
    had = width(around.line_before + lines[0])
    wanted = max(typed, _wanted(had, typed, around, lines[0][: len(lines[0]) - len(body)], step))
    if wanted == had:
        return lines
    missing = wanted - typed
    lead = "\t" * (missing // 4) if unit == "\t" and missing % 4 == 0 else " " * missing
    rest = lines[1:]
    following = next((line for line in rest if line.strip()), "")
    if wanted < had and width(following) > wanted + step:
        rest = [_dedent(line, had - wanted) for line in rest]
    return [lead + body, *rest]


def _wanted(had: int, typed: int, around: Surroundings, lead: str, step: int) -> int:
    """The column at which the first line should begin."""
    above = Line(code_of(around.line_above, around.syntax, CODE), width(around.line_above))
    innermost = around.enclosures[-1] if around.enclosures else None
    if innermost and innermost.closer in (")", "]"):
        # Inside brackets people align as they like.
        deeper = typed > above.indentation or above.code[-1:] not in PAIRS
        return typed if lead and lead == around.line_before and deeper else had
    opens = opens_block(above, around.syntax)
    deepest = above.indentation + (step if opens else 0)
    if lead and had > deepest:
        return max(typed, deepest)
    if around.syntax.colon_blocks and opens and had <= above.indentation:
        return deepest
    if typed and not lead and had < deepest and had % step:
        return min(had - had % step + step, deepest)
    return had


def _dedent(line: str, columns: int) -> str:
    if line.startswith("\t"):
        return line[min(columns // 4, len(line) - len(line.lstrip("\t"))) :]
    return line[min(columns, len(line) - len(line.lstrip(" "))) :]
