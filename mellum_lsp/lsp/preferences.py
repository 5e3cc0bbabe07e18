"""Collects what a user preferred to what was suggested, where the setting `collectPreferences` allows it.

A suggestion whose fate is known is looked at again half a minute later: what stands in its place then is
what was wanted. Nothing is kept in which a key or password is seen.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from mellum_lsp.completion.rules.secrets import holds_secrets
from mellum_lsp.domain import Prompt
from mellum_lsp.feedback.events import Kind
from mellum_lsp.feedback.inference import Ghost
from mellum_lsp.feedback.preferences import Became, Preference, PreferenceStore
from mellum_lsp.feedback.replacement import written_instead

log = logging.getLogger(__name__)

LOOKED_AT_AFTER_SECONDS = 30.0
_REMEMBERED = 50
"""Suggestions whose fate is not known yet."""
_FATES: dict[Kind, Became] = {
    Kind.ACCEPTED: "accepted",
    Kind.DISMISSED: "dismissed",
    Kind.SHOWN: "typed",
}


@dataclass(slots=True)
class _Offered:
    uri: str
    language: str
    model: str
    prompt: Prompt
    ghost: Ghost
    became: Became | None = None


class Preferences:
    """One session's. ``keep`` must not block; ``text_of`` gives the text of an open document, ``later`` calls
    a function after some seconds."""

    def __init__(
        self,
        keep: Callable[[Preference], None],
        text_of: Callable[[str], str | None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.enabled = False
        self._keep, self._text_of, self._later = keep, text_of, later
        self._offered: OrderedDict[str, _Offered] = OrderedDict()

    def offered(self, uri: str, language: str, model: str, prompt: Prompt, ghost: Ghost) -> None:
        """``ghost`` is shown from now on; the model was shown ``prompt``."""
        if not self.enabled or not prompt:
            return
        self._offered[ghost.suggestion] = _Offered(uri, language, model, prompt, ghost)
        while len(self._offered) > _REMEMBERED:
            self._offered.popitem(last=False)

    def happened(self, kind: Kind, suggestion: str) -> None:
        """Something became of a suggestion; the first that decides its fate starts the clock."""
        one, became = self._offered.get(suggestion), _FATES.get(kind)
        if one is None or became is None:
            return
        if one.became is None:
            self._later(LOOKED_AT_AFTER_SECONDS, partial(self._look, suggestion))
        if one.became in (None, "typed"):
            one.became = became

    def _look(self, suggestion: str) -> None:
        one = self._offered.pop(suggestion, None)
        text = self._text_of(one.uri) if one and self.enabled else None
        if one is None or one.became is None or text is None:
            return
        written = written_instead(one.ghost, text)
        if written is None or not written.strip():
            return
        line = one.ghost.before.rpartition("\n")[2]
        texts = (line + one.ghost.text, line + written, *(part.text for part in one.prompt))
        if any(map(holds_secrets, texts)):
            log.info("a preference is not kept: it may hold a secret")
            return
        self._keep(Preference(one.model, one.language, one.became, one.prompt, one.ghost.text, written))


def kept_in_background(store: PreferenceStore) -> Callable[[Preference], None]:
    """Writes to ``store`` in a thread. Trouble with the file costs the records and nothing else."""
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preferences")

    def keep(record: Preference) -> None:
        try:
            store.add(record)
        except (sqlite3.Error, OSError) as error:
            log.warning("a preference is lost, %s cannot be written: %s", store.path, error)

    def submit(record: Preference) -> None:
        thread.submit(keep, record)

    return submit
