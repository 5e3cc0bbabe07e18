"""The thresholds of known models, from recorded outcomes: those that ship, and those of this user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple

from mellum_lsp.completion.calibration import BINS, Calibration, Count, Recorded
from mellum_lsp.completion.thresholds import Form, Thresholds

LEAST_LOCAL_OUTCOMES = 200
"""With fewer of a user's own outcomes only those that ship count."""
MOST_MOVED = 0.2
"""So far from what ships a user's own outcomes may move a threshold. Somebody who mostly types on, however
right a suggestion is, would otherwise come to see none at all."""


def _counts(rows: Mapping[Form, str]) -> Calibration:
    """From rows of ``all/right``, one for each bin."""
    counts = {form: [Count(*map(int, cell.split("/"))) for cell in row.split()] for form, row in rows.items()}
    assert all(len(row) == BINS for row in counts.values()) and set(counts) == set(Form)
    return Calibration(counts)


# Outcomes at holes in files of encode/httpx, sindresorhus/got, google/gson and spf13/cobra: rests of lines,
# statements, bodies and pieces of lines. Two recordings: 540 holes with at most 500 tokens of their own file,
# and 240 with prompts of 1,024 tokens that hold project context. Every hole was answered once and judged by
# stop policy, gate and rules at 20 thresholds; each different suggestion that came of it is an outcome, right
# where every character of it stood there. Of the second recording's holes, thresholds by the first alone show
# something at 27%, 67% of it right, with 3.2 right and 0.9 wrong characters a hole; one threshold of 0.5 for
# all forms 18% and 70%, 1.9 and 0.5; one of 0.3 29% and 63%, 3.5 and 1.1.
_SHIPPED = {
    "nano-135m": {
        Form.LINE: "124/9 99/10 64/10 52/10 39/15 28/13 21/14 18/12 17/9 14/12"
        " 11/6 13/6 7/5 6/6 6/5 6/5 5/5 3/3 1/1 0/0",
        Form.BLOCK: "35/3 5/1 6/1 1/1 1/0 0/0 1/1 2/1 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0",
        Form.MID_LINE: "27/0 20/2 17/5 11/4 14/7 11/3 14/4 8/4 7/6 8/6"
        " 13/8 2/1 6/4 3/3 4/3 7/6 6/6 1/1 6/4 5/5",
        Form.WORD: "17/0 15/2 15/1 9/5 6/1 10/6 8/5 6/4 8/6 9/7 12/5 4/2 4/3 7/6 3/1 1/1 5/4 7/5 6/6 2/2",
    },
}


def calibrated(model: str, outcomes: Iterable[Recorded] = ()) -> Thresholds | None:
    """The thresholds for ``model``, None where nothing is known of it.

    ``outcomes`` are this user's own with the model. They join those that ship, which alone know of
    suggestions too unsure to have been shown.
    """
    rows = _SHIPPED.get(model)
    shipped = _counts(rows) if rows else None
    local = Calibration.of(outcomes)
    if local.outcomes < LEAST_LOCAL_OUTCOMES:
        return shipped.thresholds() if shipped else None
    start = shipped.thresholds() if shipped else Thresholds()
    found = (shipped.with_more(local) if shipped else local).thresholds()
    return Thresholds(
        *(
            min(max(new, old - MOST_MOVED), old + MOST_MOVED)
            for old, new in zip(astuple(start), astuple(found), strict=True)
        )
    )
