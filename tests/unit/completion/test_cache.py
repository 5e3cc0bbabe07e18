"""Which earlier generation continues the text before a caret."""

from __future__ import annotations

from mellum_lsp.completion.cache import LOOK_BACK_CHARACTERS, Entry, GenerationCache, anchor_of
from mellum_lsp.completion.generated import Generated

from .golden import caret_in


def entry(text: str, stop: str = "end", bar: float = 0.0) -> Entry:
    ends = tuple(range(1, len(text) + 1))
    return Entry(Generated(text, ends, (1.0,) * len(text), stop), min_joint_probability=bar)


def filled(document: str, text: str, capacity: int = 250) -> GenerationCache:
    cache = GenerationCache(capacity)
    cache.put(anchor_of(caret_in(document)), entry(text))
    return cache


def found(cache: GenerationCache, document: str) -> list[str]:
    return [hit.rest.text for hit in cache.find(caret_in(document))]


def test_typing_along() -> None:
    cache = filled("x = $0\ny", "compute(1)")
    assert found(cache, "x = comp$0\ny") == ["ute(1)"]
    assert found(cache, "x = cons$0\ny") == []


def test_closers_that_the_editor_inserts_do_not_hide_it() -> None:
    cache = filled("x = $0\ny", "compute([1])")
    assert found(cache, "x = compute([$0])\ny") == ["1])"]


def test_other_text_behind_the_caret_is_another_place() -> None:
    assert found(filled("x = $0\ny", "compute(1)"), "x = c$0\nz") == []


def test_edits_far_above_do_not_hide_it() -> None:
    lines = "".join(f"line_{number} = {number}\n" for number in range(60))
    cache = filled(lines + "x = $0\ny", "compute(1)")
    assert found(cache, "import os\n" + lines + "x = c$0\ny") == ["ompute(1)"]


def test_it_does_not_look_back_for_ever() -> None:
    text = "a" * (LOOK_BACK_CHARACTERS + 10)
    cache = filled("x = $0\ny", text)
    assert found(cache, f"x = {text[:LOOK_BACK_CHARACTERS]}$0\ny")
    assert not found(cache, f"x = {text[: LOOK_BACK_CHARACTERS + 1]}$0\ny")


def test_the_nearest_generation_comes_first() -> None:
    cache = filled("x = $0\ny", "compute(1)")
    cache.put(anchor_of(caret_in("x = com$0\ny")), entry("pare(2)"))
    assert found(cache, "x = com$0\ny") == ["pare(2)", "pute(1)"]


def test_the_least_recently_used_is_forgotten() -> None:
    cache = filled("a = $0", "1111", capacity=2)
    cache.put(anchor_of(caret_in("b = $0")), entry("2222"))
    assert found(cache, "a = $0")
    cache.put(anchor_of(caret_in("c = $0")), entry("3333"))
    assert (found(cache, "a = $0"), found(cache, "b = $0"), found(cache, "c = $0")) == (
        ["1111"],
        [],
        ["3333"],
    )


def test_a_stream_that_was_cut_off_does_not_replace_one_that_knows_more() -> None:
    cache = filled("a = $0", "compute(1)")
    cache.put(anchor_of(caret_in("a = $0")), entry("comp", stop="aborted"))
    assert found(cache, "a = $0") == ["compute(1)"]


def test_one_without_a_gate_replaces_one_that_the_gate_cut() -> None:
    cache = GenerationCache()
    cache.put(anchor_of(caret_in("a = $0")), entry("compute(", stop="probability", bar=0.7))
    cache.put(anchor_of(caret_in("a = $0")), entry("compute", bar=0.0))
    assert found(cache, "a = $0") == ["compute"]
