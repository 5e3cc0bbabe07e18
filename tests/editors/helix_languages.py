"""Writes Helix' languages.toml: mellum-lsp in front of the servers that Helix itself gives each language.

.venv/bin/python tests/editors/helix_languages.py > editor-configs/helix/languages.toml
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mellum_lsp.workspace.languages import LANGUAGES

REPOSITORY = Path(__file__).resolve().parents[2]

NAMES = {
    "javascriptreact": ("jsx",),
    "typescriptreact": ("tsx",),
    "csharp": ("c-sharp",),
    "shellscript": ("bash",),
    "json": ("json", "jsonc"),
    "restructuredtext": ("rst",),
    "terraform": ("hcl", "tfvars"),
    "makefile": ("make",),
    "proto": ("protobuf",),
    "ini": ("ini", "properties"),
    "viml": ("vim",),
    "emacs-lisp": ("elisp",),
    "verilog": ("verilog", "systemverilog"),
}
"""What Helix calls our languages, where that is not the protocol's name."""

UNKNOWN = {"objective-c", "plaintext", "hcl", "cuda-cpp"}
"""Languages for which Helix 25.07 has no entry of its own; `hcl` is named by Terraform's, CUDA is its C++."""

HEAD = """\
# mellum-lsp beside Helix's own servers. Put it at ~/.config/helix/languages.toml (every project) or
# .helix/languages.toml (one project), or copy the lines of your languages into the file that you have.

[language-server.mellum]
command = "mellum-lsp"
args = ["serve"]

# The server's settings:
# [language-server.mellum.config]
# model = "/path/to/model.gguf"

# A language's `language-servers` replaces Helix's own list, so each list repeats that. `mellum` comes first:
# Helix then shows its suggestion on top of the menu.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--helix", type=Path, default=REPOSITORY / ".cache" / "editors" / "hx")
    print(generate(parser.parse_args().helix), end="")


def generate(helix: Path) -> str:
    """The whole file, for the version of Helix at hand."""
    with tempfile.TemporaryDirectory() as home:
        return HEAD + "".join(_entry(name, servers(helix, Path(home), name)) for name in helix_names())


def helix_names() -> Iterator[str]:
    """Helix' names of all languages that we serve and that it knows."""
    for language in LANGUAGES:
        if language.id not in UNKNOWN:
            yield from NAMES.get(language.id, (language.id,))


def servers(helix: Path, config_home: Path, name: str) -> list[str]:
    """The servers that Helix gives a language with the configuration in ``config_home``."""
    done = subprocess.run(
        [helix, "--health", name],
        env={**os.environ, "XDG_CONFIG_HOME": str(config_home), "XDG_CACHE_HOME": str(config_home)},
        capture_output=True,
        encoding="utf-8",
        timeout=20,
        check=True,
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    block = plain.partition("Configured language servers:")[2].partition("Configured debug adapter")[0]
    return re.findall(r"[✘✓] ([\w.-]+)", block)


def _entry(name: str, theirs: list[str]) -> str:
    mellum = '{ name = "mellum", only-features = ["completion"] }'
    listed = ", ".join([mellum, *(f'"{server}"' for server in theirs)])
    return f'\n[[language]]\nname = "{name}"\nlanguage-servers = [{listed}]\n'


if __name__ == "__main__":
    main()
