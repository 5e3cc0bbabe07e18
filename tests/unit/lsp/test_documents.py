"""Documents stay exactly what the client holds, in every encoding, with every line ending and character."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from naive_document import NaiveDocument

from mellum_lsp.lsp import lines
from mellum_lsp.lsp.documents import Document, Documents
from mellum_lsp.lsp.positions import Encoding

ALPHABET = [
    *"ab \t(",
    *("\n", "\r\n", "\r", "\r", "\n"),
    *("ü", "ß", "漢", "e\u0301", "😀", "👩‍👩‍👧", "𝒳", "\u200d"),
    *("\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\x00", "\ufeff"),
    *("\ud83d", "\ude00"),
]
"""Everything that has broken a language server: endings, wide characters, str.splitlines, lone surrogates."""

ENCODINGS = list(Encoding)


def position(line: int, character: int) -> types.Position:
    return types.Position(line, character)


def partial(start: types.Position, end: types.Position, text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(range=types.Range(start, end), text=text)


def document(text: str, encoding: Encoding = Encoding.UTF16) -> Document:
    return Document("file:///a.py", "python", 1, text, encoding)


def edited(
    text: str, *changes: tuple[int, int, int, int, str], encoding: Encoding = Encoding.UTF16
) -> Document:
    result = document(text, encoding)
    result.change([partial(position(a, b), position(c, d), new) for a, b, c, d, new in changes])
    return result


def assert_equal(ours: Document, naive: NaiveDocument, where: types.Position) -> None:
    assert ours.raw == naive.raw
    assert ours.text == naive.text
    assert ours.place(where).offset == naive.offset(where)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_thousands_of_random_edits_diverge_nowhere(
    encoding: Encoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long life of one document full of emoji and CRLF: what one edit leaves, the next one finds."""
    monkeypatch.setattr(lines, "BLOCK_LINES", 8)  # so that the document has many blocks
    chance = random.Random(encoding.value)
    text = "".join(f"    total{i} = 'grün 😀 {i}' # 漢字 👩‍👩‍👧\r\n" for i in range(50))
    ours, naive = document(text, encoding), NaiveDocument(text, encoding)
    for _ in range(2_000):
        start = position(chance.randrange(ours.line_count + 1), chance.randrange(44))
        end = start
        if chance.random() < 0.4:
            end = position(start.line + chance.choice((0, 0, 0, 0, 1)), chance.randrange(44))
        inserted = "".join(chance.choices(ALPHABET, k=chance.choice((0, 1, 1, 1, 2, 5))))
        if len(naive.units) > 3_000:
            inserted, end = "", position(start.line + 30, 0)
        ours.change([partial(start, end, inserted)])
        naive.change(start, end, inserted)
        here = position(chance.randrange(ours.line_count + 1), chance.randrange(44))
        assert (ours.raw, ours.text) == (naive.raw, naive.text)
        assert ours.place(here).offset == naive.offset(here)


texts = st.lists(st.sampled_from(ALPHABET), max_size=30).map("".join)
places = st.builds(position, st.integers(0, 12), st.integers(0, 12) | st.just(2**31 - 1))
edits = st.lists(st.tuples(places, places, texts), max_size=8)


@given(text=texts, edits=edits, here=places, encoding=st.sampled_from(ENCODINGS))
@settings(max_examples=400)
def test_any_edits_anywhere(
    text: str,
    edits: list[tuple[types.Position, types.Position, str]],
    here: types.Position,
    encoding: Encoding,
) -> None:
    original, lines.BLOCK_LINES = lines.BLOCK_LINES, 2  # so that small documents have many blocks
    try:
        naive = NaiveDocument(text, encoding)
        ours = document(text, encoding)
        assert_equal(ours, naive, here)
        for start, end, new in edits:
            ours.change([partial(start, end, new)])
            naive.change(start, end, new)
            assert_equal(ours, naive, here)
    finally:
        lines.BLOCK_LINES = original


@given(text=texts, here=places, encoding=st.sampled_from(ENCODINGS))
@settings(max_examples=300)
def test_a_place_turned_into_units_and_back_is_the_same_place(
    text: str, here: types.Position, encoding: Encoding
) -> None:
    ours = document(text, encoding)
    place = ours.place(here)
    assert ours.place(place.range().start) == place
    assert ours.text[: place.offset].count("\n") == place.line
    assert (
        ours.text[: place.offset].rsplit("\n", 1)[-1] == ours.text.split("\n")[place.line][: place.character]
    )


