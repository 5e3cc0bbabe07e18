"""Texts for property tests: pieces of code in any order, broken more often than not."""

from __future__ import annotations

from hypothesis import strategies as st

from mellum_lsp.domain import Caret, Trigger

LANGUAGES = [
    *("python", "javascript", "typescript", "java", "go", "rust", "ruby", "lua", "shellscript", "kotlin"),
    *("html", "markdown", "json", "haskell", "?"),
]
PIECES = [
    *("\n", " ", "    ", "\t", "(", ")", "[", "]", "{", "}", '"', "'", "`", '"""', "\\", ":", ";", ",", "."),
    *("#", "//", "/*", "*/", "--", "/", "${", "#{", 'f"{', "<<EOF", "\nEOF\n", "[[", "]]"),
    *("x", "if", "else", "def", "end", "return", "value", "then", "do", "fi", "function", "pass", "TODO"),
    *("=", "+", "@", "é", "𝕏", "🚀", "👩‍🚀", "\u0301", "...", "raise NotImplementedError"),
    *("<fim_prefix>", "<|endoftext|>", "\ufffd", "\x00", "\u2028", "\x0c"),
    *(
        "x = 1\n",
        "f(a, b)\n",
        "}\n",
        "  end\n",
        "\tfi\n",
        'password = "hunter22"',
        "9e107d9d372bb6826bd81d3542a419d6",
    ),
]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
any_text = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=80)


@st.composite
def carets(draw: st.DrawFn, text: st.SearchStrategy[str] = texts) -> Caret:
    before, after = draw(text), draw(text)
    language = draw(st.sampled_from(LANGUAGES))
    trigger = draw(st.sampled_from(Trigger))
    return Caret("a", language, before + after, len(before), trigger)
