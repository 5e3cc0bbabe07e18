"""Plots of measurements, as SVG to be inlined or as PNG. Needs the extra ``reports``."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mellum_lsp.bench.gates import AtGate, Bin
from mellum_lsp.bench.load import Level
from mellum_lsp.bench.statistics import Estimate
from mellum_lsp.feedback.metrics import Metrics

_SIZE_INCHES = (7.0, 4.2)


def bars(values: Mapping[str, Estimate], label: str) -> Any:
    """One bar with its interval for each of ``values``."""
    figure, axes = _figure(height=1.0 + 0.42 * len(values))
    names = list(values)[::-1]
    numbers = [values[name] for name in names]
    spread = [[n.value - n.low for n in numbers], [n.high - n.value for n in numbers]]
    axes.barh(names, [n.value for n in numbers], xerr=spread, capsize=3, color="#6c8ebf", ecolor="#333")
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    return figure


def trade_off(curves: Mapping[str, Sequence[AtGate]]) -> Any:
    """The share of shown suggestions that is right over the share of holes at which one is shown."""
    figure, axes = _figure()
    for name, points in curves.items():
        points = [point for point in points if point.right.n]
        axes.plot(
            [100 * p.shown.value for p in points],
            [100 * p.right.value for p in points],
            "o-",
            ms=3,
            label=name,
        )
        for point in points[::4]:
            place = (100 * point.shown.value, 100 * point.right.value)
            axes.annotate(
                f"{point.threshold:g}", place, textcoords="offset points", xytext=(3, 4), fontsize=7
            )
    axes.set_xlabel("holes at which something is shown, %")
    axes.set_ylabel("of these fully right, %")
    axes.set_xlim(0, 100)
    axes.set_ylim(-2, 104)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def reliability(calibrations: Mapping[str, Sequence[Bin]]) -> Any:
    """The observed share of right drafts over the predicted joint probability, with intervals."""
    figure, axes = _figure()
    axes.plot([0, 1], [0, 1], color="#999", lw=1, ls="--", label="perfectly calibrated")
    for name, bins in calibrations.items():
        observed = [one.observed for one in bins]
        spread = [[o.value - o.low for o in observed], [o.high - o.value for o in observed]]
        drafts = sum(o.n for o in observed)
        axes.errorbar(
            [one.predicted for one in bins],
            [o.value for o in observed],
            yerr=spread,
            fmt="o-",
            ms=4,
            capsize=2,
            label=f"{name} ({drafts} drafts)",
        )
    axes.set_xlabel("joint probability of the draft, predicted")
    axes.set_ylabel("share fully right, observed")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def load_curve(levels: Sequence[Level], target_ms: float) -> Any:
    """Milliseconds to the whole answer over the number of developers: median, 90% and 99%."""
    figure, axes = _figure()
    for share, style in ((50, "o-"), (90, "s-"), (99, "^:")):
        values = [level.percentile(share) for level in levels]
        axes.plot([level.users for level in levels], values, style, ms=4, label=f"{share}% of answers")
    axes.axhline(target_ms, color="#999", lw=1, ls="--", label=f"target {target_ms:.0f} ms")
    axes.set_xlabel("developers typing at once")
    axes.set_ylabel("milliseconds to the whole answer")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def waiting_curves(milliseconds: Mapping[str, Sequence[float]], target_ms: float) -> Any:
    """The share of answers that had come, over the time since their request, on a logarithmic scale."""
    figure, axes = _figure()
    for name, values in milliseconds.items():
        ordered = sorted(max(value, 0.1) for value in values)
        shares = [100 * (rank + 1) / len(ordered) for rank in range(len(ordered))]
        axes.step(ordered, shares, where="post", label=f"{name} ({len(ordered)})")
    axes.axvline(target_ms, color="#999", lw=1, ls="--", label=f"{target_ms:.0f} ms")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds from request to answer")
    axes.set_ylabel("answers with something to show, %")
    axes.set_ylim(0, 101)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def curves(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> Any:
    """Lines through points, labelled with what is measured across and up."""
    figure, axes = _figure()
    for name, points in series.items():
        style = "o-" if len(points) < 40 else "-"
        axes.plot([x for x, _ in points], [y for _, y in points], style, ms=3, lw=0.9, label=name)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def weeks(by_week: Mapping[str, Metrics]) -> Any:
    """Bars of what was shown in each week, and over them the share that was accepted."""
    figure, axes = _figure()
    names = list(by_week)
    axes.bar(names, [one.shown for one in by_week.values()], color="#c8d4e8")
    axes.set_ylabel("suggestions shown")
    axes.tick_params(axis="x", rotation=45, labelsize=8)
    rates = axes.twinx()
    accepted = [100 * (one.acceptance_rate or 0.0) for one in by_week.values()]
    rates.plot(names, accepted, "o-", color="#2f5597", ms=4)
    rates.set_ylabel("of these accepted, %")
    rates.set_ylim(0, 100)
    return figure


def waiting_times(milliseconds: Sequence[float]) -> Any:
    """How often an answer took how long, on a logarithmic scale: a cache answers in well under one."""
    figure, axes = _figure()
    edges = [10 ** (exponent / 4) for exponent in range(-4, 17)]
    axes.hist([min(max(value, edges[0]), edges[-1]) for value in milliseconds], bins=edges, color="#6c8ebf")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds")
    axes.set_ylabel("suggestions")
    axes.grid(axis="y", alpha=0.3)
    return figure


def svg(figure: Any) -> str:
    """The image as an ``<svg>`` element, the same for the same figure."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "mellum", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def save_png(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _figure(height: float = _SIZE_INCHES[1]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
    return figure, figure.add_subplot()
