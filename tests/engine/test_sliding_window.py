"""Mellum2 sees most of its context through a sliding window: cut back, it must see what stood there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import llama_cpp
import pytest
from asking import ONE_THREAD, decode, decode_anew, fim, make_decoder
from test_states import begin
from tiny_mellum2 import WINDOW, write_tiny_mellum2

from mellum_lsp.engine.batch_costs import BatchCosts
from mellum_lsp.engine.decoder import Decoder

TEXT = "XYZ123 = 45\n" * 12
TYPED = TEXT + "Q" * 400
"""So much is typed and removed again that a cache of the window alone has lost the place to return to."""


@pytest.fixture(scope="module")
def mellum2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_mellum2(tmp_path_factory.mktemp("models") / "mellum2.gguf")


@pytest.fixture
def fresh(mellum2: Path) -> list[int]:
    """What the model says to the text that it sees for the first time."""
    return decode(make_decoder(mellum2), fim(TEXT), 16).ids


def travelled(decoder: Decoder) -> tuple[list[int], int]:
    """What it says to the text after more was typed and removed, and how many tokens were evaluated anew."""
    decode(decoder, fim(TEXT), 2)
    decode(decoder, fim(TYPED), 2)
    result = decode(decoder, fim(TEXT), 16)
    return result.ids, result.stats.evaluated_tokens


def test_text_behind_the_window_that_is_removed_costs_one_token(mellum2: Path, fresh: list[int]) -> None:
    assert travelled(make_decoder(mellum2)) == (fresh, 1)


def test_a_cache_of_the_window_alone_is_never_trusted(
    mellum2: Path, fresh: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What llama.cpp would do unasked: it has dropped what the window left, and says so only when asked."""
    create = llama_cpp.llama_init_from_model

    def with_the_window_alone(model: Any, parameters: Any) -> Any:
        parameters.swa_full = False
        return create(model, parameters)

    monkeypatch.setattr(llama_cpp, "llama_init_from_model", with_the_window_alone)
    answer, evaluated = travelled(make_decoder(mellum2))
    assert answer == fresh
    assert evaluated > len(TEXT)


@pytest.mark.parametrize("length", [WINDOW - 20, WINDOW + 20])
def test_a_state_is_parked_only_where_the_window_has_left_nothing(
    mellum2: Path, tmp_path: Path, length: int
) -> None:
    """llama.cpp saves no more of a sequence than its window holds."""
    decoder = begin(mellum2, tmp_path, replace(ONE_THREAD, sequences=1))
    prompt = fim("X" * length)
    expected = decode(decoder, prompt, 16, document="a").ids
    decode(decoder, fim("Z" * 100), 2, document="b")
    back = decode_anew(decoder, prompt, 16, document="a")
    assert back.ids == expected
    assert (back.stats.evaluated_tokens == 1) == (length < WINDOW)


def test_rejected_drafts_leave_no_trace(mellum2: Path, fresh: list[int]) -> None:
    decoder = make_decoder(mellum2)
    decoder.drafter.costs = BatchCosts(dict.fromkeys(range(1, 17), 10.0))
    for _ in range(3):
        result = decode_anew(decoder, fim(TEXT), 16)
        assert result.ids == fresh
    assert result.stats.drafted_tokens > 0
