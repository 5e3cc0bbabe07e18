"""What a parser says of a draft: whether it fits, whether more must come, and from how little of the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.completion.excerpt import AFTER_CHARACTERS, BEFORE_CHARACTERS, excerpt
from mellum_lsp.completion.fitting import fits, fits_begun, is_unfinished
from mellum_lsp.completion.parsing import SyntaxCheck
from mellum_lsp.workspace.grammars import grammar_of

from .golden import caret_in


@pytest.mark.parametrize(
    ("language", "document", "good", "bad"),
    [
        ("python", "def f(x):\n    $0\n", "return x", "return x)"),
        ("python", "def f(x):\n    return $0\n", "x + 1", "x x"),
        ("python", "f(a, $0\nb = 1\n", "c)", "c))"),
        ("python", "x = [\n    1,\n    $0\n]\n", "2,", "2]"),
        ("typescript", "const a = {\n  b: 1,\n  $0\n};\n", "c: 2,", "const c = 2;"),
        ("typescript", "class A {\n  $0\n}\n", "f(): void {}", "f(): void }"),
        ("java", "class A {\n  void f() {\n    $0\n  }\n}\n", "g();", "g(;"),
        ("go", "func f() {\n\tif err $0 {\n\t}\n}\n", "!= nil", "!= nil {"),
        ("rust", "match x {\n    $0\n}\n", "A => 1,", "A => => 1,"),
        ("ruby", "def f\n  $0\nend\n", "g(1)", "g(1))"),
    ],
)
def test_fits(language: str, document: str, good: str, bad: str) -> None:
    caret = caret_in(document, language)
    assert fits(good, caret)
    assert not fits(bad, caret)
    assert not fits_begun(bad, caret)


@pytest.mark.parametrize(
    ("language", "document", "text"),
    [
        ("python", "x = $0\ny = 2\n", "f(a, [b"),
        ("python", "x = $0\ny = 2\n", '{"a": f"{b'),
        ("java", "class A {\n  void f() {\n    $0\n  }\n}\n", "g(a, b)"),
        ("typescript", "$0\nfoo();\n", "const f = async () => {\n  await g("),
        ("ruby", "$0\nfoo\n", "users.each do |user|\n  next"),
        ("lua", "$0\nfoo()\n", "it('x', function()\n  local a = 1"),
        ("shellscript", "$0\necho\n", 'if [ -d "$a" ]; then'),
        ("cpp", "namespace a {\n$0\n}\n", "template <typename T>"),
    ],
)
def test_a_beginning_fits_and_is_unfinished(language: str, document: str, text: str) -> None:
    caret = caret_in(document, language)
    assert fits_begun(text, caret)
    assert is_unfinished(text, caret)


@pytest.mark.parametrize(
    ("language", "document", "text"),
    [
        ("python", "$0\n", "x = 1"),
        ("python", "$0\n", "x = 1)"),  # a mistake that nothing mends
        ("ruby", "$0\n", "foo(1)"),
        ("lua", "$0\n", "foo(1)"),
        ("java", "class A {\n  $0\n}\n", "int x = 1;"),
    ],
)
def test_what_is_over_or_beyond_help_is_not_unfinished(language: str, document: str, text: str) -> None:
    assert not is_unfinished(text, caret_in(document, language))


def test_mistakes_elsewhere_do_not_count() -> None:
    caret = caret_in("def g(:\n    pass\n\n\ndef f(x):\n    $0\n")
    assert fits("return x", caret)
    assert not fits("return x)", caret)


def test_half_a_line_at_the_caret_is_no_licence_for_mistakes() -> None:
    """The line as it is has a mistake; a draft must mend it rather than keep it."""
    caret = caret_in("total = sum(values) / $0\nprint(total)\n")
    assert fits("len(values)", caret)
    assert not fits("/ values", caret)


@pytest.mark.parametrize("language", ["markdown", "no-such-language"])
def test_without_a_grammar_everything_fits(language: str) -> None:
    caret = caret_in("a ($0 b", language)
    assert grammar_of(language) is None
    assert fits(")))", caret)


def test_where_nearly_everything_is_broken_a_parser_has_no_say() -> None:
    caret = caret_in("".join(f"def ] x{n} ) (\n" for n in range(40)) + "$0\n")
    assert fits("a)", caret)


@pytest.mark.parametrize("language", ["python", "typescript", "java", "go", "lua", "haskell", "sql"])
def test_a_text_on_which_parsers_choke_is_given_up(language: str) -> None:
    junk = "local x = function( foo do end )))) if then ((\n" * 2000
    assert fits("a)", caret_in(f"{junk}$0{junk}", language))


def document(functions: int) -> str:
    body = "".join(f"        if a{n} > {n}:\n            call({n})\n" for n in range(20))
    return "class A:\n" + "".join(
        f"    def f{n}(self, a):\n{body}        return a\n\n" for n in range(functions)
    )


@pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.77, 0.95])
def test_the_excerpt_of_a_long_file_parses_as_the_file_does(share: float) -> None:
    text = document(35)
    offset = text.index("return a", int(len(text) * share))
    around = excerpt(text, offset)
    assert len(around.before) < BEFORE_CHARACTERS + 200
    assert len(around.after) < AFTER_CHARACTERS + 200
    assert around.before.startswith("class A:\n    def f")
    caret = caret_in(f"{around.before}$0{around.after}")
    assert SyntaxCheck(caret)._fewest == 0
    long_caret = caret_in(f"{text[:offset]}$0{text[offset:]}")
    assert not fits("x)", long_caret)


def test_the_excerpt_keeps_what_closes_the_blocks_around_it() -> None:
    methods = "".join(f"  void f{n}() {{\n    call({n});\n    call({n});\n  }}\n\n" for n in range(200))
    text = f"class A {{\n{methods}}}\n"
    around = excerpt(text, text.index("call(100)"))
    assert around.before.startswith("class A {\n  void f")
    assert around.after.rstrip().endswith("\n}")


@given(st.text(alphabet=st.sampled_from('ab(){}:#"\n\t  é𝕏'), max_size=400), st.integers(0, 400))
def test_the_excerpt_of_a_short_text_is_all_of_it(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    assert excerpt(text, offset) == (text[:offset], text[offset:])


@given(
    st.lists(st.sampled_from(["a\n", "  b\n", "    }\n", "\n", "\t{\n", "else:\n", "é"]), max_size=60),
    st.data(),
)
def test_the_excerpt_is_bounded_and_joins_at_the_caret(lines: list[str], data: st.DataObject) -> None:
    text = "".join(lines) * 40
    offset = data.draw(st.integers(0, len(text)))
    around = excerpt(text, offset)
    line_before = text[text.rfind("\n", 0, offset) + 1 : offset]
    assert around.before.endswith(line_before)
    assert text[offset:].startswith(around.after.split("\n", 1)[0])
