"""A model whose memory is a state: it can be continued, but never cut back or copied in part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asking import decode, decode_anew, make_decoder, plain
from tiny_mamba import write_tiny_mamba

from mellum_lsp.engine.context import Evaluation
from mellum_lsp.engine.decoder import Decoder

TEXT = "XYZ123 = 45\n" * 20


@pytest.fixture(scope="module")
def mamba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mamba(tmp_path_factory.mktemp("models") / "mamba.gguf")


@pytest.fixture
def recurrent(mamba: Path) -> Decoder:
    return make_decoder(mamba)


def test_text_that_is_appended_is_all_that_is_evaluated(recurrent: Decoder) -> None:
    decode(recurrent, plain(TEXT), 0)
    assert decode(recurrent, plain(TEXT + "XY"), 0).stats.evaluated_tokens == 2


def test_anything_else_is_evaluated_anew_and_answered_alike(mamba: Path, recurrent: Decoder) -> None:
    decode(recurrent, plain(TEXT), 5)
    again = decode_anew(recurrent, plain(TEXT), 16)
    assert again.stats.reused_tokens == 0
    assert again.tokens == decode(make_decoder(mamba), plain(TEXT), 16).tokens


def test_documents_do_not_disturb_each_other(mamba: Path, recurrent: Decoder) -> None:
    for name in "XYZ":
        decode(recurrent, plain(TEXT + name), 0, document=name)
    for name in "XYZ":
        result = decode(recurrent, plain(TEXT + name + "12"), 16, document=name)
        assert result.stats.evaluated_tokens == 2
        assert result.ids == decode(make_decoder(mamba), plain(TEXT + name + "12"), 16).ids


def test_an_abort_leaves_nothing_half_evaluated(
    mamba: Path, recurrent: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = recurrent.context.evaluate

    def evaluate_and_abort(*arguments: Any, **options: Any) -> Evaluation:
        result = evaluate(*arguments, **options)
        recurrent.abort.set()
        return result

    with monkeypatch.context() as patch:
        patch.setattr(recurrent.context, "evaluate", evaluate_and_abort)
        aborted = decode(recurrent, plain(TEXT)).stats
    assert (aborted.stop, aborted.evaluated_tokens) == ("aborted", 64)
    recurrent.abort.clear()
    after = decode(recurrent, plain(TEXT), 16)
    assert after.stats.reused_tokens == 0
    assert after.tokens == decode(make_decoder(mamba), plain(TEXT), 16).tokens
