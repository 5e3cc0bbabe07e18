"""The figures of ``mellum-lsp index``."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.report import index_report, query_report
from mellum_lsp.workspace.settings import IndexSettings

from .living import write


def test_reports_a_folder_and_answers_a_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "project"
    source = write(root / "shop.py", "def total_price(basket):\n    return sum(basket)\n")
    write(root / ".env", "KEY=1")
    for _ in range(2):  # also from nothing when something was kept
        report = index_report(root, IndexSettings())
        assert list(report) == ["files", "chunks", "bytes", "seconds", "rss_mb", "skipped"]
        assert (report["files"], report["chunks"], report["bytes"]) == (1, 1, source.stat().st_size)
        assert report["skipped"] == {"secret": 1}
        assert 0 < report["seconds"] < 60 and report["rss_mb"] > 10
    text = "from shop import total_price\nprint(total_price(basket))\n"
    found = query_report(root, IndexSettings(), Caret("main.py", "python", text, len(text), root=str(root)))
    assert [one.chunk.path for one in found] == ["shop.py"]
