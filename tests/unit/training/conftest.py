"""A whole training run in small: a tiny vocabulary, two wheels made on the spot, a recipe of seconds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

from training.recipe import Recipe, Run, read_recipe

RECIPE = """
name = "tiny"
seed = 3
[markers]
"<fim_prefix>" = 1
"<fim_middle>" = 2
"<fim_suffix>" = 3
"<fim_pad>" = 4
[base]
file = "tiny.gguf"
tiny = true
[corpus]
packages = ["kindlib", "copyleft"]
held_out = ["secretlib"]
licences = ["MIT"]
min_characters = 50
validation_share = 0.3
[fim]
examples_per_shard = 24
shards = 2
validation_examples = 4
max_prompt_tokens = 300
usual_prompt_tokens = 200
[fim.kinds]
statement_rest = 0.5
fresh_line = 0.3
node = 0.2
[sft]
row_tokens = 512
loss_positions = 128
minutes = 60
planned_tokens = 4096
validate_every = 4
threads = 1
[sft.mix]
plain = 1.0
[export]
quantisations = ["Q8_0"]
ship = "Q8_0"
"""


def source(name: str, functions: int = 6) -> str:
    """A small module that differs from every other by its name."""
    body = "".join(
        f"def {name}_{i}(first, second={i}):\n"
        f'    """Adds {name} number {i}."""\n'
        f"    total = first + second * {i + 2}\n"
        f"    if total > {i * 10}:\n"
        f"        total = max(total, len('{name}'))\n"
        f"    return total\n\n\n"
        for i in range(functions)
    )
    return f"import math\n\n\n{body}"


def write_wheel(folder: Path, name: str, licence: str, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\nLicense-Expression: {licence}\n"
        archive.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        for entry, text in files.items():
            archive.writestr(entry, text)
    return path


@pytest.fixture
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return read_recipe(path)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run folder with a base vocabulary and three packages; nothing is downloaded."""
    run = Run(tmp_path / "run")
    run.base.mkdir(parents=True)
    write_tiny_gguf(run.base / "tiny.gguf")
    kind = {f"kindlib/part{i}.py": source(f"part{i}") for i in range(12)}
    kind["kindlib/copy.py"] = kind["kindlib/part0.py"]
    kind["kindlib/_vendor/other.py"] = source("vendored")
    kind["kindlib/stolen.py"] = "# Adapted.\n" + source("secret").replace("import math", "import cmath")
    kind["kindlib/bench.py"] = source("bench") + "\n# from HumanEval\n"
    kind["kindlib/pure_gpl.py"] = "# Licensed under the GNU General Public License\n" + source("gpl")
    kind["kindlib/api_pb2.py"] = source("generated")
    write_wheel(run.wheels, "kindlib", "MIT", kind)
    write_wheel(run.wheels, "copyleft", "GPL-3.0-only", {"copyleft/a.py": source("left")})
    write_wheel(run.wheels, "secretlib", "MIT", {"secretlib/secret.py": source("secret")})
    return run
