"""Shown, typed through, accepted, dismissed: read from the document of a client that tells nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.feedback.events import Kind
from mellum_lsp.feedback.inference import READ_SECONDS, SEEN_SECONDS, Ghost, Inferred, Watch

LONG = READ_SECONDS + 1.0


def ghost(marked: str, text: str, replaced: int = 0, suggestion: str = "s") -> Ghost:
    """``text`` offered at the ``$0`` of a document."""
    offset = marked.index("$0")
    return Ghost(suggestion, text, offset, replaced, marked.replace("$0", ""))


def watching(marked: str, text: str, replaced: int = 0) -> Watch:
    watch = Watch()
    watch.offer(ghost(marked, text, replaced), 0.0)
    return watch


class TestAccepted:
    def test_the_whole_ghost_at_once(self) -> None:
        watch = watching("x = $0\ny", "compute(1)\nz = 2")
        assert watch.change("x = compute(1)\nz = 2\ny", LONG) == [
            Inferred(Kind.SHOWN, "s"),
            Inferred(Kind.ACCEPTED, "s", 16),
        ]

    def test_with_the_closers_that_it_replaces(self) -> None:
        watch = watching("print($0)\ny", "a, b)", replaced=1)
        assert Inferred(Kind.ACCEPTED, "s", 5) in watch.change("print(a, b)\ny", LONG)

    def test_the_rest_of_it_after_some_keys(self) -> None:
        watch = watching("x = $0", "compute(1)")
        assert watch.change("x = c", 0.1) == watch.change("x = co", 0.2) == []
        assert watch.change("x = compute(1)", 0.5) == [
            Inferred(Kind.SHOWN, "s"),
            Inferred(Kind.TYPED_THROUGH, "s", 2),
            Inferred(Kind.ACCEPTED, "s", 8),
        ]

    def test_by_words(self) -> None:
        watch = watching("x = $0", "compute + other")
        assert watch.change("x = compute", LONG) == [Inferred(Kind.PARTIALLY_ACCEPTED, "s", 7)]
        assert watch.change("x = compute + other", LONG)[-1].kind is Kind.ACCEPTED


class TestTypedThrough:
    def test_key_by_key_to_its_end(self) -> None:
        watch = watching("x = $0", "abc")
        assert [watch.change(f"x = {'abc'[:n]}", n / 10) for n in (1, 2, 3)] == [
            [],
            [],
            [Inferred(Kind.SHOWN, "s"), Inferred(Kind.TYPED_THROUGH, "s", 3)],
        ]

    def test_until_something_else_is_typed(self) -> None:
        watch = watching("x = $0", "compute(1)")
        watch.change("x = com", 0.1)
        assert watch.change("x = comp!", LONG) == [
            Inferred(Kind.SHOWN, "s"),
            Inferred(Kind.TYPED_THROUGH, "s", 3),
        ]

    def test_brackets_that_the_editor_closes_do_not_end_it(self) -> None:
        watch = watching("x = $0\ny", "f([1])")
        for text in ("x = f\ny", "x = f()\ny", "x = f([])\ny"):
            assert watch.change(text, 0.1) == []

    def test_a_character_taken_back_counts_no_more(self) -> None:
        watch = watching("x = $0", "compute(1)")
        for text in ("x = c", "x = co", "x = c"):
            assert watch.change(text, 0.1) == []
        assert watch.gone(0.2) == [Inferred(Kind.SHOWN, "s"), Inferred(Kind.TYPED_THROUGH, "s", 1)]


class TestDismissed:
    def test_something_else_typed_after_a_good_look(self) -> None:
        watch = watching("x = $0", "compute(1)")
        assert watch.change("x = y", READ_SECONDS) == [
            Inferred(Kind.SHOWN, "s"),
            Inferred(Kind.DISMISSED, "s"),
        ]

    def test_typing_on_quickly_refuses_nothing(self) -> None:
        assert watching("x = $0", "compute(1)").change("x = y", SEEN_SECONDS) == [Inferred(Kind.SHOWN, "s")]

    def test_an_edit_elsewhere_refuses_nothing(self) -> None:
        assert watching("x = $0\ny", "compute(1)").change("x = \nz", LONG) == [Inferred(Kind.SHOWN, "s")]


class TestShown:
    def test_not_what_was_gone_before_anybody_saw_it(self) -> None:
        assert watching("x = $0", "compute(1)").change("x = y", SEEN_SECONDS / 2) == []
        assert watching("x = $0", "compute(1)").gone(SEEN_SECONDS / 2) == []

    def test_but_what_was_typed_into_however_fast(self) -> None:
        watch = watching("x = $0", "compute(1)")
        watch.change("x = c", 0.01)
        assert Inferred(Kind.SHOWN, "s") in watch.gone(0.02)

    def test_the_rest_of_a_ghost_is_the_same_suggestion(self) -> None:
        watch = watching("x = $0", "compute(1)")
        watch.change("x = co", 1.0)
        assert watch.offer(ghost("x = co$0", "mpute(1)", suggestion="t"), 1.1) == ("s", [])
        assert Inferred(Kind.ACCEPTED, "s", 8) in watch.change("x = compute(1)", 2.0)

    def test_another_ghost_ends_it(self) -> None:
        watch = watching("x = $0", "compute(1)")
        assert watch.offer(ghost("x = $0", "other()", suggestion="t"), 1.0) == (
            "t",
            [Inferred(Kind.SHOWN, "s")],
        )

    def test_what_the_client_says_that_it_takes_was_not_typed_however_short_it_is(self) -> None:
        watch = watching("x = $0", "f(1)")
        watch.announce("s", left=3)
        assert watch.change("x = f", 1.0) == []
        watch.offer(ghost("x = f$0", "(1)", suggestion="t"), 1.1)
        watch.announce("s", left=2)
        assert watch.change("x = f(", 1.2) == watch.change("x = f(1", 1.3) == []
        typed = [Inferred(Kind.SHOWN, "s"), Inferred(Kind.TYPED_THROUGH, "s", 2)]
        assert watch.change("x = f(1)", 1.4) == typed

    def test_what_the_client_says_of_another_suggestion_is_nothing_to_this_one(self) -> None:
        watch = watching("x = $0", "abc")
        watch.announce("t", left=0)
        assert Inferred(Kind.TYPED_THROUGH, "s", 3) in watch.change("x = abc", 1.0)

    def test_nothing_happens_where_nothing_is_shown(self) -> None:
        assert Watch().change("x", 1.0) == Watch().gone(1.0) == []


@given(st.text("ab()\n", min_size=1, max_size=8), st.lists(st.text("ab()\n", max_size=10), max_size=6))
def test_whatever_is_typed_a_ghost_is_shown_once_and_comes_to_one_end(text: str, typed: list[str]) -> None:
    watch = watching("x$0\n", text)
    happened = [one for number, now in enumerate(typed) for one in watch.change(f"x{now}\n", number + 1.0)]
    happened += watch.gone(9.0)
    kinds = [one.kind for one in happened]
    assert kinds.count(Kind.SHOWN) == 1
    assert kinds.count(Kind.ACCEPTED) + kinds.count(Kind.DISMISSED) <= 1
    assert all(0 < (one.characters or len(text)) <= len(text) for one in happened)
