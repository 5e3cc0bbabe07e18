"""The rules between a model's text and the ghost, in the order in which they are applied.

Whatever depends on the caret's place is a rule, so that a cached generation can be judged anew wherever the
user has typed to. `stop` and `gate` come before.
"""

from __future__ import annotations

from mellum_lsp.completion.draft import Rule
from mellum_lsp.completion.rules.broken_text import cut_broken_text
from mellum_lsp.completion.rules.closers import reconcile_closers
from mellum_lsp.completion.rules.following_lines import reject_following_lines
from mellum_lsp.completion.rules.indentation import fit_indentation
from mellum_lsp.completion.rules.line_above import reject_line_above
from mellum_lsp.completion.rules.line_end import end_with_the_line
from mellum_lsp.completion.rules.minimum_worth import MinimumWorth
from mellum_lsp.completion.rules.repetition import cut_repetition
from mellum_lsp.completion.rules.secrets import cut_secrets
from mellum_lsp.completion.rules.stubs import cut_stubs
from mellum_lsp.completion.rules.suffix_overlap import cut_suffix_overlap
from mellum_lsp.completion.rules.syntax import end_with_valid_syntax
from mellum_lsp.completion.rules.typed_again import reject_typed_again
from mellum_lsp.completion.rules.unwanted_place import UnwantedPlace
from mellum_lsp.completion.rules.whitespace import trim_whitespace
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.domain import Trigger

__all__ = ["UnwantedPlace", "policy", "rule_name"]


def policy(settings: CompletionSettings, trigger: Trigger) -> tuple[Rule, ...]:
    """The rules for a request, first to last. Asked explicitly, the server says the best it has."""
    automatic = trigger is Trigger.AUTOMATIC
    return (
        *((UnwantedPlace(settings.mid_word, settings.suppress_in),) if automatic else ()),
        cut_broken_text,
        cut_secrets,
        end_with_the_line,
        fit_indentation,
        # What only says again what the document says already.
        cut_repetition,
        reject_typed_again,
        reject_line_above,
        reject_following_lines,
        cut_suffix_overlap,
        *((cut_stubs,) if automatic else ()),
        trim_whitespace,
        end_with_valid_syntax,
        # From here on nothing may be cut off: `replace_after` counts on the closers in the text.
        reconcile_closers,
        *((MinimumWorth(settings.minimum_characters),) if automatic else ()),
    )


def rule_name(rule: Rule) -> str:
    """How explanations name a rule."""
    return str(getattr(rule, "__name__", type(rule).__name__))
