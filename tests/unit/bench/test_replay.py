"""What a replay keeps book of, beside an assistant that always knows what comes next, or never does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from mellum_lsp.bench.assistant import Answer, Screen, Spent
from mellum_lsp.bench.document import Document, Edit, Ghost
from mellum_lsp.bench.replay import Replayed, replay
from mellum_lsp.bench.replay_summary import ReplayVariant, figures_of, summarise
from mellum_lsp.bench.typist import Place, Sitting, Takes, Typist, Visit

LINES = ("    first = compute(value)", "    second = first + 1", "    return second")
TEXT = "def f(value):\n" + "\n".join(LINES) + "\n\n\ndef g():\n    pass\n"
SITTING = Sitting("a.py", TEXT, (Place("a.py", 1, LINES),), (Visit(0, 1), Visit(0)))
BY_HAND = sum(len(line.strip()) + 1 for line in LINES)


@dataclass
class Knowing:
    """Offers the next ``characters`` of the true file, with ``more`` behind them, after every key."""

    characters: int = 0
    more: str = ""
    screen: Screen = field(default_factory=Screen)
    answers: list[Answer] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def opened(self, document: Document) -> None:
        self.texts.append(document.text)

    def edited(self, document: Document, edit: Edit) -> None:
        self.edits.append(edit)
        if not self.screen.type(edit):
            self._offer(document)

    def _offer(self, document: Document) -> None:
        (writing,) = document.places
        rest = writing.target[writing.written :]
        if self.characters and writing.is_settled:
            self.screen.show(Ghost(rest[: self.characters] + self.more))

    def moved(self, document: Document, caret: int) -> None:
        self.screen.show(None)

    def taken(self, document: Document, edit: Edit, whole: bool) -> None:
        self.screen.show(None)
        self.edits.append(edit)
        self._offer(document)

    def closed(self, document: Document) -> None:
        self.texts.append(document.text)

    async def settle(self) -> None:
        self.answers.append(Answer(milliseconds=5.0, key_milliseconds=55.0, source="full", characters=9))

    def spent(self) -> Spent:
        return Spent(float(len(self.edits)), 3 * len(self.edits), 0)


async def typed(assistant: Knowing, takes: Takes = "whole", slips: float = 0.0) -> Replayed:
    typist = Typist(
        words_per_minute=1e6,
        pauses=0,
        slips=slips,
        jump_seconds=(0, 0),
        look_seconds=(0, 0),
        notice_seconds=0,
        takes=takes,
    )
    (one,) = [one async for one in replay([SITTING], typist, assistant)]
    return one


async def test_without_ghosts_every_key_is_pressed() -> None:
    assistant = Knowing()
    one = await typed(assistant)
    assert (one.by_hand, one.pressed, one.takes, one.saved) == (BY_HAND, BY_HAND, 0, 0)
    assert one.written == sum(len(line) + 1 for line in LINES)
    assert assistant.texts[-1] == TEXT


async def test_slips_cost_keys_and_are_no_part_of_what_a_text_takes_by_hand() -> None:
    one = await typed(Knowing(), slips=0.3)
    assert one.by_hand == BY_HAND
    assert one.pressed > BY_HAND


async def test_taking_ghosts_saves_keys_but_for_the_key_that_takes() -> None:
    assistant = Knowing(characters=12)
    one = await typed(assistant)
    assert one.takes > 0
    assert one.pressed == one.by_hand - one.saved
    assert one.accepted <= one.written
    assert assistant.texts[-1] == TEXT


async def test_ghosts_that_are_wrong_somewhere_are_not_taken() -> None:
    one = await typed(Knowing(characters=12, more="?"))
    assert one.takes == 0


async def test_a_right_first_line_is_taken_by_those_who_take_lines() -> None:
    wrong_below = Knowing(characters=10, more="\n?")
    assert (await typed(wrong_below)).takes == 0
    assert (await typed(Knowing(characters=10, more="\n?"), takes="lines")).takes > 0


async def test_what_was_spent_is_of_this_sitting() -> None:
    assistant = Knowing()
    first, second = await typed(assistant), await typed(assistant)
    assert first.spent.evaluated == second.spent.evaluated == 3 * BY_HAND
    assert len(second.answers) == 1


def sitting(path: str, saved: int, answers: tuple[Answer, ...] = ()) -> Replayed:
    return Replayed(
        sitting=path,
        by_hand=100,
        pressed=100 - saved,
        takes=1,
        saved=saved,
        written=120,
        accepted=saved,
        seconds=30.0,
        spent=Spent(6.0, 200, 50),
        answers=answers,
    )


def answer(milliseconds: float, **more: object) -> Answer:
    return Answer(milliseconds=milliseconds, key_milliseconds=milliseconds + 50, **more)


def test_silence_is_not_counted_as_speed() -> None:
    answers = (
        answer(200, source="full", characters=10, right=True),
        answer(1, source="cache", reason="gated p=0.20"),
        answer(2, source="cache", reason="gated p=0.31"),
        answer(0.5, superseded=True, characters=4),
    )
    figures = figures_of(ReplayVariant(), [sitting("a", 10, answers)])
    assert figures.all_ms[0].value == 200
    assert figures.shown == 1
    assert {row.group: row.count for row in figures.waiting} == {
        "shown": 1,
        "shown, from the model": 1,
        "empty: gated": 2,
        "superseded": 1,
    }


def test_figures_are_ratios_of_sums() -> None:
    figures = figures_of(ReplayVariant(), [sitting("a", 10), sitting("b", 30)])
    assert figures.saved.value == pytest.approx(20)
    assert figures.cpu_seconds.value == pytest.approx(12)
    assert figures.evaluated.value == pytest.approx(400 / 160)


def test_variants_are_compared_over_what_all_of_them_typed() -> None:
    low, high = ReplayVariant("nano", 0.3), ReplayVariant("nano", 0.6)
    summary = summarise(
        "shop",
        {
            low: [sitting("a", 20), sitting("b", 22), sitting("c", 90)],
            high: [sitting("b", 12), sitting("a", 10)],
        },
    )
    assert summary.sittings == 2
    assert summary.advice == {"model": "nano", "gate": 0.3}
    assert summary.differences[high.name].value == pytest.approx(10)
    assert summary.differences[high.name].excludes_zero
