"""Which language a document is in, whatever its editor calls it."""

from __future__ import annotations

import pytest

from mellum_lsp.workspace.languages import LANGUAGES, identify


@pytest.mark.parametrize(
    ("named", "path", "language"),
    [
        ("python", "a.py", "python"),
        ("plaintext", "a.py", "plaintext"),  # its user has chosen that
        ("sh", "untitled:1", "shellscript"),  # Neovim's file type
        ("c-sharp", "untitled:1", "csharp"),  # Helix' name
        ("yaml.ansible", "untitled:1", "yaml"),
        ("python-ts", "/project/a.py", "python"),  # an Emacs mode
        ("brainfuck", "/project/a.bf", "brainfuck"),
        ("", "/project/Makefile", "makefile"),
    ],
)
def test_an_editors_own_name_is_understood(named: str, path: str, language: str) -> None:
    assert identify(named, path) == language


def test_every_name_means_one_language() -> None:
    names = [name for language in LANGUAGES for name in (language.id, *language.aliases)]
    assert len(names) == len(set(names))
