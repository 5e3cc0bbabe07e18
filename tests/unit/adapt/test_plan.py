"""What is tuned: enough code of a model that can be."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf

from mellum_lsp.adapt import toolbox
from mellum_lsp.adapt.errors import AdaptFailed
from mellum_lsp.adapt.plan import Wishes, make_plan


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def workspace(root: Path, files: int) -> Path:
    for number in range(files):
        path = root / "src" / f"part{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def part{number}(value):\n    return value\n\n\n" * 60)
    return root


def wishes(root: Path, model: Path, **other: object) -> Wishes:
    return Wishes(root, model, "tiny", 60.0, 120, 2, **other)


def read(plan_changes: tuple[str, ...]) -> dict[str, object]:
    """Each change is a line of TOML."""
    found: dict[str, object] = {}
    for change in plan_changes:
        (section, value), *_ = tomllib.loads(change).items()
        found |= (
            {f"{section}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {section: value}
        )
    return found


def test_examples_and_held_out_files_follow_the_size_of_the_code(tmp_path: Path, model: Path) -> None:
    small = make_plan(wishes(workspace(tmp_path / "small", 30), model))
    large = make_plan(wishes(workspace(tmp_path / "large", 300), model))
    one, two = read(small.changes), read(large.changes)
    assert small.files == 30
    assert one["fim.examples_per_shard"] < two["fim.examples_per_shard"]
    assert one["corpus.held_out_share"] == 0.2
    assert two["corpus.held_out_share"] == 0.08


def test_paths_and_patterns_are_written_as_toml_reads_them(tmp_path: Path, model: Path) -> None:
    odd = tmp_path / 'a "quoted" \\ model.gguf'
    odd.write_bytes(model.read_bytes())
    root = workspace(tmp_path / "shop", 30)
    found = read(make_plan(wishes(root, odd, exclude=('gen"erated/', "*.min.js"))).changes)
    assert found["base.path"] == str(odd)
    assert found["corpus.exclude"] == ['gen"erated/', "*.min.js"]


def test_excluded_files_do_not_count(tmp_path: Path, model: Path) -> None:
    root = workspace(tmp_path / "shop", 30)
    with pytest.raises(AdaptFailed, match="too little"):
        make_plan(wishes(root, model, exclude=("src/",)))


@pytest.mark.parametrize("files", [0, 3])
def test_too_little_code_is_refused(tmp_path: Path, model: Path, files: int) -> None:
    root = workspace(tmp_path / "shop", files)
    root.mkdir(exist_ok=True)
    with pytest.raises(AdaptFailed, match="too little") as raised:
        make_plan(wishes(root, model))
    assert "hint: " in str(raised.value)


def test_a_model_of_another_family_is_refused(tmp_path: Path) -> None:
    other = write_tiny_gguf(tmp_path / "other.gguf", architecture="qwen2")
    with pytest.raises(AdaptFailed, match="architecture 'qwen2'"):
        make_plan(wishes(workspace(tmp_path / "shop", 30), other))


def test_without_its_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbox, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(AdaptFailed) as raised:
        toolbox.training_folder()
    assert str(raised.value).startswith("tuning needs torch,")
    assert "pip install 'mellum-lsp[training]'" in str(raised.value)
