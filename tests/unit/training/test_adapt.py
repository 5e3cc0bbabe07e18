"""`mellum-lsp adapt` from a user's code to an adapter that serves, on a tiny model: half a minute."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_gguf import write_tiny_gguf

for needed in ("torch", "transformers", "peft", "sacrebleu"):
    pytest.importorskip(needed, reason="needs the extra 'training'")

from mellum_lsp.adapt import job
from mellum_lsp.cli.adapt import adapt
from mellum_lsp.cli.complete import complete
from mellum_lsp.models.adapters import adapter_around

WORDS = ("apple", "stone", "river", "cloud", "tiger", "maple", "candle", "window", "garden", "silver")


def function(name: str, number: int) -> str:
    return (
        f"def {name}_{number}(first, second={number}):\n"
        f'    """Adds {name} number {number}."""\n'
        f"    total = first + second * {number + 2}\n"
        f"    if total > {number * 10}:\n"
        f"        total = max(total, len('{name}'))\n"
        f"    return total\n\n\n"
    )


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a style of its own, and the user's folders."""
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    package = tmp_path / "shop" / "shop"
    package.mkdir(parents=True)
    for number in range(26):
        name = f"{WORDS[number % 10]}{number}"
        (package / f"{name}.py").write_text(
            "import math\n\n\n" + "".join(function(name, n) for n in range(10))
        )
    (tmp_path / "shop" / ".gitignore").write_text("private.py\n")
    (package / "private.py").write_text(
        "import math\n\n\n" + "".join(function("hidden", n) for n in range(10))
    )
    key = "AKIA" + "ABCD" * 4
    (package / "keys.py").write_text(f"KEY = '{key}'\n" + "".join(function("key", n) for n in range(10)))
    return tmp_path / "shop"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def learn_fast(monkeypatch: pytest.MonkeyPatch, *, learning_rate: float) -> None:
    """As the recipe is made for real models, a tiny one would learn nothing in seconds."""
    make = job.make_plan
    changes = (
        f"sft.learning_rate = {learning_rate}",
        "sft.row_tokens = 512",
        "sft.loss_positions = 256",
        "sft.gradient_checkpointing = false",
        "fim.examples_per_shard = 60",
        "fim.context_examples_per_shard = 60",
    )
    monkeypatch.setattr(
        job, "make_plan", lambda wishes: replace(plan := make(wishes), changes=(*plan.changes, *changes))
    )


def run(*arguments: object) -> dict[str, object]:
    result = CliRunner().invoke(adapt, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_what_proves_better_serves_until_it_is_undone(
    shop: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn_fast(monkeypatch, learning_rate=2e-2)
    found = run(shop, "--model", model, "--now", "--minutes", 0.1, "--holes", 30, "--threads", 1)
    assert found["served"], found["reason"]
    figures = found["figures"]
    assert figures["difference"]["chrf"]["low"] > 0
    assert figures["adapted"]["chrf"]["value"] > figures["alone"]["chrf"]["value"]
    adapter = Path(str(found["adapter"]))
    around = adapter_around(shop / "shop")
    assert around is not None
    assert around[1] == adapter
    seen = (tmp_path / "cache" / "mellum-lsp" / "adapt").glob("*/*/corpus/*")
    assert list(seen) == [], "copies of source text are removed"

    served, alone = (completed(shop, model, *how) for how in ((), ("--lora", "none")))
    assert served != alone
    assert completed(shop, model, "--lora", str(adapter)) == served

    status = run(shop, "--status")
    assert status["serves"]["model"] == "tiny"
    assert status["job"] is None
    assert run(shop, "--undo") == {"workspace": str(shop), "undone": True}
    assert completed(shop, model) == alone


def completed(shop: Path, model: Path, *how: str) -> str:
    path = shop / "shop" / "apple0.py"
    arguments = [f"{path}:6:5", "--root", str(shop), "--model", str(model), *how, "--json"]
    result = CliRunner().invoke(complete, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["text"])


def test_what_does_not_prove_better_changes_nothing(
    shop: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuned for no time at all. And files that are ignored or hold secrets are in no example."""
    learn_fast(monkeypatch, learning_rate=1e-9)
    monkeypatch.setattr(job.shutil, "rmtree", lambda *_: None)  # what it worked on stays to be looked at
    found = run(shop, "--model", model, "--now", "--minutes", 0, "--holes", 20, "--threads", 1)
    assert found["served"] is False
    assert "not shown to be better" in str(found["reason"])
    assert adapter_around(shop) is None
    (manifest,) = (tmp_path / "cache" / "mellum-lsp" / "adapt").glob("*/*/corpus/manifest.jsonl")
    paths = {json.loads(line)["path"] for line in manifest.read_text().splitlines()}
    assert "shop/apple0.py" in paths
    assert not {path for path in paths if "private" in path or "keys" in path}
