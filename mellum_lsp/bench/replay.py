"""Types sittings beside an assistant, key by key in real time, and keeps book of what came of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from mellum_lsp.bench.assistant import Answer, Assistant, Spent
from mellum_lsp.bench.document import Document, Ghost
from mellum_lsp.bench.typist import Sitting, Typist, Visit
from mellum_lsp.bench.writing import Writing


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one sitting.

    ``by_hand`` are the keys that the places take without any help, ``saved`` those that taking ghosts made
    unnecessary, less one for each of the ``takes``; ``pressed`` were pressed in all, slips and their
    correction included. ``written`` characters came into the file, ``accepted`` of them by taking ghosts.
    """

    sitting: str
    by_hand: int
    pressed: int
    takes: int
    saved: int
    written: int
    accepted: int
    seconds: float
    spent: Spent
    answers: tuple[Answer, ...]


async def replay(
    sittings: Sequence[Sitting], typist: Typist, assistant: Assistant
) -> AsyncIterator[Replayed]:
    """Types one sitting after the other; what came of each, as soon as it is done.

    Raises `AssertionError` where the text does not end as the true file: a fault of the typist's.
    """
    for sitting in sittings:
        yield await _Hands(sitting, typist, assistant).type()


class _Hands:
    """One sitting's typing, and its account."""

    def __init__(self, sitting: Sitting, typist: Typist, assistant: Assistant) -> None:
        self._sitting = sitting
        self._typist = typist
        self._assistant = assistant
        self._pressed = self._takes = self._saved = self._accepted = 0

    async def type(self) -> Replayed:
        document = self._sitting.open()
        by_hand = sum(place.keys_left for place in document.places)
        written = sum(len(place.target) for place in document.places)
        before, begun = self._assistant.spent(), time.perf_counter()
        self._assistant.opened(document)
        for number, visit in enumerate(self._sitting.visits):
            await self._visit(document, visit, number)
        assert document.text == self._sitting.text, f"{self._sitting.path} was not written as it was"
        await self._assistant.settle()
        spent = self._assistant.spent().since(before)
        answers = tuple(self._assistant.answers)
        self._assistant.answers.clear()
        self._assistant.closed(document)
        return Replayed(
            sitting=self._sitting.path,
            by_hand=by_hand,
            pressed=self._pressed,
            takes=self._takes,
            saved=self._saved,
            written=written,
            accepted=self._accepted,
            seconds=time.perf_counter() - begun,
            spent=spent,
            answers=answers,
        )

    async def _visit(self, document: Document, visit: Visit, number: int) -> None:
        place, writing = self._sitting.places[visit.place], document.places[visit.place]
        self._assistant.screen.judge = writing.is_right
        self._assistant.moved(document, writing.caret)
        await asyncio.sleep(self._typist.jump(place.id, number))
        until = _end_of(writing, visit)
        slipped = -1
        keys = 0
        while writing.written < until or not writing.is_settled:
            at = writing.written
            gap = self._typist.gap(place.id, at, keys, writing.at_line_start)
            if ghost := await self._wait(gap, writing):
                self._take(document, writing, ghost)
                await asyncio.sleep(self._typist.look(place.id, writing.written))
                keys = 0
                continue
            self._pressed += 1
            if (
                slipped < at
                and writing.is_on_its_way
                and (wrong := self._typist.slip(place.id, at, writing.next_character))
            ):
                slipped = at
                edit = writing.slip(wrong)
            else:
                pressed = writing.press()
                if pressed is None:
                    self._assistant.moved(document, writing.caret)
                    continue
                edit = pressed
            keys = keys + 1 if writing.written == at else 0
            self._assistant.edited(document, edit)

    async def _wait(self, seconds: float, writing: Writing) -> Ghost | None:
        """Until the next key is due; a ghost to take instead, once it was noticed."""
        screen, due = self._assistant.screen, time.perf_counter() + seconds
        while (now := time.perf_counter()) < due:
            ghost, wake = self._wanted(writing, screen.ghost), due
            if ghost:
                noticed = screen.since + self._typist.notice_seconds
                if noticed <= now:
                    return ghost
                wake = min(due, noticed)
            screen.changed.clear()
            try:
                await asyncio.wait_for(screen.changed.wait(), wake - now)
            except TimeoutError:
                continue
        return None

    def _wanted(self, writing: Writing, ghost: Ghost | None) -> Ghost | None:
        """What of the ghost is right and saves enough keys; None where nothing does."""
        if ghost is None:
            return None
        first, more, _ = ghost.text.partition("\n")
        if not writing.is_right(ghost):
            if self._typist.takes != "lines" or not more or ghost.replaces:
                return None
            ghost = Ghost(first)
            if not writing.is_right(ghost):
                return None
        return ghost if writing.keys_for(len(ghost.text)) >= self._typist.fewest_keys else None

    def _take(self, document: Document, writing: Writing, ghost: Ghost) -> None:
        whole = ghost == self._assistant.screen.ghost
        self._takes += 1
        self._pressed += 1
        before = writing.keys_left
        edit = writing.take(ghost)
        self._saved += before - writing.keys_left - 1
        self._accepted += len(ghost.text)
        self._assistant.taken(document, edit, whole)


def _end_of(writing: Writing, visit: Visit) -> int:
    """How much of the place is to be written when the visit ends: all, or up to a line's end."""
    if visit.lines is None:
        return len(writing.target)
    end = writing.written
    for _ in range(visit.lines + 1):
        newline = writing.target.find("\n", end + 1)
        if newline < 0:
            return len(writing.target)
        end = newline
    return end
