"""What was written in place of suggestions: found again, kept for its user alone, and made pairs of."""

from __future__ import annotations

import dataclasses
import stat
import sys
import time
from pathlib import Path

import pytest

from mellum_lsp.domain import Marker, Part
from mellum_lsp.feedback.inference import Ghost
from mellum_lsp.feedback.preferences import Preference, PreferenceStore, pairs
from mellum_lsp.feedback.replacement import written_instead

PROMPT = (
    Part("prefix", "a.py", (Marker("<fim_prefix>"), "x = ")),
    Part("middle", "", (Marker("<fim_middle>"),)),
)
RECORD = Preference("nano-135m", "python", "dismissed", PROMPT, "compute(1)", "other(2)", at=time.time())


def ghost(document: str, text: str) -> Ghost:
    before, _, after = document.partition("$0")
    return Ghost("s", text, len(before), 0, before + after)


@pytest.mark.parametrize(
    ("now", "written"),
    [
        ("x = other(2)\nprint(x)\n", "other(2)"),
        ("x = \nprint(x)\n", ""),
        ("import os\n\nx = other(2)\nprint(x)\n", "other(2)"),
        ("x = other(2)\ny = 3\nprint(x)\n", "other(2)"),
        ("x = other(2)\n", None),
        ("y = other(2)\nprint(x)\n", None),
        ("x = 1\nx = other(2)\nprint(x)\n", None),
    ],
    ids=["written", "nothing", "moved", "more lines behind", "end gone", "beginning gone", "two places"],
)
def test_a_place_is_found_again_by_what_stands_around_it(now: str, written: str | None) -> None:
    assert written_instead(ghost("x = $0\nprint(x)\n", "compute(1)"), now) == written


def test_as_many_lines_are_taken_as_were_suggested() -> None:
    shown = ghost("def f():\n    $0", "a = 1\n    return a")
    assert written_instead(shown, "def f():\n    b = 2\n    return b\n    # more") == "b = 2\n    return b"


class TestStore:
    def test_what_is_kept_is_read_with_its_markers(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "deep" / "preferences.sqlite3")
        assert store.read() == []
        store.add(RECORD)
        assert store.read() == [RECORD]

    @pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
    def test_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "preferences.sqlite3")
        store.path.touch(mode=0o644)
        store.add(RECORD)
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}

    def test_forgotten_is_gone_from_the_disk(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "preferences.sqlite3")
        store.add(RECORD)
        store.add(RECORD)
        assert store.clear() == 2
        assert list(tmp_path.iterdir()) == []
        assert store.clear() == 0

    def test_a_damaged_file_can_still_be_removed(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "preferences.sqlite3")
        store.path.write_bytes(b"no database, but perhaps somebody's text")
        assert store.clear() == 0
        assert list(tmp_path.iterdir()) == []

    def test_old_records_are_forgotten(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "preferences.sqlite3", days=30)
        store.add(dataclasses.replace(RECORD, at=time.time() - 40 * 86400))
        store.add(RECORD)
        assert store.read() == [RECORD]

    def test_the_oldest_give_way_where_it_grows_too_large(self, tmp_path: Path) -> None:
        store = PreferenceStore(tmp_path / "preferences.sqlite3", most_bytes=2000)
        records = [dataclasses.replace(RECORD, shown=f"{n} " * 100, at=RECORD.at + n) for n in range(20)]
        for record in records:
            store.add(record)
        kept = store.read()
        assert 1 <= len(kept) < 10 and kept == records[-len(kept) :]


class TestPairs:
    def test_what_was_written_is_preferred_to_what_was_refused(self) -> None:
        (pair,) = pairs([RECORD])
        assert (pair.chosen, pair.rejected, pair.reason) == ("other(2)", "compute(1)", "dismissed")

    def test_what_was_edited_after_it_was_accepted(self) -> None:
        edited = dataclasses.replace(RECORD, became="accepted", written="compute(2)")
        assert [pair.reason for pair in pairs([edited])] == ["edited"]

    @pytest.mark.parametrize("written", ["compute(1)", "comp", "compute(1)  ", "", "  "])
    def test_nothing_is_learnt_from_agreement_or_silence(self, written: str) -> None:
        assert list(pairs([dataclasses.replace(RECORD, written=written)])) == []
