"""How a rule becomes a verdict: applied to each checkpoint, then told of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import Mean, WorldView
from lewm_probe.results.schema import Metric

Answer = Literal["yes", "mixed", "no", "not shown", "not measured"]

FEW = 5
"""Fewer training seeds than this speak of "these checkpoints": were it a coin whether a seed
passes, five in a row would have p = 0.5⁵ = 0.03, four 0.06."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one question for one model.

    Attributes:
        answer: in a word or two.
        scope: of whom it speaks: "in all 3 of these checkpoints".
        evidence: the numbers behind it, as clauses.
    """

    model: str
    answer: Answer
    scope: str
    evidence: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Answer, scope and evidence as prose."""
        head = labels.sentence(self.answer)
        head += f"{' ' if self.answer in _UNSTOPPED else ', '}{self.scope}" if self.scope else ""
        return ". ".join([head, *map(labels.sentence, self.evidence)]) + "."


@dataclass(frozen=True)
class VerdictQuestion:
    """A question, the rule that answers it, and each model's verdict."""

    key: str
    text: str
    rule: str
    verdicts: tuple[Verdict, ...]


_UNSTOPPED = ("mixed", "not shown")

Judge = Callable[[str, int | None], Answer]
"""(model, training seed) → the answer of one checkpoint."""


def alpha(view: WorldView) -> float:
    """The suite's level."""
    return float(view.setting("statistics", "alpha", default=0.05))


def side(rows: Sequence[Metric], level: float) -> int | None:
    """Where the interval lies: 1 above ``level``, −1 below, 0 neither or unknown; null: no rows."""
    if not rows:
        return None
    lows = [row.ci_low for row in rows]
    highs = [row.ci_high for row in rows]
    if all(low is not None and low > level for low in lows):
        return 1
    if all(high is not None and high < level for high in highs):
        return -1
    return 0


def verdict(view: WorldView, model: str, judge: Judge, evidence: Sequence[str]) -> Verdict:
    """One model's verdict out of its checkpoints' answers."""
    answers = [judge(model, seed) for seed in view.checkpoints(model)]
    answers = [answer for answer in answers if answer != "not measured"]
    if not answers:
        return Verdict(model, "not measured", "", ())
    passed = answers.count("yes")
    answer: Answer
    if passed == len(answers):
        answer = "yes"
    elif passed:
        answer = "mixed"
    elif set(answers) == {"no"}:
        answer = "no"
    else:
        answer = "not shown"
    return Verdict(
        model, answer, _scope(answer, passed, len(answers)), tuple(filter(None, evidence))
    )


def _scope(answer: Answer, passed: int, count: int) -> str:
    if count == 1:
        return "for this checkpoint"
    whose = "of these checkpoints" if count < FEW else "training seeds"
    if answer == "mixed":
        return f"({passed} of {count} checkpoints)"
    if answer == "not shown":
        return f"in any {whose}" if count < FEW else f"in any of {count} {whose}"
    return f"in all {count} {whose}"


def clause(name: str, mean: Mean | None, decimals: int | None = None) -> str:
    """A name with its estimate; empty without one."""
    if mean is None:
        return ""
    unit = labels.unit(mean.unit)
    shown = formatting.estimate(mean.value, mean.low, mean.high, decimals=decimals, unit=unit)
    return f"{name} {shown}"


def sample_clause(mean: Mean | None) -> str:
    """``n = 200``; empty when unknown."""
    return "" if mean is None or mean.n is None else f"n = {mean.n}"


def largest(name: str, count: int) -> str:
    """A name, said to be of the largest of several."""
    return f"largest {name}" if count > 1 else name


def apart(own: Sequence[Metric], baseline: Sequence[Metric], *, higher: bool) -> Answer:
    """Whether the own interval lies wholly on the better side of the baseline's."""
    if not baseline:
        return "not shown"
    lows = [row.ci_low for row in (*own, *baseline)]
    highs = [row.ci_high for row in (*own, *baseline)]
    if any(end is None for end in (*lows, *highs)):
        return "not shown"
    own_low = min(row.ci_low for row in own if row.ci_low is not None)
    own_high = max(row.ci_high for row in own if row.ci_high is not None)
    baseline_low = min(row.ci_low for row in baseline if row.ci_low is not None)
    baseline_high = max(row.ci_high for row in baseline if row.ci_high is not None)
    above, below = own_low > baseline_high, own_high < baseline_low
    if above or below:
        return "yes" if above == higher else "no"
    return "not shown"
