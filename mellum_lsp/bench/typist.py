"""A simulated typist: what is typed where, in which rhythm, with which slips. Deterministic and pure.

A *sitting* is one real file with a few of its pieces missing, which the typist writes again one after the
other, going to another one and back in between. Rhythm, pauses and slips follow from the seed and the place
alone: they are the same for every server, whatever that offers. Times are in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Literal

from mellum_lsp.bench.document import Document
from mellum_lsp.bench.project import code_files
from mellum_lsp.bench.writing import Writing, indentation_unit
from mellum_lsp.workspace.languages import language_of

Takes = Literal["whole", "lines"]

_CHARACTERS_PER_WORD = 5
_PLACE_LINES = (3, 12)
_FILE_LINES = (40, 1500)
_LONGEST_LINE = 160
_APART_LINES = 4
_INTERRUPTED_SHARE = 0.25
_NEIGHBOURS = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, letter in enumerate(row)
}


@dataclass(frozen=True, slots=True)
class Typist:
    """A person's habits.

    ``jitter`` is the standard deviation of the logarithm of the time between two keys. ``pauses`` come before
    a share of lines; ``slips`` is the share of letters that are mistyped first. A ghost is noticed when it
    has been on the screen for ``notice_seconds``, and taken if it is right and saves ``fewest_keys``; with
    ``takes`` "lines" also the first line alone of one whose first line is right.
    """

    words_per_minute: float = 100.0
    jitter: float = 0.4
    pauses: float = 0.2
    pause_seconds: tuple[float, float] = (0.6, 2.5)
    slips: float = 0.015
    jump_seconds: tuple[float, float] = (1.0, 2.5)
    notice_seconds: float = 0.3
    look_seconds: tuple[float, float] = (0.25, 0.6)
    """After a ghost was taken."""
    fewest_keys: int = 3
    takes: Takes = "whole"
    seed: int = 1

    def gap(self, place: str, written: int, keys: int, at_line_start: bool) -> float:
        """The time in front of the next key: ``written`` characters of ``place`` are there.

        ``keys`` counts the keys pressed since then, for slips and what takes them back.
        """
        chance = self._random(place, written, f"gap {keys}")
        mean = 60.0 / (self.words_per_minute * _CHARACTERS_PER_WORD)
        gap = chance.lognormvariate(log(mean) - self.jitter**2 / 2, self.jitter)
        if at_line_start and not keys and chance.random() < self.pauses:
            gap += chance.uniform(*self.pause_seconds)
        return gap

    def slip(self, place: str, written: int, character: str) -> str:
        """The neighbouring key that is hit in place of ``character``; empty where the right one is."""
        chance = self._random(place, written, "slip")
        neighbours = _NEIGHBOURS.get(character.lower(), "")
        return chance.choice(neighbours) if neighbours and chance.random() < self.slips else ""

    def jump(self, place: str, visit: int) -> float:
        """The time for going to a place and looking at it."""
        return self._random(place, visit, "jump").uniform(*self.jump_seconds)

    def look(self, place: str, written: int) -> float:
        """The time for looking at what was taken."""
        return self._random(place, written, "look").uniform(*self.look_seconds)

    def estimate(self, sitting: Sitting) -> float:
        """About how long it takes by hand."""
        mean = 60.0 / (self.words_per_minute * _CHARACTERS_PER_WORD)
        keys = sum(len(line.lstrip()) + 1 for place in sitting.places for line in place.lines)
        lines = sum(len(place.lines) for place in sitting.places)
        pauses = lines * self.pauses * sum(self.pause_seconds) / 2
        return keys * mean + pauses + len(sitting.visits) * sum(self.jump_seconds) / 2

    def _random(self, place: str, written: int, what: str) -> random.Random:
        return random.Random(f"{self.seed} {place} {written} {what}")


@dataclass(frozen=True, slots=True)
class Place:
    """Whole lines of a file, from ``start_line`` (from 0), that are written again."""

    path: str
    start_line: int
    lines: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.path}:{self.start_line + 1}"


@dataclass(frozen=True, slots=True)
class Visit:
    """The typist goes to a place of the sitting (its number) and writes on.

    Until it is done, or until it has ``lines`` more line breaks.
    """

    place: int
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class Sitting:
    """A file, its places in the file's order, and the visits to them in the order of time."""

    path: str
    text: str
    places: tuple[Place, ...]
    visits: tuple[Visit, ...]

    def open(self) -> Document:
        """The file as it is when the typist begins: without its places, which are its ``places``."""
        lines = self.text.split("\n")
        missing = {place.start_line + number for place in self.places for number in range(len(place.lines))}
        kept = [line for number, line in enumerate(lines) if number not in missing]
        document = Document(self.path, language_of(self.path), "\n".join(kept))
        unit, gone = indentation_unit(self.text), 0
        for place in self.places:
            before = "\n".join(kept[: place.start_line - gone])
            target = "\n" + "\n".join(place.lines)
            document.places.append(Writing(document, target, len(before), unit))
            gone += len(place.lines)
        return document