class TestPositions:
    @pytest.mark.parametrize(("encoding", "column"), [("utf-8", 6), ("utf-16", 4), ("utf-32", 3)])
    def test_columns_count_units_of_the_encoding(self, encoding: str, column: int) -> None:
        assert document("a😀b", Encoding(encoding)).place(position(0, column)).offset == 3

    @pytest.mark.parametrize(("encoding", "column"), [("utf-8", 3), ("utf-16", 2)])
    def test_a_column_inside_a_character_means_its_beginning(self, encoding: str, column: int) -> None:
        assert document("a😀b", Encoding(encoding)).place(position(0, column)).offset == 1

    def test_a_column_past_the_end_of_the_line_means_its_end_before_the_ending(self) -> None:
        assert document("ab\r\ncd").place(position(0, 99)).offset == 2

    def test_a_line_past_the_end_means_the_end_of_the_text(self) -> None:
        assert document("ab\ncd").place(position(7, 0)).offset == 5

    def test_the_empty_document_has_one_place(self) -> None:
        assert document("").place(position(3, 3)) == document("").place(position(0, 0))

    @pytest.mark.parametrize("separator", list("\f\v\x1c\x1d\x1e\x85\u2028\u2029"))
    def test_what_only_python_takes_for_a_line_ending_is_none(self, separator: str) -> None:
        ours = document(f"a{separator}b\nc")
        assert ours.line_count == 2
        assert ours.place(position(1, 1)).offset == 5

    def test_ranges_count_the_clients_units_and_stay_on_the_line(self) -> None:
        ours = document("😀)😀\nx")
        assert ours.place(position(0, 2)).range(after=2) == types.Range(position(0, 2), position(0, 5))
        assert ours.place(position(0, 2)).range(after=99).end == position(0, 5)
        assert ours.place(position(0, 3)).range(before=2).start == position(0, 0)

    def test_a_place_stays_true_when_the_document_moves_on(self) -> None:
        ours = document("f(😀)\r\n")
        place = ours.place(position(0, 2))
        ours.change([types.TextDocumentContentChangeWholeDocument(text="")])
        assert place.range(after=2) == types.Range(position(0, 2), position(0, 5))
        assert (place.before, place.after, place.ending) == ("f(", "😀)", "\r\n")

    @pytest.mark.parametrize(
        ("typed", "fits"), [("", True), ("ret", True), ("x", False), ("return 1 more", False), ("\n", False)]
    )
    def test_an_answer_still_fits_while_its_text_is_being_typed(self, typed: str, fits: bool) -> None:
        ours = document("a\n()\n")
        place = ours.place(position(1, 1))
        ours.change([partial(position(1, 1), position(1, 1), typed)])
        assert ours.still_fits(place, "return 1") is fits


class TestChanges:
    def test_typing(self) -> None:
        assert edited("ab\n", (0, 2, 0, 2, "c"), (0, 3, 0, 3, "d")).text == "abcd\n"

    def test_a_newline_typed_behind_a_lone_carriage_return_completes_it(self) -> None:
        ours = edited("a\rb", (1, 0, 1, 0, "\n"))
        assert (ours.raw, ours.line_count, ours.text) == ("a\r\nb", 2, "a\nb")

    def test_deleting_what_stood_between_carriage_return_and_newline_makes_them_one_ending(self) -> None:
        ours = edited("a\rb\nc", (1, 0, 1, 1, ""))
        assert (ours.raw, ours.line_count) == ("a\r\nc", 2)

    def test_a_reversed_range_is_put_right(self) -> None:
        assert edited("abcd", (0, 3, 0, 1, "X")).text == "aXd"

    def test_halves_of_an_emoji_can_go_and_come_in_utf16(self) -> None:
        halved = edited("a😀b", (0, 2, 0, 3, ""))
        assert (halved.raw, halved.text) == ("a\ud83db", "a\ufffdb")
        whole = edited("a😀b", (0, 2, 0, 3, ""), (0, 2, 0, 2, "\ude00"))
        assert whole.text == "a😀b"

    def test_lone_surrogates_never_reach_those_who_encode(self) -> None:
        edited("\ud83d", (0, 1, 0, 1, "x")).text.encode("utf-8")

    def test_a_whole_text_replaces_everything(self) -> None:
        ours = document("old\n")
        ours.change([types.TextDocumentContentChangeWholeDocument(text="new\r\n")])
        assert ours.raw == "new\r\n"

    def test_pasting_thousands_of_lines_and_deleting_them(self) -> None:
        pasted = "".join(f"line {i}\n" for i in range(5000))
        ours = edited("a\nb\n", (1, 0, 1, 0, pasted))
        assert ours.text == f"a\n{pasted}b\n"
        ours.change([partial(position(1, 0), position(5001, 0), "")])
        assert ours.text == "a\nb\n"


class TestLineEndings:
    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_answers_use_the_ending_of_the_carets_line(self, ending: str) -> None:
        ours = document(f"a{ending}b{ending}")
        assert ours.place(position(0, 1)).with_own_endings("x\ny") == f"x{ending}y"

    def test_the_last_line_follows_the_one_above(self) -> None:
        assert document("a\r\nb").place(position(1, 1)).with_own_endings("x\ny") == "x\r\ny"

    def test_a_document_of_one_line_gets_plain_newlines(self) -> None:
        assert document("a").place(position(0, 1)).with_own_endings("x\ny") == "x\ny"


class TestStore:
    def item(self, uri: str) -> types.TextDocumentItem:
        return types.TextDocumentItem(uri=uri, language_id="python", version=1, text="x")

    def test_percent_encoding_of_a_uri_does_not_matter(self) -> None:
        store = Documents()
        store.open(self.item("file:///c%3A/a%20b.py"))
        assert store.get("file:///c:/a b.py") is not None

    def test_versions_may_jump(self) -> None:
        store = Documents()
        store.open(self.item("untitled:1"))
        changed = store.change("untitled:1", 99, [partial(position(0, 1), position(0, 1), "y")])
        assert changed is not None
        assert (changed.version, changed.text) == (99, "xy")

    def test_a_document_that_is_not_open_cannot_change(self) -> None:
        assert Documents().change("file:///nowhere", 2, []) is None

    def test_closing_twice_is_harmless(self) -> None:
        store = Documents()
        store.open(self.item("a:b"))
        assert store.close("a:b") is not None
        assert store.close("a:b") is None


def test_a_keystroke_in_a_megabyte_costs_far_less_than_a_millisecond() -> None:
    ours = document("    return self.value + other.value\n" * 28_000)
    durations = []
    for column in range(200):
        change = partial(position(14_000, 4 + column), position(14_000, 4 + column), "x")
        started = time.perf_counter()
        ours.change([change])
        durations.append(time.perf_counter() - started)
    assert sorted(durations)[100] < 0.000_5
