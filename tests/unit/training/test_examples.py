"""Examples are the server's own prompts, packed into rows of one length."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mellum_lsp.domain import prompt_text
from training import corpus, fim
from training.corpus import build
from training.recipe import Recipe, RecipeError, Run, read_recipe
from training.shards import Example, RowStream, read_shard, shard_files, write_shard


@pytest.fixture
def rendered(recipe: Recipe, run: Run) -> list[fim.Rendered]:
    build.build(recipe, run)
    documents = list(corpus.read_documents(run.corpus / "train.jsonl"))
    tokeniser = fim.open_tokeniser(recipe, run)
    return fim.take(fim.examples(recipe.fim, documents, tokeniser, random.Random(1)), 40)


def test_prompts_have_mellums_order_and_end_at_the_caret(rendered: list[fim.Rendered]) -> None:
    for item in rendered:
        kinds = [part.kind for part in item.prompt]
        assert kinds == ["file", "suffix", "prefix", "middle"]
        prefix = item.prompt[2].segments[1]
        assert isinstance(prefix, str)
        assert item.document.text[: item.hole.start].endswith(prefix)


def test_prefix_middle_and_suffix_are_the_file_again(rendered: list[fim.Rendered]) -> None:
    for item in rendered:
        prefix, suffix = item.prompt[2].segments[1], item.prompt[1].segments[1]
        assert f"{prefix}{item.middle}{suffix}" in item.document.text


def test_a_word_at_the_caret_is_left_to_the_model_as_in_serving(rendered: list[fim.Rendered]) -> None:
    within_words = [item for item in rendered if item.hole.boundary == "mid_token"]
    assert within_words
    for item in within_words:
        around = str(item.prompt[2].segments[1])[-1:] + item.middle[:1]
        assert not re.fullmatch(r"\w\w", around)


def test_markers_in_source_text_do_not_become_control_tokens(recipe: Recipe, run: Run) -> None:
    tokeniser = fim.open_tokeniser(recipe, run)
    controls = {*tokeniser.markers.values(), tokeniser.end}
    assert not controls & set(tokeniser.encode("x = '<fim_middle>' + '<|endoftext|>'"))


def test_every_example_ends_with_end_of_text(recipe: Recipe, run: Run, rendered: list[fim.Rendered]) -> None:
    tokeniser = fim.open_tokeniser(recipe, run)
    for item in rendered:
        example = fim.tokenise(tokeniser, item)
        assert example.tokens[-1] == tokeniser.end
        assert example.tokens[example.middle - 1] == tokeniser.markers["<fim_middle>"]


def test_a_finished_shard_is_not_written_again(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    fim.build(recipe, run)
    before = [p.stat().st_mtime_ns for p in shard_files(run.shards / "plain")]
    fim.build(recipe, run)
    assert [p.stat().st_mtime_ns for p in shard_files(run.shards / "plain")] == before
    assert len(before) == 2


def test_each_language_has_its_share_of_the_examples(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    python = list(corpus.read_documents(run.corpus / "train.jsonl"))
    text = "function add(first, second) {\n  const sum = first + second;\n  return sum;\n}\n" * 4
    script = replace(python[0], language="javascript", path="lib/add.js", text=text)
    tokeniser = fim.open_tokeniser(recipe, run)
    settings = replace(recipe.fim, languages={"python": 0.5})
    drawn = fim.take(fim.examples(settings, [*python, script], tokeniser, random.Random(1)), 200)
    assert 60 < sum(item.document.language == "javascript" for item in drawn) < 140


def test_without_project_context_a_share_of_the_examples_teaches_to_do_without(
    recipe: Recipe, run: Run
) -> None:
    from training import context

    build.build(recipe, run)
    documents = list(corpus.read_documents(run.corpus / "train.jsonl"))
    tokeniser = fim.open_tokeniser(recipe, run)
    settings = replace(recipe.fim, context_tokens=200, context_strategies={"default": 0.5, "none": 0.5})
    source = context.examples(settings, documents, tokeniser, random.Random(1))
    with_context = [any(p.kind == "context" for p in next(source).prompt) for _ in range(40)]
    assert {True, False} == set(with_context)


def test_half_of_the_budgets_with_context_are_the_servers_own_plans(recipe: Recipe) -> None:
    from mellum_lsp.prompt.plan import Capacity, PlanSettings, full_budget
    from training.context import budget

    rng = random.Random(1)
    drawn = [budget(recipe.fim, 200, rng) for _ in range(300)]
    served = 0
    for one in drawn:
        plan = full_budget(Capacity(8192, 400.0, 100.0), PlanSettings(context_tokens=one.total_tokens))
        served += (one.prefix_tokens, one.suffix_tokens) == (plan.prefix_tokens, plan.suffix_tokens)
    assert 110 < served < 190


def test_plain_text_is_read_left_to_right_without_markers_and_without_an_end(
    recipe: Recipe, run: Run
) -> None:
    build.build(recipe, run)
    documents = list(corpus.read_documents(run.corpus / "train.jsonl"))
    tokeniser = fim.open_tokeniser(recipe, run)
    settings = replace(recipe.fim, left_to_right_share=1.0)
    for item in fim.take(fim.examples(settings, documents, tokeniser, random.Random(1)), 10):
        example = fim.tokenise(tokeniser, item)
        assert example.middle == len(example.tokens)
        assert example.tokens[-1] != tokeniser.end
        assert not {1, 2, 3} & set(example.tokens.tolist())  # the three markers of a hole


def test_statistics_of_a_shard_are_written_beside_it(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    fim.build(recipe, run)
    table = json.loads((run.shards / "statistics-plain-0000.json").read_text())
    examples = read_shard(run.shards / "plain" / "0000.npz")
    assert table["examples"]["all"] == sum(table["kind"].values()) == len(examples)
    assert table["middle tokens"]["sum"] == sum(len(e.tokens) - e.middle for e in examples)


def example(size: int, value: int) -> Example:
    return Example(np.full(size, value, dtype=np.int64), size - 5)


def stream(root: Path, state: dict[str, object] | None = None) -> RowStream:
    return RowStream(root, {"plain": 1.0, "context": 1.0}, 256, 0.3, 1, state or {})


def test_rows_have_one_length_and_examples_are_whole(tmp_path: Path) -> None:
    write_shard(tmp_path / "plain" / "0000.npz", [example(30 + i, i + 1) for i in range(40)])
    rows = stream(tmp_path)
    for _ in range(30):
        row = rows.next_row()
        assert len(row.tokens) == len(row.weights) == sum(row.lengths) == 256
        starts = np.cumsum([0, *row.lengths[:-1]])
        for start, length in zip(starts, row.lengths, strict=True):
            piece = row.tokens[start : start + length]
            assert len(set(piece.tolist())) == 1
            if piece[0]:
                assert length == 29 + piece[0]
                assert row.weights[start] == 0
                assert (row.weights[start + length - 5 : start + length] == 1).all()
                assert row.weights[start + 1] == pytest.approx(0.3)


def test_a_stream_goes_on_where_its_snapshot_stood(tmp_path: Path) -> None:
    write_shard(tmp_path / "plain" / "0000.npz", [example(256, i + 1) for i in range(20)])
    first = stream(tmp_path)
    for _ in range(5):
        first.next_row()
    second = stream(tmp_path, first.snapshot())
    assert first.next_row().tokens[0] == second.next_row().tokens[0]


def test_the_end_of_text_behind_a_middle_may_weigh_more(tmp_path: Path) -> None:
    write_shard(tmp_path / "plain" / "0000.npz", [example(64, 1)] * 4)
    row = RowStream(tmp_path, {"plain": 1.0}, 256, 0.3, 1, end_weight=2.0).next_row()
    assert row.weights[59:65].tolist() == pytest.approx([1, 1, 1, 1, 2, 0])


def test_shards_that_appear_later_are_mixed_in(tmp_path: Path) -> None:
    write_shard(tmp_path / "plain" / "0000.npz", [example(256, 1)] * 50)
    rows = stream(tmp_path)
    assert {int(rows.next_row().tokens[0]) for _ in range(10)} == {1}
    write_shard(tmp_path / "context" / "0000.npz", [example(256, 2)] * 50)
    assert {int(rows.next_row().tokens[0]) for _ in range(20)} == {1, 2}


def test_a_shard_is_read_as_it_was_written(tmp_path: Path) -> None:
    examples = [example(30, 7), example(12, 49151)]
    write_shard(tmp_path / "a.npz", examples)
    for ours, theirs in zip(examples, read_shard(tmp_path / "a.npz"), strict=True):
        assert (ours.tokens == theirs.tokens).all()
        assert ours.middle == theirs.middle


def test_an_unknown_key_of_a_recipe_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('name = "x"\n[sft]\nlearning_speed = 1\n')
    with pytest.raises(RecipeError, match=r"\[sft\] learning_speed"):
        read_recipe(path)


def test_context_examples_come_from_the_servers_index_and_never_hold_the_answer(
    recipe: Recipe, run: Run
) -> None:
    from training import context

    build.build(recipe, run)
    documents = list(corpus.read_documents(run.corpus / "train.jsonl"))
    tokeniser = fim.open_tokeniser(recipe, run)
    settings = replace(recipe.fim, context_tokens=200, context_strategies={"default": 1.0})
    source = context.examples(settings, documents, tokeniser, random.Random(1))
    for item in [next(source) for _ in range(10)]:
        parts = [part for part in item.prompt if part.kind == "context"]
        assert parts
        assert all(part.path != "" for part in parts)
        own = [part for part in parts if part.path == item.document.path]
        line = item.document.text[item.hole.start : item.hole.end]
        assert not any(len(line) > 30 and line in prompt_text([part]) for part in own)
