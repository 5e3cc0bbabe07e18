"""The largest model that answers in time is recommended, and the reasons are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mellum_lsp.diagnosis.candidates import Candidate
from mellum_lsp.diagnosis.prediction import Speed, waiting
from mellum_lsp.diagnosis.recommendation import recommend


def candidate(name: str, parameters: float, decode: float, **fields: object) -> Candidate:
    speed = Speed(decode * 10, decode)
    one = Candidate(
        name,
        "Q8_0",
        parameters,
        memory_gb=parameters,
        fits=True,
        source="predicted",
        speed=speed,
        waiting=waiting(speed, 8192, 300),
    )
    return replace(one, **fields)


NANO = candidate("nano-135m", 0.135, 150, path=Path("nano.gguf"))
SMALL = candidate("small", 0.5, 80)
LARGE = candidate("large", 4.0, 6)


def test_the_largest_that_is_in_time() -> None:
    found = recommend([NANO, SMALL, LARGE], 300)
    assert found and found.model == "small"
    assert found.commands == (
        "mellum-lsp models pull small",
        "export MELLUM_LSP_MODEL=small    # or the setting `model`",
    )
    assert any("large is predicted to take 1,700 ms" in reason for reason in found.reasons)


def test_nothing_is_to_be_done_where_the_embedded_model_is_best() -> None:
    found = recommend([NANO, LARGE], 300)
    assert found and (found.model, found.commands) == ("nano-135m", ())


def test_what_is_measured_counts_more_than_what_is_predicted() -> None:
    """No tolerance: a measured model is in time or is not."""
    close = candidate("small", 0.5, 38)
    assert recommend([NANO, close], 300).model == "nano-135m"
    measured = replace(close, source="measured", typing_ms=280.0, path=Path("small.gguf"))
    assert recommend([NANO, measured], 300).model == "small"


def test_what_might_just_do_is_named() -> None:
    found = recommend([NANO, candidate("small", 0.5, 38)], 300)
    assert found and any("might just do" in reason and "small" in reason for reason in found.reasons)


def test_a_model_that_does_not_fit_is_out() -> None:
    found = recommend([NANO, replace(SMALL, fits=False)], 300)
    assert found and found.model == "nano-135m"


def test_of_equal_ones_the_free_and_the_preferred() -> None:
    found = recommend(
        [
            SMALL,
            replace(SMALL, name="unfree", limits="not for work"),
            replace(SMALL, name="best", preferred=True),
        ],
        300,
    )
    assert found and found.model == "best"


def test_a_model_to_be_quantised_first_says_how() -> None:
    found = recommend([replace(SMALL, quantise=True, quantisation="Q4_K_M")], 300)
    assert found and "mellum-lsp models quantize small Q4_K_M" in found.commands
    assert found.commands[-1].startswith("export MELLUM_LSP_MODEL=small-q4_k_m ")


def test_where_none_is_in_time_the_fastest_and_a_way_out() -> None:
    found = recommend([LARGE, candidate("larger", 8, 3)], 300)
    assert found and found.model == "large"
    assert "team" in found.reasons[1]


def test_nothing_is_known_without_a_measurement() -> None:
    assert recommend([replace(NANO, speed=None, waiting=None)], 300) is None
