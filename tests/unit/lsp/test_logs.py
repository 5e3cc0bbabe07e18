"""The log says where something failed and keeps quiet about what was being looked at."""

from __future__ import annotations

import logging

import pytest

from mellum_lsp.lsp.logs import failure


def fail() -> KeyError:
    try:
        {}["password = 'hunter2'"]
    except KeyError as error:
        return error
    raise AssertionError


def test_a_failure_names_kind_and_place_but_quotes_nothing() -> None:
    line = failure("reading failed", fail())
    assert line.startswith("reading failed: KeyError at test_logs.py:")
    assert "hunter2" not in line


def test_at_debug_level_it_tells_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mellum_lsp.lsp.logs")
    assert "hunter2" in failure("reading failed", fail())
