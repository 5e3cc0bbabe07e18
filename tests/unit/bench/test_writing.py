"""Writing by hand: whatever the editor inserts by itself, the text ends as it should; ghosts are judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.bench.document import Document, Edit, Ghost
from mellum_lsp.bench.writing import Writing, indentation_unit


def write(before: str, target: str, after: str = "\n", unit: str = "    ") -> Writing:
    document = Document("a.py", "python", before + after)
    writing = Writing(document, target, len(before), unit)
    document.places.append(writing)
    return writing


def by_hand(writing: Writing) -> list[Edit | None]:
    keys = []
    while not writing.is_done:
        keys.append(writing.press())
        assert len(keys) < 2000, "the typist does not come to an end"
    return keys


def type_until(writing: Writing, text: str) -> None:
    while not writing.target[: writing.written].endswith(text):
        writing.press()


PIECES = st.lists(
    st.sampled_from(
        [
            "\n",
            "\n    ",
            "\n  ",
            "\n\t",
            "\n\n",
            "a",
            "b c",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            '"',
            "'",
            "`",
            ":",
            ",",
        ]
    ),
    min_size=1,
    max_size=60,
).map("".join)


@given(PIECES, st.sampled_from(["    ", "  ", "\t"]))
def test_any_text_is_written_exactly(text: str, unit: str) -> None:
    target = f"\n{text}x"
    writing = write("def f():", target, "\nrest(\n", unit)
    by_hand(writing)
    assert writing.document.text == f"def f():{target}\nrest(\n"


@given(PIECES, st.data())
def test_any_text_is_written_exactly_beside_right_ghosts_and_slips(text: str, data: st.DataObject) -> None:
    target = f"\n{text}x"
    writing = write("f():", target)
    while not writing.is_done:
        length = data.draw(st.integers(1, 20))
        for replaced in range(3):
            ghost = Ghost(target[writing.written : writing.written + length], replaced)
            if writing.is_right(ghost):
                writing.take(ghost)
                break
        else:
            if writing.is_on_its_way and data.draw(st.booleans()):
                writing.slip("q")
                writing.press()
            writing.press()
    assert writing.document.text == f"f():{target}\n"


def test_an_opening_bracket_brings_its_closer_and_typing_that_passes_over_it() -> None:
    writing = write("x = ", "f(a)")
    type_until(writing, "(")
    assert writing.document.text == "x = f()\n"
    type_until(writing, "a")
    passing = writing.press()
    assert passing == Edit(len("x = f(a"), ")", ")", len("x = f(a)"))
    assert writing.is_done


def test_a_bracket_in_front_of_a_word_is_not_closed() -> None:
    writing = write("", "(", "name\n")
    by_hand(writing)
    assert writing.document.text == "(name\n"


def test_a_quote_behind_a_word_opens_nothing() -> None:
    writing = write("# the user", "'s 'name'")
    writing.press()
    assert writing.document.text == "# the user'\n"


def test_a_new_line_is_indented_by_the_editor_and_costs_one_key() -> None:
    writing = write("def f():", "\n    return 1")
    assert writing.press() == Edit(8, "", "\n    ", 13)
    assert writing.written == len("\n    ")


def test_less_indentation_costs_a_backspace() -> None:
    writing = write("if a:\n    b()", "\nc")
    edits = by_hand(writing)
    assert [edit and (edit.replaced, edit.text) for edit in edits] == [
        ("", "\n    "),
        ("    ", ""),
        ("", "c"),
    ]


def test_a_line_left_blank_loses_its_indentation() -> None:
    writing = write("    a = 1", "\n\n    b")
    by_hand(writing)
    assert writing.document.text == "    a = 1\n\n    b\n"


def test_enter_between_brackets_gives_the_closer_a_line_of_its_own() -> None:
    writing = write("", "f() {\n    g()\n}")
    type_until(writing, "{\n    ")
    assert writing.document.text == "f() {\n    \n}\n"
    by_hand(writing)
    assert writing.document.text == "f() {\n    g()\n}\n"


def test_a_slip_is_taken_back_before_the_text_goes_on() -> None:
    writing = write("", "ab")
    writing.slip("x")
    assert not writing.is_right(Ghost("ab"))
    by_hand(writing)
    assert writing.document.text == "ab\n"


class TestGhosts:
    def test_one_that_stands_there_in_full_is_right(self) -> None:
        writing = write("x = ", "compute(1)")
        assert writing.is_right(Ghost("compute(1)"))
        assert writing.is_right(Ghost("comp"))

    @pytest.mark.parametrize("text", ["", "compute(2)", "compute(1)\ny"])
    def test_a_wrong_character_makes_it_wrong(self, text: str) -> None:
        assert not write("x = ", "compute(1)").is_right(Ghost(text))

    def test_it_must_replace_the_closers_that_it_holds(self) -> None:
        writing = write("x = ", "f(a)")
        type_until(writing, "(")
        assert writing.is_right(Ghost("a)", replaces=1))
        assert not writing.is_right(Ghost("a)"))
        assert writing.is_right(Ghost("a"))
        assert not writing.is_right(Ghost("a", replaces=1))

    def test_taking_one_puts_the_caret_behind_it(self) -> None:
        writing = write("x = ", "f(a)")
        type_until(writing, "(")
        writing.take(Ghost("a)", replaces=1))
        assert (writing.document.text, writing.caret, writing.is_done) == ("x = f(a)\n", 8, True)

    def test_what_the_editor_inserts_by_itself_saves_no_keys(self) -> None:
        writing = write("def f():", "\n    return g(a)")
        assert writing.keys_for(len("\n    ")) == 1
        assert writing.keys_for(len(writing.target)) == 1 + len("return g(a)")
        assert writing.written == 0


def test_places_move_with_what_is_written_above_them() -> None:
    document = Document("a.py", "python", "one\nthree")
    first, second = Writing(document, "\ntwo", 3, "    "), Writing(document, "\nfour", 9, "    ")
    document.places += [first, second]
    by_hand(first)
    by_hand(second)
    assert document.text == "one\ntwo\nthree\nfour"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("a:\n    b\n        c\n", "    "),
        ("a {\n  b\n    c\n}\n", "  "),
        ("a {\n\tb\n}\n", "\t"),
        ("", "    "),
    ],
)
def test_the_unit_of_indentation_is_the_usual_one(text: str, unit: str) -> None:
    assert indentation_unit(text) == unit
