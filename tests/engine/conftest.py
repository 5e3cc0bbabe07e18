"""Models that the engine's tests decode with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that babbles, always the same for the same prompt, and never ends by itself."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")
