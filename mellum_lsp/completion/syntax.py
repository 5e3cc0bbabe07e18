"""What a light lexer must know of a language: its comments, its strings, and how its blocks are marked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Syntax:
    """``multiline`` strings may hold line breaks, ``strings`` may not; ``raw`` are pairs of delimiters
    between which nothing is escaped, and lines may break.

    ``holes``: in strings with this delimiter, any of these opens code (``${`` in a template). ``hole_prefix``
    is a pattern that in front of a string's delimiter does the same for ``{``.
    ``heredoc`` is a pattern that announces a string which begins on the next line and ends where a line
    begins with the group ``word``.
    ``regexes``: ``/`` opens a regular expression where a value is expected.
    ``quoted_characters``: a lone ``'`` delimits no string (lifetimes, primes), only ``'x'`` is a literal.
    ``spaced_comments``: a line comment needs white space before it (``$#`` is none).
    ``lone_closers``: brackets that may close what nothing opened (patterns of a shell's ``case``).
    ``colon_blocks``: a line that ends with ``:`` opens a block, any other line is a statement by itself.
    ``braces``: blocks stand in ``{}``; ``;`` ends a statement; an operator at a line's end continues it.
    ``word_blocks``: words close blocks (``end``, ``fi``); what opens them, the language's grammar knows.
    ``empty_statement``: what a block must at least hold.
    """

    line_comments: tuple[str, ...] = ()
    block_comments: tuple[tuple[str, str], ...] = ()
    multiline: tuple[str, ...] = ()
    strings: tuple[str, ...] = ('"', "'")
    raw: tuple[tuple[str, str], ...] = ()
    holes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    hole_prefix: str = ""
    heredoc: str = ""
    regexes: bool = False
    quoted_characters: bool = False
    spaced_comments: bool = False
    lone_closers: str = ""
    colon_blocks: bool = False
    braces: bool = False
    word_blocks: tuple[str, ...] = ()
    empty_statement: str = ""
    brackets: bool = field(default=True)


_C_COMMENTS = (("/*", "*/"),)

PYTHON = Syntax(
    line_comments=("#",),
    multiline=('"""', "'''"),
    hole_prefix=r"(?<![\w])(?:[fFtT][rR]?|[rR][fFtT])",
    colon_blocks=True,
)
C = Syntax(line_comments=("//",), block_comments=_C_COMMENTS, braces=True)
CPP = replace(C, raw=(('R"(', ')"'),))
CSHARP = replace(C, hole_prefix=r"\$@?|@\$", multiline=('"""',))
DART = replace(C, multiline=('"""', "'''"), holes=(('"', ("${",)), ("'", ("${",))))
JAVASCRIPT = replace(C, multiline=("`",), holes=(("`", ("${",)),), regexes=True)
GO = replace(C, raw=(("`", "`"),))
JAVA = replace(C, multiline=('"""',))
KOTLIN = replace(JAVA, holes=(('"""', ("${",)), ('"', ("${",))))
SWIFT = replace(JAVA, holes=(('"""', ("\\(",)), ('"', ("\\(",))))
RUST = Syntax(
    line_comments=("//",),
    block_comments=_C_COMMENTS,
    multiline=('"',),
    strings=(),
    raw=(('r##"', '"##'), ('r#"', '"#')),
    quoted_characters=True,
    braces=True,
)
PHP = Syntax(
    line_comments=("//", "#"),
    block_comments=_C_COMMENTS,
    heredoc=r"<<<[ \t]*(?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)",
    braces=True,
)
HCL = Syntax(
    line_comments=("//", "#"),
    block_comments=_C_COMMENTS,
    holes=(('"', ("${", "%{")),),
    heredoc=r"<<-?(?P<word>[A-Za-z_]\w*)",
    braces=True,
)
CSS = Syntax(block_comments=_C_COMMENTS, braces=True)
HASH = Syntax(line_comments=("#",), spaced_comments=True)
SHELL = Syntax(
    line_comments=("#",),
    multiline=('"',),
    strings=(),
    raw=(("'", "'"),),
    holes=(('"', ("$(", "${")),),
    heredoc=r"(?<!<)<<-?[ \t]*(?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)",
    spaced_comments=True,
    lone_closers=")",
    word_blocks=("fi", "done", "esac", "}"),
    empty_statement=":",
)
RUBY = Syntax(
    line_comments=("#",),
    holes=(('"', ("#{",)), ("`", ("#{",))),
    heredoc=r"<<[~-](?P<quote>['\"]?)(?P<word>[A-Za-z_]\w*)(?P=quote)",
    regexes=True,
    spaced_comments=True,
    word_blocks=("end",),
)
ELIXIR = Syntax(
    line_comments=("#",),
    multiline=('"""',),
    holes=(('"""', ("#{",)), ('"', ("#{",))),
    spaced_comments=True,
    word_blocks=("end",),
)
END_WORDS = Syntax(line_comments=("#",), spaced_comments=True, word_blocks=("end",))
LUA = Syntax(
    line_comments=("--",), block_comments=(("--[[", "]]"),), raw=(("[[", "]]"),), word_blocks=("end",)
)
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
    C: ("c", "objective-c", "objective-cpp", "solidity", "glsl", "proto"),
    CPP: ("cpp", "cuda-cpp"),
    CSHARP: ("csharp",),
    DART: ("dart",),
    JAVASCRIPT: ("javascript", "javascriptreact", "typescript", "typescriptreact"),
    GO: ("go",),
    JAVA: ("java",),
    KOTLIN: ("kotlin", "scala", "groovy"),
    SWIFT: ("swift",),
    RUST: ("rust", "zig"),
    PHP: ("php",),
    HCL: ("terraform", "hcl"),
    CSS: ("css", "scss", "less"),
    HASH: (
        *("fish", "perl", "r", "yaml", "toml", "ini", "properties", "dockerfile", "makefile"),
        *("cmake", "powershell", "nix"),
    ),
    SHELL: ("shellscript", "bash", "sh"),
    RUBY: ("ruby",),
    ELIXIR: ("elixir",),
    END_WORDS: ("crystal", "julia"),
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
