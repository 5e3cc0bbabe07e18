"""Which language a file is written in, and which tree-sitter grammar and node types cut it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Language:
    """``id`` is the LSP language identifier; ``grammar`` the tree-sitter grammar, None: lines must do.

    ``aliases`` are what editors call it instead.
    """

    id: str
    grammar: str | None
    extensions: tuple[str, ...]
    filenames: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


LANGUAGES: tuple[Language, ...] = (
    Language("python", "python", ("py", "pyi", "pyw", "pyx"), ("SConstruct", "SConscript")),
    Language("javascript", "javascript", ("js", "mjs", "cjs")),
    Language("javascriptreact", "javascript", ("jsx",), aliases=("jsx",)),
    Language("typescript", "typescript", ("ts", "mts", "cts")),
    Language("typescriptreact", "tsx", ("tsx",), aliases=("tsx",)),
    Language("java", "java", ("java",)),
    Language("kotlin", "kotlin", ("kt", "kts")),
    Language("go", "go", ("go",)),
    Language("rust", "rust", ("rs",)),
    Language("c", "c", ("c", "h")),
    Language("cpp", "cpp", ("cc", "cpp", "cxx", "hh", "hpp", "hxx", "inl", "ipp")),
    Language("csharp", "csharp", ("cs",), aliases=("cs", "c-sharp")),
    Language("ruby", "ruby", ("rb", "rake", "gemspec"), ("Rakefile", "Gemfile")),
    Language("php", "php", ("php",)),
    Language("swift", "swift", ("swift",)),
    Language("scala", "scala", ("scala", "sc", "sbt")),
    Language("groovy", "groovy", ("groovy", "gradle"), ("Jenkinsfile",)),
    Language("dart", "dart", ("dart",)),
    Language("lua", "lua", ("lua",)),
    Language("perl", "perl", ("pl", "pm")),
    Language("r", "r", ("r",)),
    Language("julia", "julia", ("jl",)),
    Language("haskell", "haskell", ("hs",)),
    Language("ocaml", "ocaml", ("ml",)),
    Language("fsharp", "fsharp", ("fs", "fsx")),
    Language("elixir", "elixir", ("ex", "exs")),
    Language("erlang", "erlang", ("erl", "hrl")),
    Language("clojure", "clojure", ("clj", "cljs", "cljc")),
    Language("elm", "elm", ("elm",)),
    Language("zig", "zig", ("zig",)),
    Language("nim", "nim", ("nim",)),
    Language("d", "d", ("d",)),
    Language("objective-c", "objc", ("m", "mm"), aliases=("objc", "objcpp", "objective-cpp")),
    Language("solidity", "solidity", ("sol",)),
    Language("fortran", "fortran", ("f90", "f95", "f03", "f08")),
    Language("pascal", "pascal", ("pas",)),
    Language(
        "shellscript",
        "bash",
        ("sh", "bash", "zsh"),
        ("PKGBUILD", ".bashrc", ".zshrc"),
        aliases=("sh", "bash", "zsh"),
    ),
    Language("powershell", "powershell", ("ps1", "psm1"), aliases=("ps1",)),
    Language("sql", "sql", ("sql",)),
    Language("html", "html", ("html", "htm")),
    Language("css", "css", ("css",)),
    Language("scss", "scss", ("scss",)),
    Language("vue", "vue", ("vue",)),
    Language("svelte", "svelte", ("svelte",)),
    Language("json", "json", ("json", "jsonc"), aliases=("jsonc",)),
    Language("yaml", "yaml", ("yaml", "yml")),
    Language("toml", "toml", ("toml",), ("Cargo.lock", "poetry.lock")),
    Language("xml", "xml", ("xml", "xsd", "xsl")),
    Language("markdown", None, ("md", "markdown")),
    Language("restructuredtext", None, ("rst",), aliases=("rst",)),
    Language("plaintext", None, ("txt",), aliases=("text",)),
    Language("terraform", "terraform", ("tf", "tfvars"), aliases=("tf", "tfvars")),
    Language("hcl", "hcl", ("hcl",)),
    Language("dockerfile", "dockerfile", ("dockerfile",), ("Dockerfile", "Containerfile")),
    Language("makefile", "make", ("mk",), ("Makefile", "GNUmakefile", "makefile"), aliases=("make",)),
    Language("cmake", "cmake", ("cmake",), ("CMakeLists.txt",)),
    Language("proto", "proto", ("proto",), aliases=("protobuf",)),
    Language("graphql", "graphql", ("graphql", "gql")),
    Language("ini", None, ("ini", "cfg", "conf", "properties"), aliases=("dosini", "properties")),
    Language("viml", "vim", ("vim",), (".vimrc",), aliases=("vim",)),
    Language("emacs-lisp", "elisp", ("el",), aliases=("elisp",)),
    Language("nix", "nix", ("nix",)),
    Language("glsl", "glsl", ("glsl", "vert", "frag")),
    Language("cuda-cpp", "cuda", ("cu", "cuh"), aliases=("cuda",)),
    Language("verilog", "verilog", ("v", "sv"), aliases=("systemverilog",)),
    Language("vhdl", "vhdl", ("vhd", "vhdl")),
    Language(
        "starlark", "starlark", ("bzl", "bazel", "star"), ("BUILD", "WORKSPACE"), aliases=("bzl", "bazel")
    ),
)

_BY_EXTENSION = {extension: language for language in LANGUAGES for extension in language.extensions}
_BY_FILENAME = {name: language for language in LANGUAGES for name in language.filenames}
_BY_ID = {language.id: language for language in LANGUAGES}
_BY_ALIAS = {alias: language for language in LANGUAGES for alias in language.aliases}


def find_language(path: str) -> Language | None:
    """The language of a path by its name alone, None where it is not one that we index."""
    name = PurePosixPath(path.replace("\\", "/")).name
    known = _BY_FILENAME.get(name)
    if known is not None:
        return known
    _, dot, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension.lower()) if dot else None


def language_of(path: str) -> str:
    """The LSP language identifier of a path, ``plaintext`` where it is unknown."""
    language = find_language(path)
    return language.id if language is not None else "plaintext"


def language_by_id(language_id: str) -> Language | None:
    """The language with this LSP identifier."""
    return _BY_ID.get(language_id)


def identify(named: str, path: str) -> str:
    """The LSP language identifier for what an editor calls ``named`` in the file at ``path``.

    Editors send names of their own: Neovim its file types (``sh``, ``yaml.ansible``), Helix ``c-sharp``,
    Emacs its modes. A name that nobody knows stays as it is where the path does not tell either.
    """
    name = named.partition(".")[0]
    known = _BY_ID.get(name) or _BY_ALIAS.get(name) or find_language(path)
    return known.id if known is not None else named
