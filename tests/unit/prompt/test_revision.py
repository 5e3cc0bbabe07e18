"""What becomes of a frozen plan when the project changes: gone, changed, new and better chunks."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.domain import Chunk, Part, ScoredChunk, prompt_text
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import Plan, make_plan, prompt_tokens
from mellum_lsp.prompt.revision import carried_over, is_outdone, revised

from .carets import COUNTS, Caret, caret_in, one_per_character, typed
from .plans import budget, budgets, chunks, compressions, first_line, found, plan_for


def nothing_gone(chunk: Chunk) -> bool:
    return False


def gone(*texts: str):
    return lambda chunk: chunk.text in texts


def shown(plan: Plan) -> list[str]:
    """The paths of the context, in the order of the prompt."""
    return [file.path for file in plan.context]


class TestGone:
    def test_what_is_gone_is_dropped_and_the_rest_stays_in_place(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "a"), found("b.py", 1, "b"), found("c.py", 1, "c"))
        after = revised(plan, caret, plan.chunks[::2], gone("b"))
        assert (shown(plan), shown(after)) == (["c.py", "b.py", "a.py"], ["c.py", "a.py"])
        assert after.tokens == prompt_tokens(after.render(caret), one_per_character)

    def test_what_has_changed_is_shown_as_it_is_now_in_its_old_place(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "a"), found("b.py", 1, "old"), found("c.py", 1, "c"))
        offered = [plan.chunks[0], found("b.py", 3, "new"), plan.chunks[2]]
        after = revised(plan, caret, offered, gone("old"))
        assert [(file.path, file.text) for file in after.context] == [
            ("c.py", "c"),
            ("b.py", "new"),
            ("a.py", "a"),
        ]

    def test_what_else_is_held_of_a_changed_file_is_shown_where_it_stands_now(self) -> None:
        """Its line numbers decide what stands above what, so old ones do not go with new ones."""
        plan, caret = plan_for("¦", found("a.py", 1, "first"), found("a.py", 9, "last"))
        offered = [found("a.py", 30, "first"), found("a.py", 20, "another")]
        after = revised(plan, caret, offered, gone("last"))
        assert [(file.path, file.text) for file in after.context] == [("a.py", "another\n\nfirst")]

    def test_a_chunk_of_the_file_itself_goes_when_its_lines_are_edited(self) -> None:
        far = "\n" * 60
        plan, _ = plan_for(f"¦{far}def helper(): ...", found("src/shapes.py", 61, "def helper(): ..."))
        assert len(plan.chunks) == 1
        edited = caret_in(f"¦{far}def assistant(): ...")
        assert revised(plan, edited, plan.chunks, nothing_gone).chunks == ()

    def test_the_room_of_what_is_gone_is_used(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "a" * 60), found("b.py", 1, "b" * 60), total=150)
        after = revised(plan, caret, [found("b.py", 1, "b" * 60)], gone("a" * 60))
        assert (shown(plan), shown(after)) == (["a.py"], ["b.py"])


class TestNew:
    def test_what_is_new_comes_behind_what_is_held(self) -> None:
        plan, caret = plan_for("¦", found("old.py", 1, "old"))
        new = [found("better.py", 1, "better", 0.9), *plan.chunks, found("worse.py", 1, "worse", 0.1)]
        after = revised(plan, caret, new, nothing_gone)
        assert shown(after) == ["old.py", "worse.py", "better.py"]
        assert after.tokens == prompt_tokens(after.render(caret), one_per_character)

    def test_a_new_definition_in_a_file_that_is_held_is_taken_up_too(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 9, "known"), found("b.py", 1, "b"))
        offered = [found("a.py", 12, "known"), found("a.py", 1, "new"), *plan.chunks[1:]]
        after = revised(plan, caret, offered, nothing_gone)
        assert [(file.path, file.text) for file in after.context] == [
            ("b.py", "b"),
            ("a.py", "new\n\nknown"),
        ]

    def test_nothing_that_does_not_fit_is_taken_up(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "a"), total=100)
        assert revised(plan, caret, [*plan.chunks, found("b.py", 1, "b" * 100)], nothing_gone) is plan

    def test_the_limit_for_context_is_kept(self) -> None:
        caret = caret_in("¦")
        small = budget(400, context=30)
        plan = make_plan(caret, [found("a.py", 1, "a" * 10)], small, Mellum(), one_per_character)
        assert len(plan.chunks) == 1
        assert revised(plan, caret, [*plan.chunks, found("b.py", 1, "b" * 10)], nothing_gone) is plan

    def test_deleted_words_make_no_room(self) -> None:
        """Each chunk taken up costs an evaluation of all that stands behind it."""
        plan, caret = plan_for("some words on this line¦", total=200)
        free = plan.budget.total_tokens - plan.budget.typing_tokens - plan.tokens
        news = [found("b.py", 1, "b" * (free - len("<>b.py__") + 5))]
        assert revised(plan, caret, news, nothing_gone) is plan
        deleted = caret_in("some words on¦")
        assert revised(plan, deleted, news, nothing_gone) is plan

    def test_nothing_changes_where_the_project_is_as_it_was(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "a"), found("b.py", 1, "b"))
        assert revised(plan, caret, plan.chunks, nothing_gone) is plan
        moved = [found("a.py", 7, "a"), found("b.py", 1, "b")]
        assert revised(plan, caret, moved, nothing_gone) is plan


class TestForms:
    BIG = "def f(a):\n" + "    body\n" * 9

    def held(self) -> tuple[Plan, Caret]:
        caret = caret_in("¦")
        offered = [found("a.py", 1, self.BIG)]
        return make_plan(caret, offered, budget(120), Mellum(), one_per_character, first_line), caret

    def test_what_is_held_compressed_stays_so(self) -> None:
        plan, caret = self.held()
        assert [file.text for file in plan.context] == ["def f(a):…"]
        offered = [found("a.py", 7, self.BIG), found("b.py", 1, "b")]
        after = revised(plan, caret, offered, nothing_gone, first_line)
        assert [file.text for file in after.context] == ["def f(a):…", "b"]
        assert after.chunks[0].chunk.start_line == 7

    def test_a_body_that_changed_behind_its_signature_changes_nothing(self) -> None:
        """What the compressed form says is not gone."""
        plan, caret = self.held()
        offered = [found("a.py", 1, self.BIG.replace("body", "bode"))]
        assert revised(plan, caret, offered, nothing_gone, first_line) is plan

    def test_another_signature_does(self) -> None:
        plan, caret = self.held()
        offered = [found("a.py", 1, self.BIG.replace("(a)", "(b)"))]
        after = revised(plan, caret, offered, gone("def f(a):…"), first_line)
        assert [file.text for file in after.context] == ["def f(b):…"]


class TestOutdone:
    def held(self) -> tuple[Plan, Caret]:
        return plan_for("¦", found("a.py", 1, "a" * 40, 0.4), found("b.py", 1, "b" * 40, 0.2), total=180)

    def test_by_what_is_clearly_better(self) -> None:
        plan, caret = self.held()
        assert is_outdone(plan, caret, [found("c.py", 1, "c" * 40, 0.9), *plan.chunks])

    def test_not_by_what_is_a_little_better(self) -> None:
        plan, caret = self.held()
        assert not is_outdone(plan, caret, [found("c.py", 1, "c" * 40, 0.3), *plan.chunks])

    def test_not_by_what_there_is_no_room_for(self) -> None:
        plan, caret = self.held()
        assert not is_outdone(plan, caret, [found("c.py", 1, "c" * 900, 0.9), *plan.chunks])

    def test_what_is_held_counts_with_the_score_that_it_has_now(self) -> None:
        plan, caret = self.held()
        fallen = [found("c.py", 1, "c" * 40, 0.3), found("a.py", 1, "a" * 40, 0.09)]
        assert is_outdone(plan, caret, fallen)

    def test_not_where_nothing_is_found(self) -> None:
        plan, caret = self.held()
        assert not is_outdone(plan, caret, [])

    def test_an_empty_plan_by_anything(self) -> None:
        plan, caret = plan_for("¦")
        assert is_outdone(plan, caret, [found("a.py", 1, "a", 0.1)])


def in_front_of(prompt: Sequence[Part], path: str) -> str:
    """The prompt up to a file of context."""
    kinds = [(part.kind, part.path) for part in prompt]
    return prompt_text(prompt[: kinds.index(("context", path))])


@settings(max_examples=200)
@given(
    chunks,
    chunks,
    budgets,
    st.sampled_from(COUNTS),
    st.sets(st.text("ab \n()", max_size=3)),
    st.text("ab(\n"),
    compressions,
)
def test_whatever_changes_the_plan_keeps_its_promises(
    before: list[ScoredChunk],
    now: list[ScoredChunk],
    limits,
    count,
    lost: set[str],
    keys: str,
    compress,
) -> None:
    caret = caret_in("def f(¦):\n    pass\n")
    plan = make_plan(caret, before, limits, Mellum(), count, compress)
    now = [one for one in now if one.chunk.text not in lost]
    later = typed(caret, keys)
    if not plan.still_fits(later):
        later = caret
    after = revised(plan, later, now, gone(*lost), compress)
    assert prompt_tokens(after.render(later), count) <= limits.total_tokens
    assert not any(one.chunk.text in lost for one in after.chunks)
    assert revised(after, later, now, gone(*lost), compress) is after
    assert after.geometry == plan.geometry
    if after is not plan:
        # The KV cache stays as far as nothing changed: the held files keep their order and place.
        still_there = [path for path in shown(plan) if path in shown(after)]
        assert [path for path in shown(after) if path in still_there] == still_there


@given(chunks, budgets, st.sampled_from(COUNTS), compressions)
def test_a_plan_made_of_the_best_is_never_outdone_by_them(before, limits, count, compress) -> None:
    caret = caret_in("def f(¦):\n    pass\n")
    before = list({(one.chunk.path, one.chunk.text): one for one in before}.values())
    plan = make_plan(caret, before, limits, Mellum(), count, compress)
    assert not is_outdone(plan, caret, before, compress)
    assert revised(plan, caret, before, nothing_gone, compress) is plan


class TestCarriedOver:
    """A caret that has come to another place of its document keeps the context that is evaluated."""

    def test_the_held_context_stays_in_its_order_and_only_the_window_is_new(self) -> None:
        held, _ = plan_for("¦", found("a.py", 1, "a", 0.5), found("b.py", 1, "b", 0.4))
        fresh, caret = plan_for("x = 1\n¦", found("b.py", 1, "b", 0.5), found("a.py", 1, "a", 0.45))
        assert shown(fresh) != shown(held)
        plan = carried_over(fresh, held, fresh.chunks, nothing_gone)
        assert shown(plan) == shown(held)
        assert plan.geometry == fresh.geometry
        assert plan.tokens == prompt_tokens(plan.render(caret), one_per_character)

    def test_a_clearly_better_context_is_worth_a_new_prompt(self) -> None:
        held, _ = plan_for("¦", found("a.py", 1, "a" * 60, 0.5), total=150)
        fresh, _ = plan_for("x = 1\n¦", found("b.py", 1, "b" * 60, 0.9), total=150)
        assert (shown(held), shown(fresh)) == (["a.py"], ["b.py"])
        assert carried_over(fresh, held, fresh.chunks, nothing_gone) is fresh

    def test_the_beginning_stays_where_only_the_rest_is_outdone(self) -> None:
        """What is evaluated lasts as far as the prompt is the same."""
        best, good, fair = (found(f"{name}.py", 1, name * 40, 0.5) for name in "abc")
        held, _ = plan_for("¦", best, good, fair, total=225)
        assert shown(held) == ["c.py", "b.py", "a.py"]
        now = [found("x.py", 1, "x" * 40, 0.9), found("y.py", 1, "y" * 40, 0.9), good, fair]
        fresh, _ = plan_for("x = 1\n¦", *now, total=225)
        assert shown(fresh) == ["b.py", "y.py", "x.py"]
        plan = carried_over(fresh, held, now, nothing_gone)
        assert shown(plan) == ["c.py", "b.py", "x.py"]

    def test_what_is_gone_is_not_carried_over(self) -> None:
        held, _ = plan_for("¦", found("a.py", 1, "a"), found("b.py", 1, "b"))
        fresh, _ = plan_for("x = 1\n¦", found("b.py", 1, "b"))
        assert shown(carried_over(fresh, held, fresh.chunks, gone("a"))) == ["b.py"]

    def test_what_the_new_window_shows_is_not_carried_over(self) -> None:
        far = "\n" * 60
        helper = found("src/shapes.py", 61, "def helper(): ...")
        held, _ = plan_for(f"¦{far}def helper(): ...", helper, found("a.py", 1, "a"))
        fresh, _ = plan_for(f"{far}¦\ndef helper(): ...", found("a.py", 1, "a"))
        assert len(held.chunks) == 2
        assert shown(carried_over(fresh, held, fresh.chunks, nothing_gone)) == ["a.py"]

    def test_plans_of_other_budgets_have_nothing_to_carry_over(self) -> None:
        held, _ = plan_for("¦", found("a.py", 1, "a"), total=150)
        fresh, _ = plan_for("x = 1\n¦", found("b.py", 1, "b"), total=160)
        assert carried_over(fresh, held, fresh.chunks, nothing_gone) is fresh

    @settings(max_examples=50)
    @given(chunks, chunks, budgets)
    def test_the_budget_is_kept(self, before, offered, limits) -> None:
        held = make_plan(caret_in("¦"), before, limits, Mellum(), one_per_character)
        caret = caret_in("def f():\n    ¦\n")
        fresh = make_plan(caret, offered, limits, Mellum(), one_per_character)
        plan = carried_over(fresh, held, offered, nothing_gone)
        assert prompt_tokens(plan.render(caret), one_per_character) <= limits.total_tokens
