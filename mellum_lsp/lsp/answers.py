"""What clients are answered: the pipeline's outcome, as far as it still fits the document when it comes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mellum_lsp.completion import reasons
from mellum_lsp.completion.outcome import Explanation, Item, Outcome
from mellum_lsp.domain import Caret
from mellum_lsp.engine.interface import EngineError
from mellum_lsp.feedback.inference import Ghost
from mellum_lsp.lsp.insertion import Insertion, Selection
from mellum_lsp.lsp.logs import failure

if TYPE_CHECKING:
    from mellum_lsp.lsp.documents import Place
    from mellum_lsp.lsp.session import Session

log = logging.getLogger(__name__)

ANSWER_SECONDS = 300.0
"""No request waits longer than this, whatever happens behind it; a large model may load for minutes."""


class Answers:
    """Asks what stands behind the session. A failure is an answer too, and every silence has its reason."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def suggest(
        self, caret: Caret, place: Place, selection: Selection | None = None, settle_seconds: float = 0.0
    ) -> list[tuple[Item, Insertion]]:
        """What to offer at ``place``, where ``caret`` stands; best first.

        With a ``selection`` in the editor's popup, what would follow that, and begins with it.
        """
        wanted = selection.apply(caret) if selection else caret
        outcome = await self.complete(wanted, settle_seconds)
        pairs = [(item, Insertion.of(item, selection)) for item in outcome.items]
        document = self._session.documents.get(caret.document)
        kept = [
            (item, insertion)
            for item, insertion in pairs
            if document and document.still_fits(place, insertion.continues(place) or "")
        ]
        if pairs and not kept:
            self._session.silent(caret.path, str(reasons.SUPERSEDED))
        if not kept or document is None:
            self._session.feedback.nothing_offered(caret.document)
            return []
        feedback = self._session.feedback
        ghost = _ghost(caret, place, *kept[0])
        feedback.offered(caret.document, caret.language, outcome, ghost)
        if ghost and self._session.preferences.enabled:
            prompt = (await self._session.serving.backend()).completer.prompt_at(wanted)
            self._session.preferences.offered(caret.document, caret.language, outcome.model, prompt, ghost)
        feedback.changed(caret.document, document.text)  # what was typed while the answer was made
        return kept

    async def complete(self, caret: Caret, settle_seconds: float = 0.0) -> Outcome:
        """What the pipeline says, told in the log, in the status and to whoever traces."""
        session = self._session
        outcome = await self._complete(caret, settle_seconds)
        session.tracing.answered(caret.path, outcome)
        total_ms = outcome.timings.total_ms
        if outcome.reason:
            session.silent(caret.path, outcome.reason)
            return outcome
        confidence, source = outcome.confidence, outcome.source
        log.info("%s: answered in %.0f ms, p=%.2f, source %s", caret.path, total_ms, confidence, source)
        session.served()
        if outcome.source in ("micro", "full"):
            session.rhythm.answered(max(0.0, total_ms / 1000 - settle_seconds))
        return outcome

    async def explain(self, caret: Caret) -> Explanation:
        """How a completion comes about."""
        model = self._session.status.model
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if await self._excludes(caret):
                    return Explanation(reason=str(reasons.EXCLUDED_FILE), model=model)
                return await (await self._session.serving.backend()).completer.explain(caret)
        except EngineError as error:
            return Explanation(reason=str(reasons.engine_failed(str(error))), model=model)
        except Exception as error:
            log.error("%s", failure("explaining failed", error))
            return Explanation(reason=str(reasons.BUG), model=model)

    async def warm(self, caret: Caret) -> None:
        """Evaluate the caret's prompt before somebody asks."""
        if not await self._excludes(caret):
            await (await self._session.serving.backend()).completer.warm(caret)

    async def _complete(self, caret: Caret, settle_seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if await self._excludes(caret):
                    return Outcome((), str(reasons.EXCLUDED_FILE))
                return await (await self._session.serving.backend()).completer.complete(caret, settle_seconds)
        except EngineError as error:
            return Outcome((), str(reasons.engine_failed(str(error))))
        except Exception as error:
            log.error("%s", failure("completing failed", error))
            return Outcome((), str(reasons.BUG))

    async def _excludes(self, caret: Caret) -> bool:
        return await self._session.exclusions.excludes(caret)


def _ghost(caret: Caret, place: Place, item: Item, insertion: Insertion) -> Ghost | None:
    """The item as a ghost behind the caret; None where it replaces what was typed by something else."""
    text = insertion.continues(place)
    if not text:
        return None
    document = caret.text[caret.offset - place.offset :]  # without a notebook's cells above
    return Ghost(item.id, text, place.offset, insertion.after, document)
