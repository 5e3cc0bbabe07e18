"""What of the caret's own file a window shows, and that typing does not move it."""

from __future__ import annotations

import time
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.prompt.windows import (
    MAX_CHARACTERS_PER_TOKEN,
    MAX_SUFFIX_LINES,
    Geometry,
    closers_at,
    cut,
    fit,
    longest_head,
    longest_tail,
)

from .carets import COUNTS, caret_in, four_characters, jumpy, one_per_character, typed, words

CHARACTERS = st.sampled_from(
    [
        "a",
        "_",
        " ",
        "\n",
        ")",
        "é",
        "e\u0301",
        "中",
        "👍🏽",
        "👨‍👩‍👧",
        "🇩🇪",
        "🇫🇷",
        "1\ufe0f\u20e3",
        "🏴\U000e0067\U000e007f",
    ]
)
"""What a reader sees as one character, of one code point or several."""
CODE = st.text(st.sampled_from("ab_ 1\n\n()[]{}\"'`.,=é😀"), max_size=200)
counts = st.sampled_from([*COUNTS, jumpy])


def window_of(marked: str, geometry: Geometry) -> tuple[str, str, str]:
    caret = caret_in(marked)
    window = cut(caret.text, caret.offset, geometry)
    return window.prefix, window.closers, window.suffix


class TestClosers:
    @pytest.mark.parametrize(
        ("marked", "closers"),
        [
            ("print(¦)\n", ")"),
            ('say("¦")', '")'),
            ("rows[i][¦]", "]"),
            ("f(g(¦)), 1", "))"),
            ("total = ¦\n", ""),
            ("¦name)", ""),
        ],
    )
    def test_brackets_and_quotes_behind_the_caret_are_an_editors(self, marked: str, closers: str) -> None:
        caret = caret_in(marked)
        assert closers_at(caret.text, caret.offset) == closers

    @pytest.mark.parametrize(
        ("marked", "closers"), [('open(¦"a.txt")', ""), ("x = ¦'abc'", ""), ('f(¦)"{x}"', ")")]
    )
    def test_a_quote_that_opens_a_string_is_no_closer(self, marked: str, closers: str) -> None:
        caret = caret_in(marked)
        assert closers_at(caret.text, caret.offset) == closers


class TestCut:
    def test_shows_lines_from_the_start_line_and_so_many_below(self) -> None:
        text = "zero\none\ntwo ¦tail\nthree\nfour\n"
        assert window_of(text, Geometry(1, 1)) == ("one\ntwo ", "", "tail\nthree\n")

    def test_keeps_closers_out_of_the_suffix(self) -> None:
        assert window_of("f(¦)\nnext\n", Geometry(0, 1)) == ("f(", ")", "\nnext\n")

    def test_a_start_line_below_the_caret_means_the_carets_line(self) -> None:
        caret = caret_in("zero\none\nt¦wo\n")
        assert cut(caret.text, caret.offset, Geometry(7, 0)).start_line == 2
        assert window_of("zero\none\nt¦wo\n", Geometry(7, 0)) == ("t", "", "wo\n")

    def test_a_start_column_leaves_out_the_beginning_of_the_start_line_only(self) -> None:
        assert window_of("abcdef\ngh¦i", Geometry(0, 0, start_column=4)) == ("ef\ngh", "", "i")

    def test_a_start_column_behind_the_caret_means_the_caret(self) -> None:
        assert window_of("ab¦cdef", Geometry(0, 0, start_column=4)) == ("", "", "cdef")

    @given(CODE, st.data(), st.integers(0, 9), st.integers(0, 9))
    def test_is_a_stretch_of_the_text_around_the_caret(
        self, text: str, data: st.DataObject, start_line: int, lines_below: int
    ) -> None:
        offset = data.draw(st.integers(0, len(text)))
        window = cut(text, offset, Geometry(start_line, lines_below))
        assert text[:offset].endswith(window.prefix)
        assert text[offset:].startswith(window.closers + window.suffix)
        assert text[: offset - len(window.prefix)].count("\n") == window.start_line

    @given(CODE, st.data(), st.text(st.sampled_from("ab .,=()[]{}\"'`é😀"), max_size=12))
    def test_typing_on_a_line_only_lengthens_the_prefix(
        self, text: str, data: st.DataObject, characters: str
    ) -> None:
        offset = data.draw(st.integers(0, len(text)))
        caret = caret_in(text[:offset] + "¦" + text[offset:])
        geometry = fit(caret.text, caret.offset, 40, 20, words)
        before = cut(caret.text, caret.offset, geometry)
        for length in range(1, len(characters) + 1):
            now = typed(caret, characters[:length])
            window = cut(now.text, now.offset, geometry)
            assert window.suffix == before.suffix
            assert window.prefix == before.prefix + characters[:length]


