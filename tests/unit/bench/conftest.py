"""What the tests of this room fill holes in."""

from __future__ import annotations

import pytest

from mellum_lsp.bench.project import Project

from .shop import write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """To be looked at only: all tests share it."""
    return write_shop(tmp_path_factory.mktemp("shop"))
