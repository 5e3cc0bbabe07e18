# ruff: noqa: E501
"""What holds for the chunks of any file, in many languages, whole or broken."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mellum_lsp
from mellum_lsp.workspace.chunks import Span
from mellum_lsp.workspace.languages import LANGUAGES, Language, find_language, language_by_id
from mellum_lsp.workspace.settings import IndexSettings

from .marked_chunks import cut_chunks

SETTINGS = IndexSettings()

# A small definition of each language, to be repeated under many names. {n} is a number.
SAMPLES = {
    "python": "def handle_{n}(first, second):\n    total = first + second\n    if total > {n}:\n        return total\n    return {n}\n",
    "javascript": "function handle{n}(first, second) {{\n  const total = first + second;\n  return total > {n} ? total : {n};\n}}\n",
    "typescript": "export function handle{n}(first: number): number {{\n  const total = first + {n};\n  return total;\n}}\n",
    "typescriptreact": "export function Handle{n}(props: Props) {{\n  const total = props.total;\n  return <b>{{total}}</b>;\n}}\n",
    "java": "class Handler{n} {{\n  int handle(int first) {{\n    return first + {n};\n  }}\n}}\n",
    "kotlin": "fun handle{n}(first: Int): Int {{\n  val total = first + {n}\n  return total\n}}\n",
    "go": "func handle{n}(first int) int {{\n\ttotal := first + {n}\n\treturn total\n}}\n",
    "rust": "pub fn handle_{n}(first: i32) -> i32 {{\n    let total = first + {n};\n    total\n}}\n",
    "c": "int handle_{n}(int first) {{\n  int total = first + {n};\n  return total;\n}}\n",
    "cpp": "int Handler::handle{n}(int first) {{\n  auto total = first + {n};\n  return total;\n}}\n",
    "csharp": "class Handler{n} {{\n  int Handle(int first) {{\n    return first + {n};\n  }}\n}}\n",
    "ruby": "def handle_{n}(first)\n  total = first + {n}\n  total\nend\n",
    "php": "function handle{n}($first) {{\n  $total = $first + {n};\n  return $total;\n}}\n",
    "swift": "func handle{n}(first: Int) -> Int {{\n  let total = first + {n}\n  return total\n}}\n",
    "scala": "object Handler{n} {{\n  def handle(first: Int): Int = {{\n    first + {n}\n  }}\n}}\n",
    "groovy": "def handle{n}(first) {{\n  def total = first + {n}\n  return total\n}}\n",
    "dart": "int handle{n}(int first) {{\n  final total = first + {n};\n  return total;\n}}\n",
    "lua": "function handle{n}(first)\n  local total = first + {n}\n  return total\nend\n",
    "perl": "sub handle_{n} {{\n  my ($first) = @_;\n  return $first + {n};\n}}\n",
    "r": "handle_{n} <- function(first) {{\n  total <- first + {n}\n  total\n}}\n",
    "julia": "function handle_{n}(first)\n    total = first + {n}\n    return total\nend\n",
    "haskell": "handle{n} :: Int -> Int\nhandle{n} first =\n  let total = first + {n}\n  in total\n",
    "ocaml": "let handle{n} first =\n  let total = first + {n} in\n  total\n",
    "elixir": "defmodule Handler{n} do\n  def handle(first) do\n    first + {n}\n  end\nend\n",
    "erlang": "handle_{n}(First) ->\n    Total = First + {n},\n    Total.\n",
    "clojure": "(defn handle-{n} [first]\n  (let [total (+ first {n})]\n    total))\n",
    "zig": "fn handle{n}(first: i32) i32 {{\n    const total = first + {n};\n    return total;\n}}\n",
    "shellscript": "handle_{n}() {{\n  local total=$(( $1 + {n} ))\n  echo \"$total\"\n}}\n",
    "powershell": "function Handle-{n} {{\n  param($First)\n  return $First + {n}\n}}\n",
    "sql": "CREATE TABLE handle_{n} (\n  id integer primary key,\n  total integer not null\n);\n",
    "css": ".handle-{n} {{\n  color: red;\n  margin: {n}px;\n}}\n",
    "terraform": "resource \"handler\" \"handle_{n}\" {{\n  total = {n}\n  name  = \"n\"\n}}\n",
    "proto": "message Handle{n} {{\n  int32 first = 1;\n  int32 second = 2;\n}}\n",
    "solidity": "contract Handler{n} {{\n  function handle(uint first) public {{\n    total = first + {n};\n  }}\n}}\n",
}  # fmt: skip


def language(name: str) -> Language:
    found = language_by_id(name)
    assert found is not None
    return found


def assert_covers(text: str, spans: list[Span], limits: IndexSettings, overlapping: bool) -> None:
    lines = text.split("\n")
    seen = [0] * len(lines)
    for span in spans:
        assert 0 <= span.start < span.end <= len(lines)
        assert lines[span.start].strip() and lines[span.end - 1].strip()
        assert span.end - span.start <= limits.max_chunk_lines
        characters = sum(len(line) + 1 for line in lines[span.start : span.end])
        assert characters <= limits.max_chunk_characters or span.end - span.start == 1
        assert all(header < span.end for header in span.scope)
        for line in range(span.start, span.end):
            seen[line] += 1
    for line, times in zip(lines, seen, strict=True):
        assert times >= 1 or not line.strip()
        assert times <= 1 or overlapping
    assert [span.start for span in spans] == sorted(span.start for span in spans)


@pytest.mark.parametrize("name", SAMPLES)
def test_small_definitions_stay_whole_in_every_language(name: str) -> None:
    definitions = [SAMPLES[name].format(n=number) for number in range(40)]
    text = ("<?php\n" if name == "php" else "") + "\n".join(definitions)
    spans = cut_chunks(text, language(name), SETTINGS)
    assert_covers(text, spans, SETTINGS, overlapping=False)
    assert len(spans) > 5
    lines = text.split("\n")
    for definition in definitions:
        assert any(definition.rstrip("\n") in "\n".join(lines[span.start : span.end]) for span in spans)


def test_at_least_25_languages_have_a_grammar_that_is_there() -> None:
    from tree_sitter_language_pack import get_parser

    grammars = {one.grammar for one in LANGUAGES if one.grammar}
    assert len(grammars) >= 25
    for grammar in grammars:
        assert get_parser(grammar)


OUR_SOURCES = sorted(Path(mellum_lsp.__file__).parent.rglob("*.py"))[:60]


@pytest.mark.parametrize(
    "limits", [SETTINGS, IndexSettings(chunk_lines=4, max_chunk_lines=10, max_chunk_characters=400)]
)
def test_real_sources_are_covered(limits: IndexSettings) -> None:
    for path in OUR_SOURCES:
        text = path.read_text("utf-8")
        assert_covers(text, cut_chunks(text, find_language(path.name), limits), limits, overlapping=False)


def test_no_function_that_fits_is_split() -> None:
    import ast

    for path in OUR_SOURCES:
        text = path.read_text("utf-8")
        spans = cut_chunks(text, find_language(path.name), SETTINGS)
        lines = text.split("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
                size = sum(len(line) + 1 for line in lines[first : node.end_lineno])
                fits = (node.end_lineno or 0) - first <= SETTINGS.max_chunk_lines
                if fits and size <= SETTINGS.max_chunk_characters:
                    holders = [span for span in spans if span.start <= first < span.end]
                    assert holders and holders[0].end >= (node.end_lineno or 0), f"{path}:{first + 1}"


def test_blank_lines_above_do_not_make_a_definition_too_large() -> None:
    definition = "def handle():\n" + "    value = compute()\n" * (SETTINGS.max_chunk_lines - 1)
    text = "import this\n\n\n\n" + definition + "\n\n" + definition
    spans = cut_chunks(text, language("python"), SETTINGS)
    assert [(span.start, span.end) for span in spans] == [(0, 1), (4, 52), (54, 102)]


def test_a_method_of_a_large_class_knows_its_class() -> None:
    method = "    def method_{n}(self):\n" + "        value = compute()\n" * 12
    text = "@decorated\nclass Large(Base):\n" + "".join(method.format(n=number) for number in range(9))
    spans = cut_chunks(text, language("python"), SETTINGS)
    headers = [[text.split("\n")[line] for line in span.scope] for span in spans]
    assert spans[0].start == 0
    assert headers[1:] == [["class Large(Base):"]] * (len(spans) - 1)


def test_the_header_of_a_large_function_stays_with_its_beginning() -> None:
    text = "x = 1\n\n\ndef large(argument):\n" + "    value = compute(argument)\n" * 90
    spans = cut_chunks(text, language("python"), SETTINGS)
    holder = next(span for span in spans if span.start <= 3 < span.end)
    assert holder.end > 5
    assert all(span.scope == (3,) for span in spans if span.start > 6)


def test_a_long_scalar_at_the_end_of_a_yaml_file_is_cut_by_lines() -> None:
    """It broke the index of whole folders: nothing was left for the last piece, which began behind the file."""
    script = "".join(f"      {'x' * 100}{number}\n" for number in range(30))
    text = f"job:\n  steps:\n    script: |\n{script}      end"
    spans = cut_chunks(text, language_by_id("yaml"), SETTINGS)
    assert spans[0].start == 0
    assert spans[-1].end == text.count("\n") + 1
    assert all(one.end == two.start for one, two in pairwise(spans))


def test_text_without_grammar_is_cut_into_overlapping_windows() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    spans = cut_chunks(text, None, SETTINGS)
    assert_covers(text, spans, SETTINGS, overlapping=True)
    assert all(later.start < earlier.end for earlier, later in pairwise(spans))


def test_a_file_that_does_not_parse_is_cut_into_windows() -> None:
    text = "\n".join("}} ((( 1 = = [ def class {{ %" for _ in range(100))
    spans = cut_chunks(text, language("python"), SETTINGS)
    assert_covers(text, spans, SETTINGS, overlapping=True)


def test_a_parse_that_takes_too_long_is_given_up() -> None:
    text = "x = [1, 2, 3]\n" * 60_000
    begun = time.monotonic()
    spans = cut_chunks(text, language("python"), IndexSettings(parse_ms=5))
    assert time.monotonic() - begun < 2
    assert spans[1].start < spans[0].end  # windows


def test_deep_nesting_neither_hangs_nor_overflows() -> None:
    text = "x = " + "(\n" * 3000 + "1" + "\n)" * 3000 + "\n"
    assert_covers(text, cut_chunks(text, language("python"), SETTINGS), SETTINGS, overlapping=True)
    text = "\n".join("a +" for _ in range(5000)) + "\n1"
    assert_covers(text, cut_chunks(text, language("javascript"), SETTINGS), SETTINGS, overlapping=True)


LINES = st.sampled_from(
    ["", "def f():", "    return 1", "class A:", "  x = '''", "'''", "}", "{", "# é💡 comment", "\t\tif x:", "@d",
     "a" * 300, "\x0c", "\u2028", "\0", "import os", "    def g(self):", ")", "x = (", "\ufffd"]
)  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(LINES, max_size=120), st.sampled_from(["python", "typescript", "java", "kotlin", "rust", None])
)
def test_any_text_is_covered_within_the_bounds(lines: list[str], name: str | None) -> None:
    text = "\n".join(lines)
    limits = IndexSettings(chunk_lines=6, max_chunk_lines=14, max_chunk_characters=500)
    spans = cut_chunks(text, language(name) if name else None, limits)
    assert_covers(text, spans, limits, overlapping=True)
