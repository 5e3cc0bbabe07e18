"""Models are compared on the same holes; figures come with intervals and are written for people."""

from __future__ import annotations

import json
import time

import pytest

from training import evaluate, raw, report, served
from training.corpus import build, read_documents
from training.holes import EvaluationHole
from training.raw import Candidate
from training.recipe import Recipe, Run

pytest.importorskip("sacrebleu", reason="needs the extra 'reports'")


def hole(id: str = "0", middle: str = "a,\n  b", closers: str = ")") -> EvaluationHole:
    return EvaluationHole(id, "p", "a.py", "node", "mid_line", "f(", "\n", closers, middle)


def answer(text: str, stopped: bool = True, id: str = "0") -> raw.Answer:
    return raw.Answer(id, text, stopped, 1.0)


def test_an_answer_is_right_with_its_closers_and_its_first_line_alone_counts_too() -> None:
    assert evaluate.raw_row(hole(), answer("a,\n  b)"))["exact"] == 1
    partly = evaluate.raw_row(hole(), answer("a,\n  c)", stopped=False))
    assert (partly["first_line"], partly["exact"], partly["ended"]) == (1, 0, 0)
    assert 0.8 < float(partly["similarity"]) < 1


def test_what_goes_on_behind_the_hole_is_right_when_cut_to_its_lines() -> None:
    row = evaluate.raw_row(hole(middle="x", closers=""), answer("x\ny\nz", stopped=False))
    assert (row["exact"], row["exact_cut"]) == (0, 1)


def test_only_holes_that_all_models_answered_are_compared() -> None:
    known = {"a": {"0": answer("x"), "1": answer("y", id="1")}, "b": {"1": answer("z", id="1")}}
    rows = evaluate.raw_rows([hole("0"), hole("1")], known)
    assert {name: len(part) for name, part in rows.items()} == {"a": 1, "b": 1}


def test_figures_are_given_by_kind_and_boundary_with_intervals_and_paired_differences() -> None:
    holes = [hole(str(i), middle="x", closers="") for i in range(40)]
    good = {h.id: answer("x", id=h.id) for h in holes}
    bad = {h.id: answer("x" if int(h.id) % 2 else "y", id=h.id) for h in holes}
    rows = evaluate.raw_rows(holes, {"good": good, "bad": bad})
    groups = evaluate.by_group(rows["bad"])
    assert {"all", "node", "mid_line", "single line", "python"} <= groups.keys()
    value, low, high, n = groups["all"]["exact"]
    assert (value, n) == (0.5, 40)
    assert low < value < high
    difference = evaluate.differences(rows)["good - bad"]["exact"]
    assert difference.value == 0.5
    assert difference.excludes_zero


def test_a_report_is_one_page_with_plots_and_every_figure(tmp_path: object, run: Run) -> None:
    holes = [hole(str(i), middle="x", closers="") for i in range(4)]
    rows = evaluate.raw_rows(holes, {"one <b>": {h.id: answer("x", id=h.id) for h in holes}})
    figures = {"models": {n: evaluate.by_group(r) for n, r in rows.items()}, "differences": {}}
    run.metrics.parent.mkdir(parents=True, exist_ok=True)
    events = [
        {"event": "step", "tokens": 10, "middle_loss": 2.0},
        {"event": "validation", "tokens": 10, "validation_loss": 2.1},
    ]
    run.metrics.write_text("".join(json.dumps(e) + "\n" for e in events))
    page = run.root / "evaluation.html"
    report.write_html(page, "nano", figures, run.metrics)
    text = page.read_text()
    assert text.count("<svg") == 5
    assert "one &lt;b&gt;" in text
    assert "1.000 [1.000, 1.000]" in text


def test_raw_and_served_answers_come_from_the_same_file_and_go_on_where_they_were(
    recipe: Recipe, run: Run
) -> None:
    build.build(recipe, run)
    model = {"tiny": Candidate(run.base / "tiny.gguf")}
    figures = evaluate.evaluate(recipe, run, model, 6, threads=1, served_count=2)
    names = {"tiny", "tiny, none, served", "tiny, default, served"}
    assert figures["models"].keys() == names
    kept = (run.reports / "answers-6-tiny.jsonl").read_text()
    assert len(kept.splitlines()) == 6
    (run.reports / "answers-6-tiny.jsonl").write_text("".join(kept.splitlines(True)[:4]))
    again = evaluate.evaluate(recipe, run, model, 6, threads=1)
    assert again["models"]["tiny"]["all"]["exact"].n == 6
    assert (run.reports / "evaluation-6.html").exists()


def test_an_evaluation_ends_with_its_minutes(recipe: Recipe, run: Run) -> None:
    holes = [hole(str(i)) for i in range(3)]
    answered = raw.answer_all(
        Candidate(run.base / "tiny.gguf"), holes, run.reports / "a.jsonl", 1, time.monotonic() - 1
    )
    assert answered == {}


def test_held_out_packages_are_laid_out_as_workspaces(recipe: Recipe, run: Run) -> None:
    build.build(recipe, run)
    folders = served.lay_out(read_documents(run.corpus / "held_out.jsonl"), run.reports / "held_out")
    assert [folder.name for folder in folders] == ["secretlib"]
    assert (folders[0] / "secretlib" / "secret.py").is_file()
