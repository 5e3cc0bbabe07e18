"""The word at the caret is left out of the prompt, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.domain import Prompt, prompt_text
from mellum_lsp.engine.interface import GenerateRequest
from mellum_lsp.prompt.dialects.mellum import Mellum
from mellum_lsp.prompt.dialects.plain import Plain
from mellum_lsp.prompt.dialects.qwen import Qwen
from mellum_lsp.prompt.healing import heal
from mellum_lsp.prompt.plan import Capacity, PlanSettings, full_budget, make_plan
from mellum_lsp.prompt.windows import Window

from .carets import caret_in, one_per_character, typed

DIALECTS = (Mellum(), Qwen(), Plain())


def prompt_of(prefix: str, dialect: Mellum | Qwen | Plain = DIALECTS[0]) -> Prompt:
    window = Window(prefix=prefix, suffix="\nbelow\n", closers="", start_line=0)
    return dialect.render("a.py", window, ())


@pytest.mark.parametrize(
    ("prefix", "word"),
    [
        ("return resu", " resu"),
        ("self.na", "na"),
        ("f(x, y", " y"),
        ("if x:\n    retu", " retu"),
        ("x = größe_1", " größe_1"),
        ("x = ", ""),
        ("x.", ""),
        ("x\n", ""),
        ("word", ""),  # alone it is all that the model is shown
        ("", ""),
        (f"x = {'a' * 31}", f" {'a' * 31}"),
        (f"x = {'a' * 40}", ""),
    ],
)
def test_the_word_goes_with_the_space_before_it(prefix: str, word: str) -> None:
    healed, left_out = heal(prompt_of(prefix))
    assert left_out == word
    assert healed == prompt_of(prefix.removesuffix(word) if word else prefix)


@given(st.text("ab_1é .=(\n\t", max_size=60), st.sampled_from(DIALECTS))
def test_put_back_it_is_the_prompt_that_was(prefix: str, dialect: Mellum | Qwen | Plain) -> None:
    prompt = prompt_of(prefix, dialect)
    healed, word = heal(prompt)
    request = GenerateRequest(parts=healed, max_tokens=1, must_begin_with=word)
    assert prompt_text(request.spelled_out()) == prompt_text(prompt)
    assert healed is prompt or word


def test_while_a_word_is_typed_the_prompt_stays_the_same() -> None:
    """Also where the suffix follows the prefix, which would be evaluated anew at every key."""
    begun = caret_in("total = price¦\nprint(total)\n")
    budget = full_budget(Capacity(4096, 450.0, 100.0), PlanSettings())
    for dialect in DIALECTS:
        caret = begun
        plan = make_plan(caret, (), budget, dialect, one_per_character)
        first, _ = heal(plan.render(caret))
        for key in ("s", "_", "o", "f"):
            caret = typed(caret, key)
            assert heal(plan.render(caret))[0] == first
