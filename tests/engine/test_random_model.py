"""A model of random weights is what llama.cpp takes for a real one of its shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import decode, make_decoder, plain

from mellum_lsp.diagnosis.random_model import Kind, Shape, write_random_model

SMALL = Shape(layers=8, hidden=256, heads=4, kv_heads=2, feed_forward=352, vocabulary=512, context=512)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_model(tmp_path_factory.mktemp("models") / "random.gguf", SMALL)


def test_it_decodes(model: Path) -> None:
    result = decode(make_decoder(model), plain("def f(self):\n    return "), 12)
    assert result.stats.generated_tokens > 0
    assert all(0 < token.probability < 1 for token in result.tokens)


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_K_M", "Q8_0"])
def test_activations_neither_vanish_nor_explode(tmp_path: Path, kind: Kind) -> None:
    decoder = make_decoder(write_random_model(tmp_path / "m.gguf", SMALL, kind=kind))
    decoder.context.evaluate(0, decoder.vocabulary.tokenise("abc" * 10), 0, outputs=1)
    logits = decoder.context.logits()[0]
    assert np.isfinite(logits).all()
    assert 0.2 < logits.std() < 5


def test_equal_seeds_give_equal_files(model: Path, tmp_path: Path) -> None:
    assert write_random_model(tmp_path / "again.gguf", SMALL).read_bytes() == model.read_bytes()