def sittings(files: Mapping[str, str], seed: int) -> Iterator[Sitting]:
    """Sittings in code of ``files`` (text by path), tests left out; always the same for the same seed."""
    chance = random.Random(f"{seed} files")
    paths = code_files(files)
    chance.shuffle(paths)
    for path in paths:
        sitting = sitting_in(path, files[path], seed)
        if sitting:
            yield sitting


def sitting_in(path: str, text: str, seed: int) -> Sitting | None:
    """One to three places of a file; None where it has none worth typing."""
    lines = text.split("\n")
    if not _FILE_LINES[0] <= len(lines) <= _FILE_LINES[1] or "\r" in text:
        return None
    chance = random.Random(f"{seed} {path}")
    starts = list(range(8, len(lines) - 4))
    chance.shuffle(starts)
    places: list[Place] = []
    wanted = chance.choice((1, 2, 3))
    for start in starts:
        place = _place_at(path, lines, start, chance.randint(*_PLACE_LINES))
        if place and all(_are_apart(place, other) for other in places):
            places.append(place)
        if len(places) == wanted:
            break
    places.sort(key=lambda place: place.start_line)
    return Sitting(path, text, tuple(places), tuple(_visits(places, chance))) if places else None


def _place_at(path: str, lines: list[str], start: int, most: int) -> Place | None:
    """What begins at line ``start``: the lines that are indented as much or more, at most ``most``."""
    first = lines[start]
    if not first.strip() or not first.strip()[0].isalnum():
        return None
    depth = len(first) - len(first.lstrip())
    end = start + 1
    while end < len(lines) - 1 and end - start < most:
        line = lines[end]
        if line.strip() and len(line) - len(line.lstrip()) < depth:
            break
        end += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    chosen = lines[start:end]
    if len(chosen) < _PLACE_LINES[0] or any(len(line) > _LONGEST_LINE for line in chosen):
        return None
    return Place(path, start, tuple(chosen))


def _are_apart(one: Place, other: Place) -> bool:
    first, second = sorted((one, other), key=lambda place: place.start_line)
    return first.start_line + len(first.lines) + _APART_LINES <= second.start_line


def _visits(places: list[Place], chance: random.Random) -> Iterator[Visit]:
    """Every place is gone to, in any order; some are left in the middle and finished after the next."""
    order = list(range(len(places)))
    chance.shuffle(order)
    left: int | None = None
    for number in order:
        lines = len(places[number].lines)
        if left is None and number != order[-1] and chance.random() < _INTERRUPTED_SHARE:
            yield Visit(number, chance.randint(1, lines - 1))
            left = number
            continue
        yield Visit(number)
        if left is not None:
            yield Visit(left)
            left = None
