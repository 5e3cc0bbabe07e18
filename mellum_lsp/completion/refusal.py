"""Why a request is refused without asking anybody: by the settings, or for its place. Pure."""

from __future__ import annotations

from mellum_lsp.completion import reasons
from mellum_lsp.completion.rules import UnwantedPlace
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Trigger


def refuse(caret: Caret, settings: CompletionSettings) -> reasons.Reason | None:
    """Why nothing at all is done for the caret's document, or None."""
    if not settings.enabled:
        return reasons.DISABLED
    if not settings.serves(caret.language):
        return reasons.disabled_language(caret.language)
    return None


def refuse_place(caret: Caret, settings: CompletionSettings) -> reasons.Reason | None:
    """What a rule would reject at the caret whatever the model says, or None."""
    if caret.trigger is Trigger.INVOKED:
        return None
    return UnwantedPlace(settings.mid_word, settings.suppress_in).refuse(caret)
