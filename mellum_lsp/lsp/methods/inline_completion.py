"""``textDocument/inlineCompletion``: ghost text at the caret."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.completion import reasons
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.lsp.documents import Place
from mellum_lsp.lsp.insertion import Insertion, Selection
from mellum_lsp.lsp.methods.execute_command import accept_command
from mellum_lsp.lsp.requests import Later
from mellum_lsp.lsp.session import Session


def empty() -> types.InlineCompletionList:
    """Nothing to show. Neovim keeps stale ghosts when it is answered null or an error."""
    return types.InlineCompletionList(items=[])


def inline_completion(
    session: Session, params: types.InlineCompletionParams
) -> Later | types.InlineCompletionList:
    uri = params.text_document.uri
    document = session.open_document(uri)
    if document is None:
        session.silent(uri, session.why_not_open(uri))
        return empty()
    session.uses_inline_completion.add(document.uri)
    session.warming.asked(document, params.position)
    place = document.place(params.position)
    selection = None
    if selected := params.context.selected_completion_info:
        selection = Selection.read(selected, document, place)
        if selection is None:
            session.silent(uri, str(reasons.POPUP_ELSEWHERE))
            return empty()
    caret = session.caret(document, place, trigger_of(params.context))
    work = _answer(session, caret, place, selection)
    return Later(work, (document.uri, types.TEXT_DOCUMENT_INLINE_COMPLETION))


def trigger_of(context: types.InlineCompletionContext) -> Trigger:
    """Whether the user asked or the editor did."""
    asked = context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    return Trigger.INVOKED if asked else Trigger.AUTOMATIC


async def _answer(
    session: Session, caret: Caret, place: Place, selection: Selection | None
) -> types.InlineCompletionList:
    suggested = await session.answers.suggest(caret, place, selection)
    return types.InlineCompletionList(
        items=[_item(session, item.id, insertion, place) for item, insertion in suggested]
    )


def _item(session: Session, item_id: str, insertion: Insertion, place: Place) -> types.InlineCompletionItem:
    text = session.own_endings(insertion.text, place)
    replaced = place.before[len(place.before) - insertion.before :] + place.after[: insertion.after]
    return types.InlineCompletionItem(
        insert_text=text,
        range=place.range(insertion.before, insertion.after),
        # VS Code shows an item only if its filter text holds what it replaces.
        filter_text=None if _is_subsequence(replaced, text) else text + replaced,
        command=accept_command(item_id),
    )


def _is_subsequence(short: str, long: str) -> bool:
    characters = iter(long)
    return all(character in characters for character in short)
