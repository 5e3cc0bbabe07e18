"""The entry selected in an editor's popup counts as typed, and what is offered begins with it."""

from __future__ import annotations

import pytest
from lsprotocol import types

from mellum_lsp.completion.outcome import Item
from mellum_lsp.domain import Caret
from mellum_lsp.lsp.documents import Document
from mellum_lsp.lsp.insertion import Insertion, Selection
from mellum_lsp.lsp.positions import Encoding


def selection(
    line: str, column: int, start: int, end: int, text: str, start_line: int = 0
) -> tuple[Document, Selection | None]:
    document = Document("file:///a.py", "python", 1, f"{line}\nsecond\n", Encoding.UTF16)
    info = types.SelectedCompletionInfo(
        range=types.Range(types.Position(start_line, start), types.Position(start_line, end)), text=text
    )
    return document, Selection.read(info, document, document.place(types.Position(0, column)))


def test_it_replaces_the_typed_word() -> None:
    assert selection("x.appe", 6, 2, 6, "append")[1] == Selection("append", before=4, after=0)


def test_columns_are_the_clients_units() -> None:
    assert selection("'😀'.appe", 9, 5, 9, "append")[1] == Selection("append", before=4, after=0)


@pytest.mark.parametrize(("start", "end", "start_line"), [(0, 2, 0), (7, 9, 0), (0, 3, 1)])
def test_a_range_that_does_not_hold_the_caret_cannot_be_used(start: int, end: int, start_line: int) -> None:
    assert selection("x.appe  yz", 6, start, end, "append", start_line)[1] is None


def test_the_caret_stands_behind_it_in_the_document_that_holds_it() -> None:
    document, selected = selection("x.appe(y)", 6, 2, 6, "append")
    assert selected
    caret = selected.apply(Caret("a.py", "python", "above\n" + document.text, 6 + 6))
    assert (caret.prefix, caret.suffix) == ("above\nx.append", "(y)\nsecond\n")


@pytest.mark.parametrize(
    ("selected", "inserted", "continues"),
    [
        (None, Insertion("nd(1)", 0, 1), "nd(1)"),
        (Selection("append", 4, 0), Insertion("appendnd(1)", 4, 1), "ndnd(1)"),
        (Selection("Append", 4, 2), Insertion("Appendnd(1)", 4, 3), None),
    ],
)
def test_the_insertion_begins_with_it(
    selected: Selection | None, inserted: Insertion, continues: str | None
) -> None:
    document, _ = selection("x.appe)", 6, 2, 6, "append")
    insertion = Insertion.of(Item("id", "nd(1)", replace_after=1), selected)
    assert insertion == inserted
    assert insertion.continues(document.place(types.Position(0, 6))) == continues
