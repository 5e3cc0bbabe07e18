"""What the light lexer sees: brackets that count, and those in strings, comments and regular expressions."""

from __future__ import annotations

import pytest

from mellum_lsp.completion.lexing import CODE, State, scan
from mellum_lsp.completion.syntax import syntax_of


def brackets(language: str, text: str, before: str = "") -> str:
    """The brackets of ``text`` that count as code, in order."""
    events = scan(text, syntax_of(language), before=before)
    return "".join(event.text for event in events if event.kind in ("open", "close"))


def state_behind(language: str, text: str) -> State:
    state = CODE
    for event in scan(text, syntax_of(language)):
        state = event.state
    return state


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        # Regular expressions, where a value is expected.
        ("typescript", "s.replace(/[()]{2}\\//g, x)", "()"),
        ("typescript", "const r = /(a|b/;", ""),
        ("typescript", "return /[(]/.test(s)", "()"),
        ("javascript", "a / (b) / (c)", "()()"),
        ("javascript", "f(x) / g[0]", "()[]"),
        ("javascript", "x = y /* ( */ + (1)", "()"),
        ("typescriptreact", "<div>{a}</div> // (", "{}"),
        ("ruby", "s =~ /\\((.*)/ and f(1)", "()"),
        # Code in strings.
        ("typescript", "`a ( ${f({b})} )`", "{({})}"),
        ("typescript", "`${`(${a}`} (` + (", "{{}}("),
        ("python", "f'{a[0]} ( {{ {b!r:>{w}}'", "{[]}{{}}"),
        ("python", 'f"{d["k"]}("', "{[]}"),
        ("python", 'rf"{a}\\("', "{}"),
        ("python", "'{a('", ""),
        ("kotlin", '"${f(a)} ("', "{()}"),
        ("ruby", '"#{f(a)} (" + "("', "{()}"),
        ("swift", '"\\(f(a)) ("', "(())"),
        ("csharp", '$"{a[0]} ("', "{[]}"),
        ("shellscript", 'echo "$(f "(" ) ("', "()"),
        # Here documents.
        ("shellscript", "cat <<EOF | f (\n it's (\nEOF\ng )", "()"),
        ("shellscript", "cat <<-'END'\n\t(\n\tEND\n)", ")"),
        ("shellscript", "f <<< $(g)\n(", "()("),
        ("ruby", "x = <<~SQL.strip\n  (\nSQL\nf()", "()"),
        ("ruby", "a << b(c)", "()"),
        ("php", "$a = <<<EOT\n(\nEOT;\nf()", "()"),
        # Raw strings, and comments that are none.
        ("go", "`\\` + f(a)", "()"),
        ("rust", 'r#"a " ("# + f(a)', "()"),
        ("cpp", 'R"(a ")" + f(a)', "()"),
        ("lua", "x = [[ ( ]] .. f(a)", "()"),
        ("shellscript", "${a#b} $# # (", "{}"),
        ("shellscript", "echo 'a\\' (", "("),
        ("ruby", "f(a) # (", "()"),
        # A string that forgot its end is over with its line, and so is code in it.
        ("python", "x = 'a\nf(b)", "()"),
        ("python", 'x = f"{a\nf(b)', "{()"),
        ("kotlin", '"${a\nf(b)', "{()"),
    ],
)
def test_brackets(language: str, text: str, expected: str) -> None:
    assert brackets(language, text) == expected


@pytest.mark.parametrize(
    ("language", "before", "text", "expected"),
    [
        ("javascript", "x = a ", "/ (b) / 2", "()"),
        ("javascript", "x = ", "/(b)/.exec(c)", "()"),
        ("javascript", "return ", "/(/", ""),
        ("shellscript", "echo $", "# (", "("),
        ("shellscript", "echo ", "# (", ""),
        ("python", "print(f", "'{a}'", "{}"),
    ],
)
def test_what_stands_before_decides(language: str, before: str, text: str, expected: str) -> None:
    assert brackets(language, text, before) == expected


@pytest.mark.parametrize(
    ("language", "text", "kind", "strings"),
    [
        ("typescript", "`a ${", "code", 1),
        ("typescript", "`a ${`", "string", 2),
        ("typescript", "`a ${b}", "string", 1),
        ("typescript", "`a ${b}`", "code", 0),
        ("typescript", "/ab", "string", 1),
        ("python", "f'{a", "code", 1),
        ("python", "f'{a}", "string", 1),
        ("shellscript", "cat <<EOF\na", "string", 1),
        ("shellscript", "cat <<EOF\na\nEOF\n", "code", 0),
        ("shellscript", "cat <<A <<B\na\nA\nb", "string", 1),
        ("python", "# a", "line comment", 1),
        ("python", "f'{a # b\n", "code", 0),
    ],
)
def test_state_behind(language: str, text: str, kind: str, strings: int) -> None:
    state = state_behind(language, text)
    assert (state.kind, state.strings) == (kind, strings)