class TestFit:
    @given(CODE, st.data(), st.integers(0, 60), st.integers(0, 60), counts)
    def test_keeps_both_budgets_exactly(self, text, data, prefix_tokens, suffix_tokens, count) -> None:
        offset = data.draw(st.integers(0, len(text)))
        window = cut(text, offset, fit(text, offset, prefix_tokens, suffix_tokens, count))
        assert count(window.prefix) <= prefix_tokens
        assert count(window.suffix) <= suffix_tokens

    @given(CODE, st.data(), st.sampled_from(COUNTS))
    def test_shows_all_that_fits(self, text, data, count) -> None:
        offset = data.draw(st.integers(0, len(text)))
        window = cut(text, offset, fit(text, offset, 1000, 1000, count))
        shown = window.prefix + window.closers + window.suffix
        assert shown == text or window.suffix.count("\n") == MAX_SUFFIX_LINES + 1

    def test_shows_so_many_lines_below_the_caret_at_most(self) -> None:
        text = "line\n" * 100
        assert fit(text, 0, 1000, 1000, one_per_character).lines_below == MAX_SUFFIX_LINES

    def test_the_start_keeps_to_a_grid_while_the_caret_moves(self) -> None:
        text = "".join(f"line {number}\n" for number in range(400))
        starts = set()
        for line in range(200, 232):
            offset = text.index(f"line {line}\n")
            starts.add(fit(text, offset, 100 * 5, 50, words).start_line)
        assert len(starts) <= 2
        assert all(start % 32 == 0 for start in starts)

    def test_the_grid_leaves_at_least_half_of_the_lines_that_fit(self) -> None:
        text = "".join(f"{number:03}\n" for number in range(400))
        for lines in range(1, 90):
            for line in range(100, 140):
                geometry = fit(text, line * 4, lines * 4, 0, one_per_character)
                assert lines / 2 <= line - geometry.start_line <= lines

    def test_a_line_that_is_too_long_begins_at_a_word(self) -> None:
        text = "first\nalpha beta gamma delta"
        geometry = fit(text, len(text), 13, 0, one_per_character)
        assert geometry == Geometry(1, 0, start_column=len("alpha beta "), suffix_characters=None) or (
            cut(text, len(text), geometry).prefix == " gamma delta"
        )

    def test_a_suffix_line_that_is_too_long_is_cut_at_the_right(self) -> None:
        caret = caret_in("f(¦) # a long remark\nnext\n")
        geometry = fit(caret.text, caret.offset, 10, 7, one_per_character)
        assert cut(caret.text, caret.offset, geometry).suffix == " # a lo"

    @pytest.mark.parametrize("sign", ["x=1;", "a", " ", "😀", "("])
    def test_a_line_of_a_megabyte_is_cut_in_milliseconds(self, sign: str) -> None:
        text = "head\n" + sign * (1_000_000 // len(sign)) + "\ntail\n"
        offset = len(text) // 2
        counted = 0

        def count(part: str) -> int:
            nonlocal counted
            counted += len(part)
            return four_characters(part)

        began = time.perf_counter()
        geometry = fit(text, offset, 500, 200, count)
        window = cut(text, offset, geometry)
        assert time.perf_counter() - began < 0.25
        assert counted < 200_000
        assert 0 < four_characters(window.prefix) <= 500
        assert four_characters(window.suffix) <= 200

    def test_asks_for_few_counts(self) -> None:
        """Counting may ask another process, half a millisecond each time."""
        text = "".join(
            f"    value_{number} = compute(number={number})\n" * (number % 3) for number in range(900)
        )
        calls = []

        def count(part: str) -> int:
            calls.append(part)
            return words(part)

        for offset in range(2000, len(text), 1500):
            calls.clear()
            fit(text, offset, 700, 200, count)
            assert len(calls) <= 11

    def test_a_megabyte_above_or_below_the_caret_is_not_even_counted(self) -> None:
        long = "x" * 1_000_000 + "\n"
        caret = caret_in(long + "here¦\n" + long)
        counted = []

        def count(part: str) -> int:
            counted.append(len(part))
            return four_characters(part)

        assert fit(caret.text, caret.offset, 100, 100, count) == Geometry(1, 0)
        assert max(counted) < 2000


class TestLongLines:
    @given(st.text(max_size=80), st.integers(0, 40), counts)
    def test_a_tail_and_a_head_keep_their_budget(self, text, tokens, count) -> None:
        assert count(text[longest_tail(text, 0, len(text), tokens, count) :]) <= tokens
        assert count(text[: longest_head(text, 0, len(text), tokens, count)]) <= tokens

    def test_looks_at_no_more_than_some_characters_per_token(self) -> None:
        def dense(text: str) -> int:
            return -(-len(text) // 1000)

        text = "x" * 10_000
        assert longest_tail(text, 0, len(text), 5, dense) == 10_000 - 5 * MAX_CHARACTERS_PER_TOKEN
        assert longest_head(text, 0, len(text), 5, dense) == 5 * MAX_CHARACTERS_PER_TOKEN

    def test_beginning_at_a_word_does_not_break_the_budget_either(self) -> None:
        assert jumpy("c defg") == 3 and jumpy(" defg") == 5
        assert longest_tail("abc defg", 0, 8, 3, jumpy) == len("abc ")

    def test_nothing_is_lost_where_all_fits(self) -> None:
        assert longest_tail("abc def", 0, 7, 7, one_per_character) == 0
        assert longest_head("abc def", 0, 7, 7, one_per_character) == 7

    @settings(max_examples=300)
    @given(st.lists(CHARACTERS, max_size=60), st.data(), st.integers(0, 30), st.integers(0, 20), counts)
    def test_no_window_begins_or_ends_inside_a_character(
        self, characters, data, prefix_tokens, suffix_tokens, count
    ) -> None:
        """Also where the caret has moved since the window was fitted."""
        text = "".join(characters)
        between = list(accumulate(map(len, characters), initial=0))
        fitted_at, offset = data.draw(st.sampled_from(between)), data.draw(st.sampled_from(between))
        geometry = fit(text, fitted_at, prefix_tokens, suffix_tokens, count)
        for caret in (fitted_at, offset):
            window = cut(text, caret, geometry)
            assert caret - len(window.prefix) in between
            assert caret + len(window.closers) + len(window.suffix) in between

    def test_a_character_made_of_several_is_never_cut_in_two(self) -> None:
        family = "👨‍👩‍👧"
        text = f".{family}.{family}."
        for tokens in range(len(text)):
            assert text[longest_tail(text, 0, len(text), tokens, one_per_character) :][:1] in ("", ".", "👨")
            head = text[: longest_head(text, 0, len(text), tokens, one_per_character)]
            assert head[-1:] in ("", ".", "👧")
