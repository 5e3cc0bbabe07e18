"""The simulated typist: the same for the same seed, human in rhythm, and true to the file."""

from __future__ import annotations

import itertools
import statistics

import pytest

from mellum_lsp.bench.typist import Sitting, Typist, sitting_in, sittings

SOURCE = "".join(
    f"def function_{number}(value, other):\n"
    f'    """Says what {number} does."""\n'
    f"    result = [value * {number}, other]\n"
    "    if not result:\n"
    "        raise ValueError(value)\n"
    "\n"
    "    return sum(result)\n"
    "\n\n"
    for number in range(30)
)
FILES = {f"shop/part_{number}.py": SOURCE.replace("value", f"value_{number}") for number in range(12)}


def test_sittings_are_the_same_for_the_same_seed() -> None:
    first, again, other = (list(sittings(FILES, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_tests_and_short_files_are_not_typed() -> None:
    files = {"tests/test_shop.py": SOURCE, "shop/short.py": "x = 1\n", "shop/part.py": SOURCE}
    assert [sitting.path for sitting in sittings(files, 1)] == ["shop/part.py"]


def all_sittings() -> list[Sitting]:
    return [sitting for seed in range(10) for sitting in sittings(FILES, seed)]


def test_every_place_is_visited_to_its_end_and_the_file_is_true_again() -> None:
    for sitting in all_sittings():
        document = sitting.open()
        assert len(document.text) < len(sitting.text)
        for visit in sitting.visits:
            writing = document.places[visit.place]
            while not writing.is_done and visit.lines is None:
                writing.press()
        assert document.text == sitting.text


def test_some_places_are_left_in_the_middle_and_come_back_to() -> None:
    interrupted = [s for s in all_sittings() if any(visit.lines is not None for visit in s.visits)]
    assert interrupted
    for sitting in interrupted:
        left = next(number for number, visit in enumerate(sitting.visits) if visit.lines is not None)
        place = sitting.visits[left].place
        assert sitting.visits[left + 1].place != place
        assert any(v.place == place and v.lines is None for v in sitting.visits[left + 1 :])


def test_the_rhythm_has_the_pace_that_was_asked_for() -> None:
    typist = Typist(words_per_minute=100)
    gaps = [typist.gap("place", written, 0, at_line_start=False) for written in range(4000)]
    assert statistics.mean(gaps) == pytest.approx(0.12, rel=0.05)
    assert statistics.stdev(gaps) > 0.03


def test_pauses_come_before_lines() -> None:
    typist = Typist()
    at_lines = [typist.gap("place", written, 0, at_line_start=True) for written in range(1000)]
    assert 0.1 < sum(gap > 0.6 for gap in at_lines) / 1000 < 0.3


def test_rhythm_and_slips_depend_on_the_place_alone() -> None:
    one, other = Typist(), Typist()
    for written in range(50):
        assert one.gap("p", written, 0, False) == other.gap("p", written, 0, False)
        assert one.slip("p", written, "e") == other.slip("p", written, "e")
    assert one.gap("p", 3, 0, False) != one.gap("q", 3, 0, False)


def test_slips_hit_neighbouring_letters_and_letters_only() -> None:
    typist = Typist(slips=1.0)
    assert {typist.slip("p", written, "e") for written in range(30)} == {"w", "r"}
    assert typist.slip("p", 0, "(") == ""
    rare = Typist(slips=0.02)
    assert 20 < sum(bool(rare.slip("p", written, "e")) for written in range(2000)) < 70


def test_an_estimate_grows_with_what_there_is_to_type() -> None:
    typist = Typist()
    small, large = sorted(itertools.islice(sittings(FILES, 1), 8), key=typist.estimate)[::7]
    assert sum(len(place.lines) for place in small.places) < sum(len(place.lines) for place in large.places)


def test_a_file_with_other_line_ends_is_left_alone() -> None:
    assert sitting_in("a.py", SOURCE.replace("\n", "\r\n"), 1) is None
