"""Acceptance rate, ratio of completed code and kept rate, from events as they come in."""

from __future__ import annotations

import pytest

from mellum_lsp.feedback.events import Event, Kind
from mellum_lsp.feedback.keystrokes import typed_characters
from mellum_lsp.feedback.metrics import by, form_of, kind_of, language_of, model_of, overall, week_of
from mellum_lsp.feedback.survival import kept_characters, visible_characters


def event(kind: Kind, suggestion: str = "a", characters: int = 0, **fields: object) -> Event:
    return Event(kind, suggestion, characters=characters, **{"language": "python", **fields})


def test_the_acceptance_rate_counts_each_suggestion_once() -> None:
    events = [
        event(Kind.SHOWN, "a"),
        event(Kind.ACCEPTED, "a", 10),
        event(Kind.SHOWN, "b"),
        event(Kind.DISMISSED, "b"),
        event(Kind.SHOWN, "c"),
        event(Kind.PARTIALLY_ACCEPTED, "c", 4),
        event(Kind.PARTIALLY_ACCEPTED, "c", 7),
        event(Kind.SHOWN, "d"),
        event(Kind.TYPED_THROUGH, "d", 5),
    ]
    found = overall(events)
    assert (found.shown, found.accepted, found.partially_accepted) == (4, 1, 1)
    assert (found.dismissed, found.typed_through) == (1, 1)
    assert found.acceptance_rate == 0.5
    assert found.inserted_characters == 17, "of a partial acceptance the most that was taken"


def test_a_client_that_does_not_tell_what_it_showed_has_shown_what_was_accepted() -> None:
    assert overall([event(Kind.ACCEPTED, "a", 3)]).acceptance_rate == 1.0


def test_a_partial_acceptance_that_becomes_a_whole_one_counts_once() -> None:
    found = overall([event(Kind.PARTIALLY_ACCEPTED, "a", 4), event(Kind.ACCEPTED, "a", 9)])
    assert (found.accepted, found.partially_accepted, found.inserted_characters) == (1, 0, 9)


def test_the_ratio_of_completed_code_weighs_against_what_was_typed() -> None:
    events = [event(Kind.ACCEPTED, "a", 25), event(Kind.TYPED, "", 50), event(Kind.TYPED, "", 25)]
    assert overall(events).ratio_of_completed_code == 0.25


def test_kept_rates_weigh_by_length() -> None:
    events = [
        event(Kind.ACCEPTED, "a", 30),
        event(Kind.ACCEPTED, "b", 10),
        event(Kind.KEPT_30_S, "a", 30, of_characters=30),
        event(Kind.KEPT_30_S, "b", 0, of_characters=10),
        event(Kind.KEPT_5_MIN, "a", 15, of_characters=30),
    ]
    found = overall(events)
    assert (found.kept_after_30_s, found.kept_after_5_min) == (0.75, 0.5)


def test_nothing_counted_is_no_rate() -> None:
    found = overall([])
    assert found.shown == 0
    assert found.acceptance_rate is found.ratio_of_completed_code is found.kept_after_30_s is None


def test_groups_have_figures_of_their_own_the_largest_first() -> None:
    events = [
        event(Kind.SHOWN, "a", language="go"),
        event(Kind.SHOWN, "b"),
        event(Kind.ACCEPTED, "b", 5),
        event(Kind.SHOWN, "c"),
        event(Kind.TYPED, "", 15),
    ]
    found = by(language_of, events)
    assert list(found) == ["python", "go"]
    assert found["python"].acceptance_rate == 0.5
    assert found["python"].ratio_of_completed_code == 0.25
    assert by(model_of, events).keys() == {"unknown"}
    assert by(kind_of, events)["one line"].ratio_of_completed_code is None, "nobody knows what was typed"
    assert by(kind_of, events)["one line"].shown == 3
    forms = [event(Kind.SHOWN, "a", form="block"), event(Kind.ACCEPTED, "a", 5, form="block")]
    assert by(form_of, forms)["block"].acceptance_rate == 1.0
    assert by(week_of, [event(Kind.SHOWN, at=1795267140.0)]).keys() == {"2026-11-16"}


def test_what_is_typed_counts_for_the_model_whose_suggestions_were_offered() -> None:
    events = [
        event(Kind.ACCEPTED, "a", 25, model="nano"),
        event(Kind.TYPED, "", 75, model="nano"),
        event(Kind.ACCEPTED, "b", 10, model="other"),
    ]
    found = by(model_of, events)
    assert found["nano"].ratio_of_completed_code == 0.25
    assert found["other"].ratio_of_completed_code is None, "of an older version, which did not record it"


def test_waiting_times_are_those_of_suggestions() -> None:
    events = [event(Kind.SHOWN, str(n), latency_ms=float(n)) for n in range(1, 101)]
    found = overall(events)
    assert (found.latency_p50_ms, found.latency_p95_ms) == (50.0, 95.0)


@pytest.mark.parametrize(
    ("inserted", "characters"),
    [
        ("a", 1),
        ("()", 2),
        ("\n        ", 1),
        (" ", 1),
        ("", 0),
        ("é🧮", 2),
        ("return a + b", 0),
        ("\n    }", 2),
    ],
)
def test_keys_are_told_from_what_comes_at_once(inserted: str, characters: int) -> None:
    assert typed_characters(inserted) == characters


ACCEPTED = "return sum(item.price for item in items)"


@pytest.mark.parametrize(
    ("document", "share"),
    [
        (f"def total(items):\n    {ACCEPTED}\n", 1.0),
        ("def total(items):\n    return sum(\n        item.price for item in items\n    )\n", 1.0),
        (f"import os\n\n\ndef total(items):\n    {ACCEPTED}\n", 1.0),
        ("def total(items):\n    return sum(item.cost for item in items)\n", 0.85),
        ("def total(items):\n    pass\n", 0.0),
        ("", 0.0),
    ],
    ids=["as it was", "formatted", "moved", "edited", "deleted", "emptied"],
)
def test_how_much_is_kept(document: str, share: float) -> None:
    kept = kept_characters(ACCEPTED, document, offset=22) / visible_characters(ACCEPTED)
    assert kept == pytest.approx(share, abs=0.1)
