"""What every rule promises, for any document and any draft."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.completion.draft import Draft, Rejected, Rule
from mellum_lsp.completion.rules import policy, rule_name
from mellum_lsp.completion.rules.suffix_overlap import cut_suffix_overlap
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Caret, Trigger

from .texts import any_text, carets, texts

RULES = policy(CompletionSettings(suppress_in=("comment", "string")), Trigger.AUTOMATIC)
drafts = st.builds(Draft, texts | any_text, typed=st.sampled_from(["", "value", "x("]), cut=st.booleans())


@pytest.mark.parametrize("rule", RULES, ids=rule_name)
@given(caret=carets(texts | any_text), draft=drafts)
@settings(max_examples=60)
def test_a_rule_only_shortens_and_changes_white_space(rule: Rule, caret: Caret, draft: Draft) -> None:
    result = rule(draft, caret)
    if isinstance(result, Rejected):
        assert str(result.reason)
    else:
        assert visible(draft.text).startswith(visible(result.text))


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule is not cut_suffix_overlap], ids=rule_name)
@given(caret=carets(), draft=drafts)
@settings(max_examples=60)
def test_a_rule_has_nothing_to_say_about_its_own_work(rule: Rule, caret: Caret, draft: Draft) -> None:
    """What passed a rule passes it again. Not so an end that repeats the suffix: `x, y, y` before `, y` loses
    one `, y`, and would lose another."""
    result = rule(draft, caret)
    if isinstance(result, Draft):
        again = rule(result, caret)
        assert isinstance(again, Draft)
        assert (again.text, again.replace_after) == (result.text, result.replace_after)


def visible(text: str) -> str:
    return "".join(text.split())
