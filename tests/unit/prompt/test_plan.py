"""What a plan takes into the prompt, that it keeps its budget and that typing leaves it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.domain import Part, Prompt, ScoredChunk, Segment, prompt_text
from mellum_lsp.prompt.dialects import NAMES, ContextFile, Dialect, by_name
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.plan import ANCHOR_LINES, Budget, Plan, make_plan, prompt_tokens
from mellum_lsp.prompt.windows import Window

from .carets import COUNTS, Caret, caret_in, one_per_character, typed, words
from .plans import budget, budgets, chunks, compressions, found, plan_for

CODE = st.text(st.sampled_from("ab_ 1\n\n()[]{}\"'`.,=é😀"), max_size=300)
KEYS = st.text(st.sampled_from("ab\n .,=()[]{}\"'`é😀"), max_size=12)
DIALECTS = st.sampled_from([by_name(name) for name in NAMES])
counts = st.sampled_from(COUNTS)


def in_front_of_the_prefix(prompt: Prompt) -> list[Segment]:
    segments: list[Segment] = []
    for part in prompt:
        if part.kind == "prefix":
            return segments + list(part.segments[:-1])
        segments += part.segments
    raise AssertionError("no prefix in the prompt")


def behind_the_prefix(prompt: Prompt) -> list[Segment]:
    kinds = [part.kind for part in prompt]
    return [segment for part in prompt[kinds.index("prefix") + 1 :] for segment in part.segments]


def prefix_of(prompt: Prompt) -> str:
    [part] = [part for part in prompt if part.kind == "prefix"]
    assert isinstance(part.segments[-1], str)
    return part.segments[-1]


class TestBudget:
    @settings(max_examples=300)
    @given(CODE, st.data(), chunks, budgets, DIALECTS, counts, compressions)
    def test_the_prompt_never_has_more_tokens_than_the_budget(
        self, text, data, context, budget, dialect, count, compress
    ) -> None:
        offset = data.draw(st.integers(0, len(text)))
        caret = caret_in(text[:offset] + "¦" + text[offset:])
        plan = make_plan(caret, context, budget, dialect, count, compress)
        prompt = plan.render(caret)
        assert prompt_tokens(prompt, count) == plan.tokens <= budget.total_tokens
        assert count(plan.window(caret).prefix) <= budget.prefix_tokens
        assert plan.still_fits(caret)
        window = plan.render(caret) if not plan.chunks else replace(plan, context=()).render(caret)
        assert not plan.chunks or plan.tokens <= budget.total_tokens - budget.typing_tokens
        assert prompt_tokens(window, count) <= plan.tokens

    def test_files_that_cost_more_together_than_apart_do_not_break_the_budget(self) -> None:
        class Divided(Mellum):
            def render(self, path: str, window: Window, context: Sequence[ContextFile]) -> Prompt:
                dividers = Part("context", "", ("-" * 30 * max(0, len(context) - 1),))
                return (dividers, *Mellum.render(self, path, window, context))

        caret = caret_in("x = ¦")
        files = [found(f"{name}.py", 1, "x" * 10) for name in "abcde"]
        plan = make_plan(caret, files, budget(160), Divided(), one_per_character)
        assert 0 < len(plan.chunks) < 5
        assert plan.tokens == prompt_tokens(plan.render(caret), one_per_character) <= 160

    def test_a_suffix_that_every_keystroke_evaluates_again_is_kept_short(self) -> None:
        caret = caret_in("x = ¦\n" + "next\n" * 30)
        limits = replace(budget(600), keystroke_tokens=40)
        suffixes = {
            name: len(make_plan(caret, (), limits, by_name(name), one_per_character).window(caret).suffix)
            for name in ("mellum", "qwen")
        }
        assert suffixes["qwen"] <= 20 < suffixes["mellum"]

    def test_a_path_is_shortened_from_the_left_rather_than_crowding_out_the_code(self) -> None:
        caret = caret_in("x = ¦", path="a/very/deep/folder/" * 9 + "name.py")
        plan = make_plan(caret, (), budget(100), Mellum(), one_per_character)
        assert plan.path == "very/deep/folder/name.py"
        assert "x = " in prompt_text(plan.render(caret))

    def test_a_budget_that_holds_no_prompt_at_all_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 24 tokens"):
            budget(10)


class TestContext:
    def test_the_most_relevant_file_stands_nearest_the_caret(self) -> None:
        plan, caret = plan_for("¦", found("best.py", 1, "best"), found("second.py", 1, "second"))
        text = prompt_text(plan.render(caret))
        assert text.index("second") < text.index("best")
        assert [scored.chunk.path for scored in plan.chunks] == ["best.py", "second.py"]

    def test_chunks_of_one_file_are_shown_in_file_order_under_one_name(self) -> None:
        plan, caret = plan_for(
            "¦", found("a.py", 40, "below"), found("b.py", 1, "other"), found("a.py", 5, "above")
        )
        text = prompt_text(plan.render(caret))
        assert "<filename>a.py\nabove\n\nbelow\n<filename>src/shapes.py" in text
        assert text.count("<filename>a.py") == 1

    def test_overlapping_chunks_show_no_line_twice(self) -> None:
        plan, caret = plan_for("¦", found("a.py", 1, "one\ntwo\nthree"), found("a.py", 3, "three\nfour"))
        assert "a.py\none\ntwo\nthree\nfour\n<" in prompt_text(plan.render(caret))

    def test_a_chunk_within_another_is_not_held_twice(self) -> None:
        plan, _ = plan_for("¦", found("a.py", 1, "one\ntwo\nthree"), found("a.py", 2, "two"))
        assert len(plan.chunks) == 1

    def test_headers_of_the_enclosing_definitions_come_first_and_once(self) -> None:
        scope = ("class Shape:",)
        plan, caret = plan_for(
            "¦",
            found("a.py", 10, "    def area(self): ...", scope=scope),
            found("a.py", 30, "    def name(self): ...", scope=scope),
        )
        assert "a.py\nclass Shape:\n    def area(self): ...\n\n    def name(self): ...\n<" in prompt_text(
            plan.render(caret)
        )

    def test_a_chunk_that_does_not_fit_is_passed_over_for_a_smaller_one(self) -> None:
        plan, _ = plan_for("¦", found("big.py", 1, "x" * 400), found("small.py", 1, "x" * 20), total=200)
        assert [scored.chunk.path for scored in plan.chunks] == ["small.py"]

    def test_lines_that_the_window_shows_are_not_shown_again_as_context(self) -> None:
        lines = [f"line {number}" for number in range(1, 200)]
        own = [found("src/shapes.py", number, f"line {number}") for number in (2, 99, 106, 150, 190)]
        marked = "\n".join([*lines[:99], "¦", *lines[99:]])
        plan, caret = plan_for(marked, *own, total=400)
        assert "line 99\n" in plan.window(caret).prefix and "line 106\n" in plan.window(caret).suffix
        assert [one.chunk.start_line for one in plan.chunks] == [2, 150, 190]

    def test_nor_are_lines_that_it_shows_when_the_caret_moves_down_a_little(self) -> None:
        lines = [f"line {number}" for number in range(1, 60)]
        plan, caret = plan_for("¦\n" + "\n".join(lines), total=300)
        last_shown = plan.window(caret).suffix.count("\n") - 1
        reach = last_shown + ANCHOR_LINES - 1
        below = [found("src/shapes.py", 1, f"line {number}") for number in (reach, reach + 1)]
        assert [plan.may_hold(one.chunk, caret) for one in below] == [False, True]

    def test_a_chunk_of_the_file_itself_that_no_longer_stands_there_is_not_shown(self) -> None:
        plan, _ = plan_for("x = ¦", found("src/shapes.py", 90, "as it was saved long ago"))
        assert plan.chunks == ()

    def test_a_micro_budget_without_room_for_context_holds_none(self) -> None:
        caret = caret_in("x = ¦")
        plan = make_plan(caret, [found("a.py", 1, "a")], budget(200, context=0), Mellum(), one_per_character)
        assert plan.chunks == ()


class TestTyping:
    @settings(max_examples=300)
    @given(CODE, st.data(), chunks, budgets, KEYS, DIALECTS, counts)
    def test_nothing_in_front_of_the_typed_characters_changes(
        self,
        text: str,
        data: st.DataObject,
        context: list[ScoredChunk],
        budget: Budget,
        keys: str,
        dialect: Dialect,
        count,
    ) -> None:
        offset = data.draw(st.integers(0, len(text)))
        caret = caret_in(text[:offset] + "¦" + text[offset:])
        plan = make_plan(caret, context, budget, dialect, count)
        first = plan.render(caret)
        for length in range(1, len(keys) + 1):
            now = typed(caret, keys[:length])
            prompt = plan.render(now)
            assert in_front_of_the_prefix(prompt) == in_front_of_the_prefix(first)
            assert prefix_of(prompt) == prefix_of(first) + keys[:length]
            if dialect.prefix_last:
                assert not any(isinstance(segment, str) for segment in behind_the_prefix(prompt))

    def test_a_fresh_bracket_changes_nothing_but_the_end(self) -> None:
        plan, caret = plan_for("import math\n\nprint¦\nexit()\n")
        assert prompt_text(plan.render(caret)).endswith(
            "<fim_suffix>\nexit()\n<fim_prefix>import math\n\nprint<fim_middle>"
        )
        now = typed(caret, "(")
        assert now.text.startswith("import math\n\nprint()\n")
        assert prompt_text(plan.render(now)).endswith(
            "<fim_suffix>\nexit()\n<fim_prefix>import math\n\nprint(<fim_middle>"
        )

    def test_a_line_break_between_fresh_brackets_changes_nothing_but_the_end(self) -> None:
        """Nor does what is typed between them, nor going on behind them."""
        plan, caret = plan_for("def area(shape):\n    print¦\n\n\nexit()\n")
        first = plan.render(caret)
        for written, below in (
            ("(", ")"),
            ("(\n        ", "\n    )"),
            ("(\n        [\n            1,", "\n        ]\n    )"),
            ("(\n        [\n            1,\n        ]", "\n    )"),
            ("(\n        [\n            1,\n        ]\n    )", ""),
        ):
            text = caret.prefix + written + below + caret.suffix
            now = replace(caret, text=text, offset=caret.offset + len(written))
            assert in_front_of_the_prefix(plan.render(now)) == in_front_of_the_prefix(first)
            assert prefix_of(plan.render(now)) == prefix_of(first) + written
            assert plan.window(now).closers == below

    def test_what_else_came_below_the_caret_is_shown(self) -> None:
        plan, caret = plan_for("def area(shape):\n    print¦\n\n\nexit()\n")
        for text, suffix in (
            ("def area(shape):\n    print¦\n    return 1\n\n\nexit()\n", "\n    return 1\n"),
            ("def area(shape):\n    print¦\n    )\n\n\nquit()\n", "\n    )\n"),
        ):
            assert plan.window(caret_in(text)).suffix.startswith(suffix)
        there, caret = plan_for("print(\n    ¦\n)\nexit()\n")
        assert there.window(caret).suffix == "\n)\nexit()\n"

    def test_a_new_line_only_lengthens_the_prefix_too(self) -> None:
        plan, caret = plan_for("def f():¦\n\nf()\n")
        now = replace(caret, text="def f():\n    \n\nf()\n", offset=caret.offset + 5)
        assert in_front_of_the_prefix(plan.render(now)) == in_front_of_the_prefix(plan.render(caret))
        assert prefix_of(plan.render(now)) == "def f():\n    "


class TestStillFits:
    LINES = "".join(f"line {number}\n" for number in range(100))

    def at_line(self, line: int) -> Caret:
        marker = f"line {line}\n"
        offset = self.LINES.index(marker) + len(marker) - 1
        return caret_in(self.LINES[:offset] + "¦" + self.LINES[offset:])

    def plan_at(self, line: int, total: int = 400) -> Plan:
        return make_plan(self.at_line(line), (), budget(total), Mellum(), one_per_character)

    def test_while_the_caret_stays_near(self) -> None:
        plan = self.plan_at(50)
        assert all(
            plan.still_fits(self.at_line(50 + away)) for away in range(-ANCHOR_LINES + 1, ANCHOR_LINES)
        )
        assert not plan.still_fits(self.at_line(50 + ANCHOR_LINES))
        assert not plan.still_fits(self.at_line(50 - ANCHOR_LINES))

    def test_not_above_its_window(self) -> None:
        plan = self.plan_at(50, total=80)
        assert plan.geometry.start_line > 43
        assert plan.still_fits(self.at_line(plan.geometry.start_line))
        assert not plan.still_fits(self.at_line(plan.geometry.start_line - 1))

    def test_not_in_another_document(self) -> None:
        caret = self.at_line(50)
        plan = self.plan_at(50)
        assert not plan.still_fits(replace(caret, document="file:///src/other.py"))
        assert not plan.still_fits(replace(caret, path="src/renamed.py"))

    def test_until_the_typed_text_outgrows_the_budget(self) -> None:
        caret = self.at_line(50)
        plan = self.plan_at(50)
        room = plan.budget.total_tokens - plan.tokens
        assert room >= plan.budget.typing_tokens
        assert plan.still_fits(typed(caret, "x" * room))
        assert not plan.still_fits(typed(caret, "x" * (room + 1)))

    def test_not_left_of_where_a_long_line_begins(self) -> None:
        caret = caret_in("word " * 1000 + "¦" + "word " * 1000)
        plan = make_plan(caret, (), budget(400), Mellum(), one_per_character)
        assert plan.geometry.start_column > 4000
        assert plan.still_fits(replace(caret, offset=caret.offset - 50))
        assert not plan.still_fits(replace(caret, offset=1000))


class TestHitsWithRealCounts:
    def test_words_are_counted_segment_by_segment(self) -> None:
        prompt = Mellum().render("a.py", plan_for("x = ¦")[0].window(caret_in("x = ¦")), ())
        assert prompt_tokens(prompt, words) == words("a.py\n") + words("") + words("x = ") + 4
