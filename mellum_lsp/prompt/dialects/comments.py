"""Comment lines in a file's own language, for models that know no other way to be told of other files."""

from __future__ import annotations

from mellum_lsp.prompt.dialects.base import ContextFile

_STYLES: dict[tuple[str, str], str] = {
    ("// ", ""): (
        "c cc cpp cs cxx dart fs fsx go groovy h hpp java js json5 jsx kt kts m mjs mm php proto rs sc scala "
        "scss sol swift ts tsx v zig"
    ),
    ("-- ", ""): "adb ads elm hs lua sql vhd",
    ("; ", ""): "asm clj cljs el ini lisp s scm",
    ("% ", ""): "erl hrl tex",
    ('" ', ""): "vim",
    ("<!-- ", " -->"): "htm html md svg svelte vue xml",
    ("/* ", " */"): "css",
    ("(* ", " *)"): "ml mli",
}
_BY_EXTENSION = {
    extension: style for style, extensions in _STYLES.items() for extension in extensions.split()
}
_DEFAULT = ("# ", "")


def commented(path: str, text: str) -> str:
    """Every line of ``text`` as a comment in the language of the file ``path``; ends with a newline."""
    _, _, extension = path.rpartition(".")
    before, behind = _BY_EXTENSION.get(extension.lower(), _DEFAULT)
    return "".join(f"{before}{line}{behind}".rstrip() + "\n" for line in text.split("\n"))


def headed(file: ContextFile) -> str:
    """The file's path as a comment line and its text as it is, with a blank line behind."""
    return f"{commented(file.path, file.path)}{file.text}\n\n"
