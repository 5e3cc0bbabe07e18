"""A draft that begins with the caret's line again, as small models do: `import ` and then `import os`."""

from __future__ import annotations

import re

from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.reasons import REPETITION
from mellum_lsp.completion.surroundings import look
from mellum_lsp.domain import Caret

_SHORTEST = 2


def reject_typed_again(draft: Draft, caret: Caret) -> Draft | Rejected:
    """Reject a draft that begins with all that stands before the caret on its line."""
    typed = look(caret).line_before.strip()
    again = len(typed) >= _SHORTEST and re.search(r"\w", typed) and draft.text.lstrip().startswith(typed)
    return Rejected(REPETITION) if again else draft
