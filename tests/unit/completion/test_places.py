"""Where a caret stands, and where nothing is offered unless asked for."""

from __future__ import annotations

import pytest

from mellum_lsp.completion.places import Place, place_of
from mellum_lsp.completion.rules import UnwantedPlace

from .golden import caret_in


@pytest.mark.parametrize(
    ("language", "document", "place"),
    [
        ("python", "x = $0", "code"),
        ("python", 'x = "$0"', "string"),
        ("python", 'x = "a$0', "string"),
        ("python", 'x = "a"$0', "code"),
        ("python", "x = 1  # a$0", "comment"),
        ("python", 'def f():\n    """Do $0"""\n', "comment"),
        ("python", 'def f():\n    """Do.\n\n    More $0\n    """\n', "comment"),
        ("python", 'x = """Do $0"""\n', "string"),
        ("typescript", "const a = `x$0`", "string"),
        ("typescript", "/* one\n * two $0\n */", "comment"),
        ("java", "int a = 1; // b$0", "comment"),
        ("go", 's := "a$0"', "string"),
        ("rust", "fn f<'a>(x: &'a $0) {}", "code"),
        ("markdown", 'He said "$0', "code"),
    ],
)
def test_place(language: str, document: str, place: Place) -> None:
    assert place_of(caret_in(document, language)) == place


@pytest.mark.parametrize(
    ("rule", "document", "reason"),
    [
        (UnwantedPlace(), "na$0me", "mid-word"),
        (UnwantedPlace(mid_word=True), "na$0me", "None"),
        (UnwantedPlace(), "# a $0", "None"),
        (UnwantedPlace(suppress_in=("comment",)), "# a $0", "in a comment"),
        (UnwantedPlace(suppress_in=("comment",)), "x = 'a $0'", "None"),
        (UnwantedPlace(suppress_in=("comment", "string")), "x = 'a $0'", "in a string"),
        (UnwantedPlace(suppress_in=("comment", "string")), "x = $0", "None"),
    ],
)
def test_unwanted_place(rule: UnwantedPlace, document: str, reason: str) -> None:
    assert str(rule.refuse(caret_in(document))) == reason
