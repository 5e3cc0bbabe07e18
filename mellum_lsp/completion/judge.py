"""From a raw generation to a ghost or a reason: stop, gate and rules in a row; pure, and fast.

The same judgement is passed on a stream that just ended, on an earlier one into which the user typed, and for
`mellum/explain`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mellum_lsp.completion import reasons
from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.gate import gate, is_decided, joint
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.outcome import GateReport, Step
from mellum_lsp.completion.rules import policy, rule_name
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.stop import Stop, StopPolicy, Why
from mellum_lsp.completion.surroundings import look
from mellum_lsp.completion.thresholds import Form, Thresholds, form_of
from mellum_lsp.domain import Caret, Trigger

_FINISHED = ("end", "length", "probability")
_WHY_EMPTY: dict[Why, reasons.Reason] = {
    "next line": reasons.DUPLICATES_SUFFIX,
    "closer": reasons.DUPLICATES_SUFFIX,
    "repetition": reasons.REPETITION,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``text`` in place of ``replace_after`` characters, or ``reason`` why not; ``steps`` say how it came.

    ``probability`` is the joint one of what is shown, ``form`` what kind of completion it is.
    """

    text: str
    replace_after: int
    reason: reasons.Reason | None
    gate: GateReport
    steps: tuple[Step, ...]
    form: Form = Form.LINE

    @property
    def probability(self) -> float:
        return 0.0 if self.reason else self.gate.probability


def thresholds_for(caret: Caret, settings: CompletionSettings) -> Thresholds:
    """The joint probability that drafts must keep; asked explicitly, none."""
    if caret.trigger is Trigger.INVOKED:
        return Thresholds.flat(0.0)
    return settings.thresholds or Thresholds.flat(settings.gate)


def threshold_for(caret: Caret, settings: CompletionSettings) -> float:
    """The joint probability under which no draft at ``caret`` would be shown, whatever its form."""
    return thresholds_for(caret, settings).lowest(look(caret))


class Judge:
    """Judges one growing generation for one caret.

    ``typed`` is what the user typed of the generation before the caret got here; what is judged is the rest.
    ``end`` is always where the whole generation, typed characters included, ends by the policy of the place
    where it began: a ghost into which somebody types keeps its end, also where a block's second line by
    itself would end sooner. None while that is not known.
    """

    def __init__(self, caret: Caret, settings: CompletionSettings, typed: str = "") -> None:
        self._caret = caret
        self._settings = settings
        self._typed = typed
        self._thresholds = thresholds_for(caret, settings)
        self._lowest = self._thresholds.lowest(look(caret))
        self._policy = StopPolicy(caret, settings.max_lines)

    def is_ready(self, rest: Generated, end: Stop | None) -> bool:
        """Whether more tokens would not change the verdict."""
        return self._end(rest, end) is not None or rest.stop in _FINISHED or is_decided(rest, self._lowest)

    def _end(self, rest: Generated, end: Stop | None) -> Stop | None:
        if end and end.length > len(self._typed):
            return Stop(end.length - len(self._typed), end.why)
        return self._policy.feed(rest.text)

    def verdict(self, rest: Generated, end: Stop | None = None) -> Verdict:
        """The verdict on what there is."""
        raw = rest.text
        stop = self._end(rest, end) or self._policy.finish(raw)
        steps = [Step(f"stop: {stop.why}", raw, raw[: stop.length])]
        broken_off = rest.stop == "length" and stop.length == len(raw)
        gated = gate(rest, stop.length, self._caret, self._thresholds, self._typed, not broken_off)
        report = GateReport(gated.probability, gated.threshold)
        text = raw[: gated.length]
        steps.append(Step("gate", raw[: stop.length], text))
        if not text.strip():
            return Verdict("", 0, _why_empty(raw, stop, gated.probability), report, tuple(steps), gated.form)
        within_line = gated.length < stop.length and not raw.startswith("\n", gated.length)
        draft = Draft(text, typed=self._typed, cut=within_line)
        for rule in policy(self._settings, self._caret.trigger):
            result = rule(draft, self._caret)
            if isinstance(result, Rejected):
                steps.append(Step(rule_name(rule), draft.text, ""))
                return Verdict("", 0, result.reason, report, tuple(steps), gated.form)
            if result.text != draft.text or result.replace_after != draft.replace_after:
                steps.append(Step(rule_name(rule), draft.text, result.text))
            draft = result
        report = GateReport(joint(rest, _length_in(raw, draft.text)), gated.threshold)
        form = form_of(self._typed + draft.text, look(self._caret))
        return Verdict(draft.text, draft.replace_after, None, report, tuple(steps), form)


def _length_in(raw: str, text: str) -> int:
    """How much of the generation is shown by ``text``: rules only shorten and change white space."""
    left = sum(not character.isspace() for character in text)
    for length, character in enumerate(raw):
        if not left:
            return length
        left -= not character.isspace()
    return len(raw)


def _why_empty(raw: str, stop: Stop, probability: float) -> reasons.Reason:
    if raw[: stop.length].strip():
        return reasons.gated(probability)
    if raw.strip():
        return _WHY_EMPTY.get(stop.why, reasons.EMPTY)
    return reasons.EMPTY
