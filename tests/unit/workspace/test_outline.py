"""A compressed form says what definitions promise: signatures, fields, first lines of documentation."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mellum_lsp
from mellum_lsp.workspace.languages import Language, find_language, language_by_id
from mellum_lsp.workspace.outline import Outline, compress, find_outline, whole_definitions
from mellum_lsp.workspace.parsing import parse

GOLDENS = sorted((Path(__file__).parents[2] / "goldens" / "outlines").glob("*.txt"))
"""Sources by language; what remains of each follows it behind a line of dashes."""


def language(name: str) -> Language:
    found = language_by_id(name)
    assert found is not None
    return found


def outlined(text: str, language: Language | None) -> tuple[list[str], Outline]:
    lines = text.split("\n")
    return lines, find_outline(lines, parse(text, language, 5.0), language)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_what_remains(golden: Path) -> None:
    text, _, remains = golden.read_text("utf-8").removesuffix("\n").partition("\n--------\n")
    lines, outline = outlined(text, language(golden.stem))
    assert compress(lines, outline, 0, len(lines)) == remains


def test_there_are_goldens_of_many_languages() -> None:
    assert len(GOLDENS) >= 20


def test_a_range_takes_in_the_whole_of_a_large_definition_that_begins_in_it() -> None:
    method = "    def method_{n}(self, value):\n" + "        value = compute(value)\n" * 20
    text = (
        "import this\n\n\nclass Large:\n"
        + "".join(method.format(n=number) for number in range(9))
        + "x = 1\n"
    )
    lines, outline = outlined(text, language("python"))
    assert whole_definitions(outline, 0, 5) == lines.index("x = 1")
    assert whole_definitions(outline, 0, 3) == 3
    expected = ["class Large:", *(f"    def method_{n}(self, value): ..." for n in range(9))]
    assert compress(lines, outline, 3, whole_definitions(outline, 3, 6)) == "\n".join(expected)
    inside_a_body = lines.index("    def method_1(self, value):") + 5
    assert compress(lines, outline, inside_a_body, inside_a_body + 30) == expected[3]


def test_data_and_text_without_grammar_are_left_alone() -> None:
    text = '{\n  "function": [\n 1,\n 2,\n 3,\n 4,\n 5\n ]\n}'
    for name in ("json", "markdown"):
        lines, outline = outlined(text, language(name))
        assert outline == Outline()
        assert compress(lines, outline, 0, len(lines)) == "\n".join(lines)


OUR_SOURCES = sorted(Path(mellum_lsp.__file__).parent.rglob("*.py"))[:60]


@pytest.mark.parametrize("path", OUR_SOURCES, ids=lambda path: path.stem)
def test_every_signature_of_real_sources_remains_and_no_body_does(path: Path) -> None:
    text = path.read_text("utf-8")
    lines, outline = outlined(text, find_language(path.name))
    remains = compress(lines, outline, 0, len(lines)).split("\n")
    tree = ast.parse(text)
    scopes = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (inner for scope in scopes for inner in scope.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert any(f"def {node.name}(" in line for line in remains)
            body = node.body[1:] if ast.get_docstring(node) else node.body
            for statement in body if node.name != "__init__" else ():
                line = lines[statement.lineno - 1]
                assert line not in remains or lines.count(line) > 1 or statement.lineno == node.lineno


@settings(max_examples=60)
@given(st.sampled_from(OUR_SOURCES), st.data())
def test_what_a_range_gives_stands_in_what_the_file_gives(path: Path, data: st.DataObject) -> None:
    lines, outline = outlined(path.read_text("utf-8"), find_language(path.name))
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    part = compress(lines, outline, start, end)
    assert not part or f"\n{part}\n" in f"\n{compress(lines, outline, 0, len(lines))}\n"


PIECES = st.sampled_from(
    [
        *("def f():", "    return 1", "class A:", "  self.x = 1", "def __init__(self):", "@d", '    """'),
        *("function f() {", "int f(int a) {", "fun f(a: Int) =", "static {", "=> {", "impl A {", "}", "end"),
        *("  x = '''", "'''", "/* é💡", " * doc", "*/", "// é", "# 💡 comment", "é = lambda x: ("),
        *("", "{", "(", ");", "\0", "\u2028"),
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=40), st.sampled_from([golden.stem for golden in GOLDENS]))
def test_broken_text_never_fails_and_gains_nothing_but_ellipses(pieces: list[str], name: str) -> None:
    lines, outline = outlined("\n".join(pieces), language(name))
    for cut, following in zip(outline.cuts, outline.cuts[1:], strict=False):
        assert cut.start < cut.end <= following.start
    remains = compress(lines, outline, 0, len(lines))
    assert len(remains) <= len("\n".join(lines)) + 8 * len(outline.cuts)
    assert remains.count("\n") <= len(lines)
