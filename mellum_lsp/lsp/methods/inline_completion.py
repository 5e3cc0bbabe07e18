"""``textDocument/inlineCompletion``: ghost text at the caret."""

from __future__ import annotations

from lsprotocol import types

from mellum_lsp.completion import reasons
from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.lsp.documents import Place
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
        session.silent(uri, str(reasons.DOCUMENT_CLOSED))
        return empty()
    session.uses_inline_completion.add(document.uri)
    place = document.place(params.position)
    caret = session.caret(document, place, trigger_of(params.context))
    return Later(_answer(session, caret, place), (document.uri, types.TEXT_DOCUMENT_INLINE_COMPLETION))


def trigger_of(context: types.InlineCompletionContext) -> Trigger:
    """Whether the user asked or the editor did."""
    asked = context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
    return Trigger.INVOKED if asked else Trigger.AUTOMATIC


async def _answer(session: Session, caret: Caret, place: Place) -> types.InlineCompletionList:
    items = session.fitting(caret, place, (await session.complete(caret)).items)
    return types.InlineCompletionList(items=[_item(session, item, place) for item in items])


def _item(session: Session, item: Item, place: Place) -> types.InlineCompletionItem:
    text = session.own_endings(item.text, place)
    replaced = place.after[: item.replace_after]
    return types.InlineCompletionItem(
        insert_text=text,
        range=place.range(after=item.replace_after),
        # VS Code shows an item only if its filter text holds what it replaces.
        filter_text=None if _is_subsequence(replaced, text) else text + replaced,
        command=accept_command(item.id),
    )


def _is_subsequence(short: str, long: str) -> bool:
    characters = iter(long)
    return all(character in characters for character in short)
