"""What an installation without the extra ``reports`` is told."""

from __future__ import annotations

from importlib.util import find_spec

_NEEDED = ("sacrebleu", "matplotlib")


class ReportsMissing(Exception):
    """A library that scores and plots need is not installed."""


def require_reports() -> None:
    """Raises `ReportsMissing` before hours of work would end without a report."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ReportsMissing(
            f"benchmarks need {' and '.join(missing)}, which the server itself does not.\n"
            "hint: pip install 'mellum-lsp[reports]'"
        )
