"""Reasons are words for people and keys for counting."""

from __future__ import annotations

import pytest

from mellum_lsp.completion import reasons
from mellum_lsp.completion.reasons import Reason, Silence, kind_of


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (reasons.gated(0.4321), "gated p=0.43"),
        (reasons.SUPERSEDED, "superseded"),
        (reasons.DUPLICATES_SUFFIX, "duplicates suffix"),
        (reasons.MID_WORD, "mid-word"),
        (reasons.EXCLUDED_FILE, "excluded file"),
        (reasons.MODEL_LOADING, "model loading"),
        (reasons.disabled_language("markdown"), "disabled language: markdown"),
        (reasons.engine_failed("no such file\nhint: pull it"), "engine failed: no such file"),
    ],
)
def test_texts(reason: Reason, text: str) -> None:
    assert str(reason) == text


@pytest.mark.parametrize("kind", Silence)
def test_every_kind_is_found_again_in_its_text_and_has_a_sentence(kind: Silence) -> None:
    assert kind_of(str(Reason(kind))) is kind
    assert kind_of(str(Reason(kind, "p=0.10"))) is kind
    assert kind.sentence.endswith(".")


def test_what_is_no_reason_has_no_kind() -> None:
    assert kind_of("gatekeeper") is None
    assert kind_of("") is None
