"""The same summary as JSON, tables and a page that needs nothing beside it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from mellum_lsp.bench import plots, report
from mellum_lsp.bench.answers import Variant
from mellum_lsp.bench.holes import choose_holes
from mellum_lsp.bench.page import Page
from mellum_lsp.bench.project import Project
from mellum_lsp.bench.runner import Run
from mellum_lsp.bench.summary import Results, Summary, summarise
from mellum_lsp.completion.calibrated import calibrated
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.engine.scripted import ScriptedEngine

from .shop import knowing

GOOD, SILENT = Variant("knowing", "default", 512), Variant("silent", "default", 512)
GOOD_NONE = Variant("knowing", "none", 512)


@pytest.fixture(scope="module")
def summary(shop: Project, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    run = Run(shop, choose_holes(shop, 24, 1), tmp_path_factory.mktemp("out"))

    async def answer() -> None:
        await run.answer([GOOD, GOOD_NONE], knowing(shop, run.holes), lambda done, total: None)
        await run.answer([SILENT], ScriptedEngine(""), lambda done, total: None)

    asyncio.run(answer())
    answers = {variant: run.answers(variant) for variant in (GOOD, GOOD_NONE, SILENT)}
    return summarise(Results(run.places(), answers, run.settings))


def test_figures_are_told_by_group(summary: Summary) -> None:
    exact = {(one.variant, one.group): one.values["exact"] for one in summary.figures}
    assert exact[SILENT, "all"].value == 0
    assert exact[GOOD, "single-line"].value == 1
    groups = {group for _, group in exact}
    assert {"all", "cross-file", "within the file", "single-line", "block", "mid-line"} <= groups
    assert {"python", "typescript"} <= groups
    parts = sum(exact[GOOD, group].n for group in ("single-line", "block", "mid-line"))
    assert exact[GOOD, "all"].n == summary.holes == parts


def test_mixes_are_compared_with_none_and_models_with_the_first(summary: Summary) -> None:
    pairs = {(one.variant, one.against) for one in summary.differences}
    assert pairs == {(GOOD, GOOD_NONE), (SILENT, GOOD)}
    worse = next(one for one in summary.differences if one.variant == SILENT and one.group == "all")
    assert worse.chrf.value == pytest.approx(-1.0)
    assert worse.exact.excludes_zero


def test_advice_names_the_better_model_and_a_gate_that_keeps_what_is_right(summary: Summary) -> None:
    assert summary.advice["model"] == "knowing"
    assert 0 <= summary.advice["gate"] <= 1
    assert any("knowing, default has the highest chrF++" in reason for reason in summary.reasons)


def test_the_json_document_holds_every_estimate(summary: Summary) -> None:
    document = json.loads(json.dumps(report.document(summary)))
    assert document["holes"] == summary.holes
    assert len(document["figures"]) == len(summary.figures)
    first = document["figures"][0]
    assert first["model"] == "knowing"
    assert first["exact"]["low"] <= first["exact"]["value"] <= first["exact"]["high"]
    assert document["gates"][0]["curve"][0]["threshold"] == 0.0
    assert set(document["recommendation"]["settings"]) == {"model", "gate"}


def test_the_page_has_plots_and_needs_no_network(summary: Summary) -> None:
    page = report.html(summary, "Completions of shop")
    assert page.count("<svg") >= 4
    assert "knowing" in page and "silent" in page
    outside = re.findall(r"(?:src|href)=\"(?!#)([^\"]*)\"", page)
    assert [address for address in outside if not address.startswith("#")] == []


def test_tables_have_as_many_cells_as_headers(summary: Summary) -> None:
    for table in (
        report.quality_table(summary.figures),
        report.difference_table(summary.differences),
        report.gate_table(summary.gates),
    ):
        headers, rows = table
        assert rows
        assert {len(row) for row in rows} == {len(headers)}
        assert report.markdown(table).count("\n") == len(rows) + 1
    assert any(row[3] == "as set" for row in report.gate_table(summary.gates)[1])


def test_a_page_escapes_what_it_is_told() -> None:
    page = Page("<b>")
    page.table(["<i>"], [["1 < 2"]])
    assert "<b>" not in page.html and "<i>" not in page.html
    assert "1 &lt; 2" in page.html


def test_plots_are_the_same_for_the_same_figures(summary: Summary, tmp_path: Path) -> None:
    curves = {one.variant.name: one.curve for one in summary.gates if one.group == "all"}
    assert plots.svg(plots.trade_off(curves)) == plots.svg(plots.trade_off(curves))
    plots.save_png(plots.trade_off(curves), tmp_path / "images" / "curve.png")
    assert (tmp_path / "images" / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_gate_that_nobody_set_is_the_one_that_ships_for_the_model() -> None:
    results = Results({}, {}, CompletionSettings(gate=0.7))
    assert results.as_served("nano-135m").thresholds == calibrated("nano-135m")
    assert results.as_served("somebody's").thresholds is None
    results.calibrated_gate = False
    assert results.as_served("nano-135m") == CompletionSettings(gate=0.7)
