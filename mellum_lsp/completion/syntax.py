"""What a light lexer must know of a language: its comments, its strings, and how its blocks are marked."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Syntax:
    """``multiline`` strings may hold line breaks, ``strings`` may not.

    ``quoted_characters``: a lone ``'`` delimits no string (lifetimes, primes), only ``'x'`` is a literal.
    ``colon_blocks``: a line that ends with ``:`` opens a block, any other line is a statement by itself.
    ``braces``: blocks stand in ``{}``; ``;`` ends a statement; an operator at a line's end continues it.
    """

    line_comments: tuple[str, ...] = ()
    block_comments: tuple[tuple[str, str], ...] = ()
    multiline: tuple[str, ...] = ()
    strings: tuple[str, ...] = ('"', "'")
    quoted_characters: bool = False
    colon_blocks: bool = False
    braces: bool = False
    brackets: bool = field(default=True)


_C_COMMENTS = (("/*", "*/"),)

PYTHON = Syntax(line_comments=("#",), multiline=('"""', "'''"), colon_blocks=True)
C = Syntax(line_comments=("//",), block_comments=_C_COMMENTS, braces=True)
JAVASCRIPT = Syntax(line_comments=("//",), block_comments=_C_COMMENTS, multiline=("`",), braces=True)
JAVA = Syntax(line_comments=("//",), block_comments=_C_COMMENTS, multiline=('"""',), braces=True)
RUST = Syntax(
    line_comments=("//",),
    block_comments=_C_COMMENTS,
    multiline=('"',),
    strings=(),
    quoted_characters=True,
    braces=True,
)
PHP = Syntax(line_comments=("//", "#"), block_comments=_C_COMMENTS, braces=True)
CSS = Syntax(block_comments=_C_COMMENTS, braces=True)
HASH = Syntax(line_comments=("#",))
LUA = Syntax(line_comments=("--",), block_comments=(("--[[", "]]"),), multiline=())
SQL = Syntax(line_comments=("--",), block_comments=_C_COMMENTS)
HASKELL = Syntax(
    line_comments=("--",), block_comments=(("{-", "-}"),), strings=('"',), quoted_characters=True
)
LISP = Syntax(line_comments=(";",), multiline=('"',), strings=())
MARKUP = Syntax(block_comments=(("<!--", "-->"),), strings=())
PROSE = Syntax(strings=(), brackets=False)
JSON = Syntax(line_comments=("//",), strings=('"',))
UNKNOWN = Syntax(strings=('"',))

_BY_LANGUAGE = {
    PYTHON: ("python", "starlark", "cython", "gdscript", "nim"),
    C: (
        "c",
        "cpp",
        "objective-c",
        "objective-cpp",
        "cuda-cpp",
        "csharp",
        "dart",
        "solidity",
        "glsl",
        "proto",
    ),
    JAVASCRIPT: ("javascript", "javascriptreact", "typescript", "typescriptreact", "go"),
    JAVA: ("java", "kotlin", "scala", "swift", "groovy"),
    RUST: ("rust", "zig"),
    PHP: ("php", "terraform", "hcl"),
    CSS: ("css", "scss", "less"),
    HASH: (
        *("ruby", "shellscript", "bash", "sh", "fish", "perl", "r", "elixir", "julia", "crystal"),
        *("yaml", "toml", "ini", "properties", "dockerfile", "makefile", "cmake", "powershell", "nix"),
    ),
    LUA: ("lua",),
    SQL: ("sql", "ada", "vhdl"),
    HASKELL: ("haskell", "elm", "purescript", "ocaml", "fsharp"),
    LISP: ("clojure", "lisp", "scheme", "racket", "elisp", "emacs-lisp"),
    MARKUP: ("html", "xml", "vue", "svelte", "astro"),
    PROSE: ("markdown", "plaintext", "restructuredtext", "latex", "tex", "git-commit", "asciidoc"),
    JSON: ("json", "jsonc", "json5"),
}
_SYNTAXES = {language: syntax for syntax, languages in _BY_LANGUAGE.items() for language in languages}


def syntax_of(language: str) -> Syntax:
    """The syntax for an LSP language identifier; a cautious one where the language is not known."""
    return _SYNTAXES.get(language.lower(), UNKNOWN)
