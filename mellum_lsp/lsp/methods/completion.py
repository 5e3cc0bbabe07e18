"""``textDocument/completion``: the same answers as a list, for clients without inline completion (Helix)."""

from __future__ import annotations

import asyncio
import re
from textwrap import dedent

from lsprotocol import types

from mellum_lsp.completion import reasons
from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Caret, Trigger
from mellum_lsp.lsp.documents import Place
from mellum_lsp.lsp.methods.execute_command import accept_command
from mellum_lsp.lsp.requests import Later
from mellum_lsp.lsp.session import Session

MAX_LABEL_CHARACTERS = 60


def empty() -> types.CompletionList:
    """Nothing now; the next keystroke may ask again."""
    return types.CompletionList(is_incomplete=True, items=[])


def completion(session: Session, params: types.CompletionParams) -> Later | types.CompletionList:
    uri = params.text_document.uri
    document = session.open_document(uri)
    if document is None:
        session.silent(uri, session.why_not_open(uri))
        return empty()
    if document.uri in session.uses_inline_completion:
        session.silent_once(document, str(reasons.INLINE_IN_USE))
        return empty()
    session.warming.asked(document, params.position)
    place = document.place(params.position)
    caret = session.caret(document, place, _trigger_of(params, place))
    # Editors that show ghosts wait by themselves; of those that show lists, some ask at every key.
    automatic = caret.trigger is Trigger.AUTOMATIC
    settle_seconds = session.rhythm.wait(asyncio.get_running_loop().time()) if automatic else 0.0
    work = _answer(session, caret, place, settle_seconds)
    return Later(work, (document.uri, types.TEXT_DOCUMENT_COMPLETION))


def _trigger_of(params: types.CompletionParams, place: Place) -> Trigger:
    """Whether the user asked.

    The protocol calls it "invoked" both when a user asks and when an editor asks by itself while a word is
    typed. Away from a word only a user can have asked.
    """
    kind = params.context.trigger_kind if params.context else None
    asked = kind is types.CompletionTriggerKind.Invoked and not _typed_word(place)
    return Trigger.INVOKED if asked else Trigger.AUTOMATIC


async def _answer(
    session: Session, caret: Caret, place: Place, settle_seconds: float
) -> types.CompletionList:
    suggested = await session.answers.suggest(caret, place, settle_seconds=settle_seconds)
    return types.CompletionList(
        is_incomplete=True,
        items=[_item(session, item, place, caret.language, rank) for rank, (item, _) in enumerate(suggested)],
    )


def _item(session: Session, item: Item, place: Place, language: str, rank: int) -> types.CompletionItem:
    """The typed word is part of the item: clients match what they filter, and replace, from its beginning."""
    typed = _typed_word(place)
    text = session.own_endings(typed + item.text, place)
    return types.CompletionItem(
        label=_label(typed + item.text),
        kind=types.CompletionItemKind.Text,
        detail=_detail(item.text),
        documentation=types.MarkupContent(
            kind=types.MarkupKind.Markdown, value=_fenced(dedent(place.before + item.text), language)
        ),
        sort_text=str(rank),
        filter_text=typed,
        insert_text=text,
        insert_text_format=types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(range=place.range(len(typed), item.replace_after), new_text=text),
        command=accept_command(item.id),
    )


def _typed_word(place: Place) -> str:
    before = place.before
    start = len(before)
    while start > 0 and (before[start - 1].isalnum() or before[start - 1] == "_"):
        start -= 1
    return before[start:]


def _label(text: str) -> str:
    """The first line with something on it, short enough for a menu; an ellipsis where there is more."""
    line = next((line.strip() for line in text.split("\n") if line.strip()), text)
    shown = line[:MAX_LABEL_CHARACTERS].rstrip()
    return shown if shown == text.strip() else f"{shown} …"


def _detail(text: str) -> str:
    """Who suggests it, and how much: menus show it beside the label."""
    lines = text.count("\n") + 1
    return "mellum" if lines == 1 else f"mellum, {lines} lines"


def _fenced(code: str, language: str) -> str:
    """``code`` as a block of Markdown, with a fence longer than any in it."""
    ticks = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}{language}\n{code}\n{fence}"
