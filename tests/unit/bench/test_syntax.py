"""Outlines and definitions are read alike in every language."""

from __future__ import annotations

import pytest

from mellum_lsp.bench.syntax import definitions, has_syntax, outline
from mellum_lsp.workspace.languages import find_language, language_by_id


def python(text: str):
    language = find_language("a.py")
    assert language
    return outline(text, language)


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        (
            "a.py",
            "LIMIT = 3\nclass Cart:\n    tax = 1\n    def add(self):\n        local = 2\n",
            {"LIMIT", "Cart", "tax", "add"},
        ),
        (
            "a.ts",
            "import { Other } from 'x';\n"
            "export class Cart { private tax = 1; add(): void { const local = 2; } }\n"
            "export interface Priced { price: number }\nexport const limit = 3;\n",
            {"Cart", "tax", "add", "Priced", "price", "limit"},
        ),
        (
            "A.java",
            "class Cart { static final int LIMIT = 3; void add(int count) { int local = 2; } }\n",
            {"Cart", "LIMIT", "add"},
        ),
        (
            "a.kt",
            "class Cart(val keeper: Int) {\n    fun add(count: Int): Int {\n        val local = 2\n"
            "        return local\n    }\n}\nval limit = 3\n",
            {"Cart", "add", "limit"},
        ),
        (
            "a.go",
            "package shop\ntype Cart struct { Tax int }\nfunc (c *Cart) Add() { local := 2 }\n"
            "var limit = 3\n",
            {"Cart", "Tax", "Add", "limit"},
        ),
        (
            "a.rs",
            "pub struct Cart { tax: i32 }\nimpl Cart { fn add(&self) { let local = 2; } }\n"
            "const LIMIT: i32 = 3;\n",
            {"Cart", "tax", "add", "LIMIT"},
        ),
    ],
)
def test_what_a_file_defines_but_for_its_locals(path: str, text: str, names: set[str]) -> None:
    language = find_language(path)
    assert language
    assert definitions(text, language) == names


def test_statements_fill_whole_lines_and_imports_comments_and_docstrings_are_none() -> None:
    source = python(
        'import os\n\n\ndef go(a):\n    """Goes."""\n    # where?\n    b = a; c = 2\n    return b\n'
    )
    assert [source.text[s.start : s.end] for s in source.statements][1:] == ["return b"]
    assert source.text[source.statements[0].start :].startswith("def go(a):")


def test_the_separator_behind_a_statement_belongs_to_it() -> None:
    source = python("pair = [\n    first,\n    second(1),\n]\n")
    assert "second(1)," in [source.text[s.start : s.end] for s in source.statements]


def test_words_are_names_in_code_only() -> None:
    source = python("total = add(left) # right\nname = 'text'\n")
    assert [word.text for word in source.words] == ["total", "add", "left", "name"]


def test_offsets_count_characters_whatever_their_bytes() -> None:
    source = python("größe = '🧮'\nlänge = größe.weite\n")
    assert [source.text[w.start : w.start + len(w.text)] for w in source.words] == [
        "größe",
        "länge",
        "größe",
        "weite",
    ]


@pytest.mark.parametrize(("language", "is_code"), [("python", True), ("json", False), ("markdown", False)])
def test_only_code_has_syntax_to_choose_holes_by(language: str, is_code: bool) -> None:
    assert has_syntax(language_by_id(language)) is is_code
