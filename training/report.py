"""An evaluation as Markdown and as one HTML page with plots, which needs nothing beside it."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_SHOWN = {
    "first_line": "first line exact",
    "exact": "exact",
    "similarity": "edit similarity",
    "chrf": "chrF++",
    "right_lines": "right lines",
    "ended": "stop rate",
    "exact_cut": "exact, cut",
    "similarity_cut": "similarity, cut",
    "length_ratio": "length",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;"
    "text-align:right}td:first-child,th:first-child,td:nth-child(2){text-align:left}svg{max-width:100%}"
)


def markdown(figures: dict[str, Any], groups: Sequence[str] | None = None) -> str:
    """Tables of all models, of ``groups`` alone where they are named."""
    lines: list[str] = []
    for name, by_group in figures["models"].items():
        for group, row in by_group.items():
            if groups is None or group in groups:
                lines.append(f"| {name} | {group} | {row['exact'][3]} | {' | '.join(_cells(row))} |")
    head = f"| model | holes | n | {' | '.join(_SHOWN.values())} |"
    rule = f"| --- | --- | ---: |{' --- |' * len(_SHOWN)}"
    text = "\n".join([head, rule, *lines])
    for pair, row in figures["differences"].items():
        text += f"\n| {pair} | difference | {row['exact'][3]} | {' | '.join(_cells(row))} |"
    return text + "\n"


def _cells(row: dict[str, Sequence[float]]) -> list[str]:
    return [_cell(row[figure]) if figure in row else "" for figure in _SHOWN]


def _cell(estimate: Sequence[float]) -> str:
    value, low, high, _ = estimate
    digits = 1 if abs(high) > 2 else 3
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def write_html(path: Path, title: str, figures: dict[str, Any], metrics: Path) -> None:
    """Plots are left out where matplotlib (extra ``reports``) is not installed."""
    parts = [f"<h1>Evaluation of {html.escape(title)}</h1>"]
    for group in ("all", "single line"):
        if any(group in by_group for by_group in figures["models"].values()):
            parts += [f"<h2>{group}</h2>", _bars(figures, group)]
    parts += ["<h2>Learning curve</h2>", learning_curve(metrics)] if metrics.exists() else []
    parts += ["<h2>All figures</h2><p>Mean and 95% bootstrap interval.</p>", _html_table(markdown(figures))]
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><style>{_STYLE}</style>"
    path.write_text(page + "\n".join(parts), encoding="utf-8")


def _html_table(table: str) -> str:
    rows = [
        line.strip("|").split(" | ") for line in table.strip().split("\n") if not line.startswith("| ---")
    ]
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(c.strip())}</td>' for c in row)}</tr>" for row in rows)
    return f"<table>{body}</table>"


def _bars(figures: dict[str, Any], group: str) -> str:
    names = [name for name, by_group in figures["models"].items() if group in by_group]
    shown = ("first_line", "exact", "similarity", "ended")

    def draw(axes: Any) -> None:
        width = 0.8 / len(names)
        for index, name in enumerate(names):
            rows = [figures["models"][name][group][figure] for figure in shown]
            below = [r[0] - r[1] for r in rows]
            above = [r[2] - r[0] for r in rows]
            at = [i + index * width for i in range(len(shown))]
            axes.bar(at, [r[0] for r in rows], width, yerr=[below, above], label=name, capsize=2)
        axes.set_xticks([i + 0.4 - width / 2 for i in range(len(shown))], [_SHOWN[f] for f in shown])
        axes.set_ylim(0, 1)
        axes.legend(fontsize=8)

    figure = _figure(draw)
    return _svg(figure) if figure else _NO_PLOTS


def learning_curve(metrics: Path) -> str:
    """Loss on middles of the steps and of the validations, over tokens, as SVG."""
    figure = _figure(lambda axes: _draw_curve(axes, metrics))
    return _svg(figure) if figure else _NO_PLOTS


def write_curve(metrics: Path, target: Path) -> None:
    """The same as a PNG; nothing where matplotlib is not installed or there is nothing to draw."""
    if not metrics.exists():
        return
    figure = _figure(lambda axes: _draw_curve(axes, metrics))
    if figure:
        figure.savefig(target, dpi=120)


def _draw_curve(axes: Any, metrics: Path) -> None:
    events = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    for kind, key, style in (("step", "middle_loss", "-"), ("validation", "validation_loss", "o-")):
        part = [event for event in events if event["event"] == kind]
        axes.plot([e["tokens"] for e in part], [e[key] for e in part], style, lw=0.8, label=kind)
    axes.set_xlabel("tokens")
    axes.set_ylabel("loss on middles (nats a token)")
    axes.legend(fontsize=8)


_NO_PLOTS = "<p>No plots: matplotlib is not installed (extra <code>reports</code>).</p>"


def _figure(draw: Callable[[Any], None]) -> Any:
    """None where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    draw(figure.subplots())
    return figure


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]
