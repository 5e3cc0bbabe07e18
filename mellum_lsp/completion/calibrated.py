"""The thresholds of known models, from recorded outcomes: those that ship, and those of this user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mellum_lsp.completion.calibration import BINS, Calibration, Count, Recorded
from mellum_lsp.completion.thresholds import Form, Thresholds

LEAST_LOCAL_OUTCOMES = 200
"""With fewer of a user's own outcomes only those that ship count."""


def _counts(rows: Mapping[Form, str]) -> Calibration:
    """From rows of ``all/right``, one for each bin."""
    counts = {form: [Count(*map(int, cell.split("/"))) for cell in row.split()] for form, row in rows.items()}
    assert all(len(row) == BINS for row in counts.values()) and set(counts) == set(Form)
    return Calibration(counts)


# Outcomes at holes in files of encode/httpx, sindresorhus/got, google/gson and spf13/cobra (300 in Python, 80
# in each other language): rests of lines, statements, bodies and pieces of lines. Every hole was answered
# once, with at most 500 tokens of its own file and no other, and judged by stop policy, gate and rules at 20
# thresholds; each different suggestion that came of it is an outcome, right where every character of it stood
# there. Thresholds fitted to half of the holes showed something at 16.6% of the other half, 66% of it right
# (three splits both ways); one threshold of 0.5 for all forms 13.7% and 65%, one of 0.4 19.3% and 69%.
_SHIPPED = {
    "nano-135m": {
        Form.LINE: "71/6 69/7 45/5 35/8 27/10 20/9 13/7 14/10 11/6 12/11"
        " 9/5 12/5 6/5 5/5 4/3 3/3 4/4 2/2 0/0 0/0",
        Form.BLOCK: "12/3 5/1 4/1 1/1 1/0 0/0 0/0 2/1 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0",
        Form.MID_LINE: "8/0 9/1 6/2 5/2 4/2 5/0 7/2 4/2 3/3 4/2 7/3 1/1 3/2 2/2 3/3 5/4 3/3 0/0 2/2 3/3",
        Form.WORD: "13/0 13/2 9/0 6/3 4/1 8/4 6/3 6/4 5/4 5/5 9/4 2/1 4/3 5/5 2/0 1/1 3/3 5/3 3/3 0/0",
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
    return (shipped.with_more(local) if shipped else local).thresholds()
