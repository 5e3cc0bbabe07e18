"""Which of two answers is better, pairs of them, and a model that comes to prefer the better one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from training.rewards import errors, judge

BEFORE, TRUTH, AFTER = "def area(width, height):\n    ", "return width * height", "\n\n\nprint(area(2, 3))\n"


def reward(said: str, ended: bool = True) -> float:
    return judge(BEFORE, AFTER, "python", TRUTH, said, ended).reward


def test_what_stood_there_has_the_full_reward() -> None:
    assert reward(TRUTH) == pytest.approx(1)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((TRUTH, True), (TRUTH, False)),
        (("return width * heights", True), ("return width", True)),
        (("return width * (height)", True), ("return width * (height", True)),
        (("return width", True), ("raise NotImplementedError", True)),
        (("return width", True), ("return width\n\n\nprint(area(2, 3))\nprint(area(2, 3))", False)),
    ],
)
def test_the_better_answer_has_the_higher_reward(better: tuple[str, bool], worse: tuple[str, bool]) -> None:
    assert reward(*better) > reward(*worse)


def test_a_stub_is_no_fault_where_one_stood_there() -> None:
    stub = "raise NotImplementedError"
    assert judge("def f():\n    ", "\n", "python", stub, stub, True).reward == pytest.approx(1)


def test_errors_are_counted_in_any_language() -> None:
    assert errors("int a = 1;", "c") == 0
    assert errors("int a = ;", "c") >= 1
    assert errors("fn f( {", "rust") >= 1


torch = pytest.importorskip("torch", reason="needs the extra 'training' (torch, transformers)")
pytest.importorskip("transformers", reason="needs the extra 'training' (torch, transformers)")

from training import checkpoints, fim, model, preferences, sampling, sft
from training.corpus import build
from training.pairs import read_pairs
from training.recipe import Preferences, Recipe, Run


def test_sampling_is_greedy_at_0_and_leaves_the_model_as_it_was() -> None:
    tiny = model.tiny_random(300).train()
    prompts = [list(range(20, 40)), list(range(50, 55))]
    answers = sampling.sample(tiny, prompts, (0.0, 0.0, 2.0), 8, end=0)
    assert [len(of_prompt) for of_prompt in answers] == [3, 3]
    assert answers[0][0] == answers[0][1]
    alone = sampling.sample(tiny, prompts[1:], (0.0,), 8, end=0)
    assert answers[1][0] == alone[0][0]  # padding changes nothing
    assert tiny.training
    assert tiny.config._attn_implementation == model.ATTENTION


@pytest.fixture
def tuned(recipe: Recipe, run: Run) -> tuple[Recipe, Run]:
    settings = Preferences(
        shards=1, holes_per_shard=12, max_new_tokens=8, learning_rate=1e-3, batch=4, epochs=3
    )
    recipe = replace(recipe, preferences=settings, sft=replace(recipe.sft, planned_tokens=1024))
    build.build(recipe, run)
    fim.build(recipe, run)
    sft.train(recipe, run)
    preferences.build(recipe, run)
    return recipe, run


def test_pairs_are_ids_whose_prompt_ends_at_the_middle(tuned: tuple[Recipe, Run]) -> None:
    recipe, run = tuned
    tokeniser = fim.open_tokeniser(recipe, run)
    pairs = read_pairs(run.root / "preferences")
    assert len(pairs) > 5
    for pair in pairs:
        assert pair.prompt[-1] == tokeniser.markers["<fim_middle>"]
        assert pair.chosen[-1] == tokeniser.end
        assert pair.chosen != pair.rejected
        if pair.reason == "goes on":
            assert tokeniser.end not in pair.rejected
            assert pair.rejected[: len(pair.chosen) - 1] == pair.chosen[:-1]


def test_a_long_middle_is_cut_to_whole_statements(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    documents = fim.read_documents(run.corpus / "train.jsonl")
    document = next(iter(documents))
    start = document.text.index("    total =")
    end = document.text.index("return total") + len("return total")
    hole = fim.Hole(start, end, "fresh_line", "line_start")
    rendered = fim.Rendered(document, hole, (), document.text[start:end])
    short = preferences.first_statements(rendered)
    assert short.startswith("    total =")
    assert short.count("\n") < 3
    assert document.text[start:end].startswith(short)


def test_dpo_makes_the_chosen_answers_likelier_than_the_rejected(tuned: tuple[Recipe, Run]) -> None:
    pytest.importorskip("trl", reason="needs the extra 'training' (trl)")
    from training import dpo

    recipe, run = tuned
    assert dpo.train(recipe, run) is not None
    rows = [json.loads(line) for line in run.preferred.metrics.read_text().splitlines()]
    margins = [row["rewards/margins"] for row in rows if "rewards/margins" in row]
    assert margins[-1] > margins[0]
    checkpoint = checkpoints.newest(run.preferred)
    assert checkpoint is not None
    before = checkpoints.build_model(recipe, run, checkpoints.newest(run)).state_dict()
    after = checkpoints.build_model(recipe, run, checkpoint).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
