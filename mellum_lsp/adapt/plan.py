"""What is tuned: the model, the files of the workspace, and how much of both fits into the time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mellum_lsp import machine
from mellum_lsp.adapt.errors import AdaptFailed
from mellum_lsp.bench.project import Project, code_files
from mellum_lsp.engine.gguf import check_is_model, read_header
from mellum_lsp.prompt import dialects
from mellum_lsp.workspace.settings import IndexSettings

FEWEST_CHARACTERS = 40_000
"""Of code; less teaches nothing that the project context in a prompt does not tell already."""
FEWEST_FILES = 8
_HELD_OUT_FILES = 24
"""So many are wanted: `bench` removes at most six spans of a file."""
_HELD_OUT_SHARES = (0.06, 0.2)
_CHARACTERS_PER_EXAMPLE = 250
_EXAMPLES = (80, 4000)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks for. ``model`` is its file, ``minutes`` those of tuning alone, without pauses.

    ``threads`` None means as many as there are cores.
    """

    workspace: Path
    model: Path
    model_name: str
    minutes: float
    holes: int
    threads: int | None = None
    device: str = "cpu"
    exclude: tuple[str, ...] = ()

    @property
    def cores(self) -> int:
        return self.threads or machine.cores().physical


@dataclass(frozen=True, slots=True)
class Plan:
    """``changes`` is what is laid over the recipe ``training/recipes/custom.toml``, as lines of TOML."""

    files: int
    characters: int
    changes: tuple[str, ...]


def read_project(workspace: Path, exclude: tuple[str, ...]) -> Project:
    """The workspace by the rules of the index: ignored, generated and secret files stay out."""
    return Project.read(workspace, settings=IndexSettings(exclude=exclude))


def make_plan(wishes: Wishes) -> Plan:
    """Raises `AdaptFailed` where there is too little to learn from, or the model cannot be tuned here;
    `ModelError` where its file is no model."""
    _check_model(wishes)
    project = read_project(wishes.workspace, wishes.exclude)
    files = code_files(project.files)
    characters = sum(len(project.files[path]) for path in files)
    if characters < FEWEST_CHARACTERS or len(files) < FEWEST_FILES:
        raise AdaptFailed(
            f"{wishes.workspace} has {len(files)} files of code with {characters:,} characters, too little "
            f"to tune on ({FEWEST_FILES} files and {FEWEST_CHARACTERS:,} characters are the least).\n"
            "hint: name a larger folder; the project's own code is in every prompt anyway"
        )
    low, high = _HELD_OUT_SHARES
    held_out = min(high, max(low, _HELD_OUT_FILES / len(files)))
    fewest, most = _EXAMPLES
    examples = min(most, max(fewest, characters // _CHARACTERS_PER_EXAMPLE))
    changes = {
        "name": "adapted",
        "base.path": str(wishes.model),
        "base.name": wishes.model_name,
        "base.dtype": "float32" if wishes.device == "cpu" else "bfloat16",
        "corpus.held_out_share": round(held_out, 3),
        "corpus.exclude": list(wishes.exclude),
        "fim.shards": 1,
        "fim.examples_per_shard": examples // 3,
        "fim.context_shards": 1,
        "fim.context_examples_per_shard": 2 * examples // 3,
        "sft.threads": wishes.cores,
        "sft.checkpoint_minutes": 3.0,
        "export.merged": False,
    }
    return Plan(len(files), characters, tuple(f"{key} = {_toml(value)}" for key, value in changes.items()))


def _check_model(wishes: Wishes) -> None:
    header = read_header(wishes.model)
    check_is_model(header)
    if header.architecture != "llama":
        raise AdaptFailed(
            f"{wishes.model_name} is of the architecture {header.architecture!r}; llama can be tuned here.\n"
            "hint: tune it with training/recipes/mellum2-lora.toml, or choose another --model"
        )
    dialect = dialects.choose(dialects.Vocabulary(header.markers, header.metadata)).name
    if dialect != "mellum":
        raise AdaptFailed(
            f"{wishes.model_name} is asked in the dialect {dialect!r}; examples are written in Mellum's.\n"
            "hint: choose a Mellum or the embedded model with --model"
        )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)
