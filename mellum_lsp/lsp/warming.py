"""Which prompts are evaluated before anybody asks: where the caret rests, and in the last documents opened.

Editors that restore a session open documents by the dozen; only the last few can be in front of the user. In
which place their caret stands is not told: it is the one where it was last, or the beginning.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lsprotocol import types

from mellum_lsp.domain import Trigger

if TYPE_CHECKING:
    from mellum_lsp.lsp.documents import Document
    from mellum_lsp.lsp.session import Session

REST_SECONDS = 0.03
"""Plugins tell where the caret has come to rest; this is for those that tell of every step."""

OPENED_SECONDS = 0.25
"""Documents opened in a row are looked at together once no other has followed for this long."""

_LAST_OPENED = 2
_REMEMBERED_PLACES = 200


class Warming:
    """One session's; the work itself is done in the background, and any request comes first."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: OrderedDict[str, None] = OrderedDict()
        self._places: OrderedDict[str, types.Position] = OrderedDict()

    def opened(self, document: Document) -> None:
        """The document was opened; perhaps the user looks at it."""
        self._opened[document.uri] = None
        self._session.background.replace("warm opened", self._warm_opened(), "warming")

    def rests(self, document: Document, position: types.Position) -> None:
        """The caret has come to rest: the newest place of all is warmed."""
        self.asked(document, position)
        self._session.background.replace("warm", self._warm_rest(document.uri), "warming")

    def asked(self, document: Document, position: types.Position) -> None:
        """The caret is known to be here, which any request tells too."""
        self._opened.pop(document.uri, None)
        key = unquote(document.uri)
        self._places[key] = position
        self._places.move_to_end(key)
        while len(self._places) > _REMEMBERED_PLACES:
            self._places.popitem(last=False)

    async def _warm_rest(self, uri: str) -> None:
        await asyncio.sleep(REST_SECONDS)
        await self._warm(uri)

    async def _warm_opened(self) -> None:
        await asyncio.sleep(OPENED_SECONDS)
        last = list(self._opened)[: -_LAST_OPENED - 1 : -1]
        self._opened.clear()
        for uri in last:
            await self._warm(uri)

    async def _warm(self, uri: str) -> None:
        document = self._session.open_document(uri)
        if document is not None:
            place = document.place(self._places.get(unquote(uri), types.Position(0, 0)))
            await self._session.answers.warm(self._session.caret(document, place, Trigger.AUTOMATIC))
