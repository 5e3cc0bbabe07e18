"""From a raw generation to a ghost or a reason: stop, gate and rules in a row; pure, and fast.

The same judgement is passed on a stream that just ended, on an earlier one into which the user typed, and for
`mellum/explain`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mellum_lsp.completion import reasons
from mellum_lsp.completion.draft import Draft, Rejected
from mellum_lsp.completion.gate import gate, is_decided
from mellum_lsp.completion.generated import Generated
from mellum_lsp.completion.outcome import GateReport, Step
from mellum_lsp.completion.rules import policy, rule_name
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.stop import Stop, StopPolicy, Why
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

    ``probability`` is the joint one of what is shown.
    """

    text: str
    replace_after: int
    reason: reasons.Reason | None
    gate: GateReport
    steps: tuple[Step, ...]

    @property
    def probability(self) -> float:
        return 0.0 if self.reason else self.gate.probability


def threshold_for(caret: Caret, settings: CompletionSettings) -> float:
    """The joint probability that a draft must keep; asked explicitly, none."""
    return 0.0 if caret.trigger is Trigger.INVOKED else settings.gate


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
        self._threshold = threshold_for(caret, settings)
        self._policy = StopPolicy(caret, settings.max_lines)

    def is_ready(self, rest: Generated, end: Stop | None) -> bool:
        """Whether more tokens would not change the verdict."""
        return self._end(rest, end) is not None or rest.stop in _FINISHED or is_decided(rest, self._threshold)

    def _end(self, rest: Generated, end: Stop | None) -> Stop | None:
        if end and end.length > len(self._typed):
            return Stop(end.length - len(self._typed), end.why)
        return self._policy.feed(rest.text)

    def verdict(self, rest: Generated, end: Stop | None = None) -> Verdict:
        """The verdict on what there is."""
        raw = rest.text
        stop = self._end(rest, end) or self._policy.finish(raw)
        steps = [Step(f"stop: {stop.why}", raw, raw[: stop.length])]
        gated = gate(rest, stop.length, self._caret, self._threshold)
        report = GateReport(gated.probability, self._threshold)
        text = raw[: gated.length]
        steps.append(Step("gate", raw[: stop.length], text))
        if not text.strip():
            return Verdict("", 0, _why_empty(raw, stop, gated.probability), report, tuple(steps))
        draft = Draft(text, typed=self._typed)
        for rule in policy(self._settings, self._caret.trigger):
            result = rule(draft, self._caret)
            if isinstance(result, Rejected):
                steps.append(Step(rule_name(rule), draft.text, ""))
                return Verdict("", 0, result.reason, report, tuple(steps))
            if result.text != draft.text or result.replace_after != draft.replace_after:
                steps.append(Step(rule_name(rule), draft.text, result.text))
            draft = result
        return Verdict(draft.text, draft.replace_after, None, report, tuple(steps))


def _why_empty(raw: str, stop: Stop, probability: float) -> reasons.Reason:
    if raw[: stop.length].strip():
        return reasons.gated(probability)
    if raw.strip():
        return _WHY_EMPTY.get(stop.why, reasons.EMPTY)
    return reasons.EMPTY
