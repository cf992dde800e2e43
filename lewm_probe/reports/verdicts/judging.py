"""One rule makes every verdict: what a checkpoint shows, beyond what simpler things show.

Four grades (``grade``). *Yes*: an effect, and more of it than every baseline has. *Noticed*: the
effect alone; a simpler detector has as much of it, or one that had to be asked is missing. *No*:
the interval lies on the other side. *Not shown*: the rest. P-values are corrected by Holm over all
tests of the result, so that at most a share α of reports in which nothing is there hold a "yes".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import Mean
from lewm_probe.reports.results_view import WorldView
from lewm_probe.results.schema import Metric

Answer = Literal["yes", "noticed", "mixed", "not shown", "no", "not measured"]

GRADES: tuple[Answer, ...] = ("yes", "noticed", "not shown", "no")
"""What one checkpoint can get, best first."""

REQUIRED = (
    "copy_last",
    "linear_extrapolation",
    "pixel_difference",
    "random_encoder",
    "action_blind",
)
"""Detectors that surprise must be beyond."""

FEW = 5
"""Fewer training seeds than this speak of "these checkpoints": were it a coin whether a seed
passes, five in a row would have p = 0.5⁵ = 0.03, four 0.06."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one question for one model.

    Attributes:
        answer: the grade of all its checkpoints together.
        words: the grade as a reader is told it: "noticed, and so would a simpler detector (…)".
        brief: what stands below the grade where there is no room; empty where it says all.
        scope: of whom it speaks: "in all 3 of these checkpoints".
        evidence: the numbers behind it, as clauses.
        by_seed: the grade of each checkpoint.
    """

    model: str
    answer: Answer
    words: str
    brief: str
    scope: str
    evidence: tuple[str, ...]
    by_seed: Mapping[int | None, Answer] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Answer, scope and evidence as prose."""
        head = labels.sentence(self.words)
        head += f"{' ' if self.answer in _UNSTOPPED else ', '}{self.scope}" if self.scope else ""
        return ". ".join([head, *map(labels.sentence, self.evidence)]) + "."


@dataclass(frozen=True)
class VerdictQuestion:
    """A question, the rule that answers it, and each model's verdict.

    Attributes:
        analysis, subject, versus: what was measured, as metrics name it.
    """

    key: str
    text: str
    rule: str
    verdicts: tuple[Verdict, ...]
    analysis: str = ""
    subject: str | None = None
    versus: str | None = None


_UNSTOPPED = ("mixed", "not shown")


@dataclass(frozen=True)
class Shown:
    """What of one checkpoint a verdict rests on.

    Attributes:
        own: the effect itself, e.g. AUROC at onset; none: not measured.
        gains: baseline → how much more than it, with its interval.
        p_noticed, p_beyond: one-sided, after Holm; null: not tested.
    """

    own: Metric | None
    gains: Mapping[str, Metric]
    p_noticed: float | None
    p_beyond: float | None


@dataclass(frozen=True)
class Rule:
    """What a question asks.

    Attributes:
        level: what the effect must be above.
        required: baselines that it must be beyond.
        yes, noticed: how these grades are said.
        simpler: what is said where a baseline was not beaten and nobody names it.
    """

    level: float = 0.5
    required: Sequence[str] = REQUIRED
    yes: str = "yes, beyond every baseline"
    noticed: str = "noticed"
    simpler: str = "and so would a simpler detector"


Seen = Callable[[str, int | None], Shown]
"""(model, training seed) → what is known of one checkpoint."""


Judge = Callable[[str, int | None], Answer]
"""(model, training seed) → the answer of one checkpoint, by a rule of one's own."""


def alpha(view: WorldView) -> float:
    """The suite's level."""
    return view.number("statistics", "alpha", default=0.05, above=0, below=1)


def grade(
    own: Metric | None,
    gains: Mapping[str, Metric],
    p_noticed: float | None,
    p_beyond: float | None,
    alpha: float,
    *,
    level: float = 0.5,
    required: Sequence[str] = REQUIRED,
) -> Answer:
    """The grade of one checkpoint: the rule behind every verdict.

    Args:
        own: the effect with its interval, e.g. AUROC at onset.
        gains: baseline → effect minus that of the baseline, with its interval.
        p_noticed: of no effect, corrected over the report; null: no verdict.
        p_beyond: of no effect or no gain over some baseline, corrected over the report.
        alpha: the suite's level.
        level: the effect of chance.
        required: baselines without whose gain there is no "yes".
    """
    if own is None or own.value is None or p_noticed is None:
        return "not measured"
    if own.ci_high is not None and own.ci_high < level:
        return "no"
    if not (_above(own, level) and p_noticed < alpha):
        return "not shown"
    everywhere = all(name in gains for name in required) and all(map(_above, gains.values()))
    return "yes" if everywhere and p_beyond is not None and p_beyond < alpha else "noticed"


def joint(answers: Sequence[Answer]) -> Answer:
    """The grade of several checkpoints: what all of them reach at least.

    >>> joint(["yes", "noticed"]), joint(["yes", "not shown"]), joint(["no", "not shown"])
    ('noticed', 'mixed', 'not shown')
    """
    found = set(answers) - {"not measured"}
    if not found:
        return "not measured"
    if len(found) == 1:
        return found.pop()
    if found <= {"yes", "noticed"}:
        return "noticed"
    return "mixed" if found & {"yes", "noticed"} else "not shown"


def _above(row: Metric, level: float = 0.0) -> bool:
    return row.ci_low is not None and row.ci_low > level


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


@dataclass(frozen=True)
class Limits:
    """Why a model gets no "yes".

    Attributes:
        unbeaten: baselines over which some checkpoint's gain is not shown.
        missing: required ones that were not measured.
    """

    unbeaten: tuple[str, ...]
    missing: tuple[str, ...]


def limits(found: Iterable[Shown], required: Sequence[str]) -> Limits:
    """What keeps these checkpoints from "yes"."""
    found = list(found)
    names = list(dict.fromkeys([*required, *(name for one in found for name in one.gains)]))
    missing = [b for b in required if any(b not in one.gains for one in found)]
    unbeaten = [b for b in names if any(b in o.gains and not _above(o.gains[b]) for o in found)]
    return Limits(tuple(unbeaten), tuple(missing))


def graded(
    view: WorldView,
    model: str,
    seen: Seen,
    rule: Rule,
    evidence: Callable[[Answer], Sequence[str]],
    named: Callable[[Sequence[str]], str] | None = None,
) -> Verdict:
    """One model's verdict out of its checkpoints' grades.

    Args:
        view: of one world.
        model: whose checkpoints.
        seen: what is known of each.
        rule: what the question asks.
        evidence: the numbers, given the answer.
        named: baselines that were not beaten → what is said of the best of them.
    """
    found = {seed: seen(model, seed) for seed in view.checkpoints(model)}
    by_seed = {
        seed: grade(
            one.own,
            one.gains,
            one.p_noticed,
            one.p_beyond,
            alpha(view),
            level=rule.level,
            required=rule.required,
        )
        for seed, one in found.items()
    }

    def clauses(answer: Answer) -> list[str]:
        return [*evidence(answer), _only_before_correction(by_seed, found, rule, alpha(view))]

    def told(answer: Answer) -> tuple[str, str]:
        if answer not in ("yes", "noticed"):
            short = _only_before_correction(by_seed, found, rule, alpha(view))
            return answer, "not after Holm’s correction" if short else ""
        if answer == "yes":
            return rule.yes, rule.yes.partition(", ")[2]
        kept = [one for seed, one in found.items() if by_seed[seed] == "noticed"]
        brief = _why(limits(kept, rule.required), rule, named)
        return f"{rule.noticed}, {brief}", brief

    return _verdict(model, by_seed, clauses, told)


def verdict(view: WorldView, model: str, judge: Judge, evidence: Sequence[str]) -> Verdict:
    """One model's verdict by a rule of another package's own, which stands in no family of tests.

    Args:
        view: of one world.
        model: whose checkpoints.
        judge: the answer of each.
        evidence: the numbers, as clauses.
    """
    by_seed = {seed: judge(model, seed) for seed in view.checkpoints(model)}
    return _verdict(model, by_seed, lambda answer: evidence, lambda answer: (str(answer), ""))


def _verdict(
    model: str,
    by_seed: Mapping[int | None, Answer],
    evidence: Callable[[Answer], Sequence[str]],
    told: Callable[[Answer], tuple[str, str]],
) -> Verdict:
    """What the answers of checkpoints make together; ``told``: words of "yes" and "noticed"."""
    answers = [answer for answer in by_seed.values() if answer != "not measured"]
    answer = joint(answers)
    if answer == "not measured":
        return Verdict(model, answer, answer, "", "", (), by_seed)
    words, brief = told(answer)
    if answer == "mixed":
        brief = _counted(answers)
    clauses = tuple(filter(None, evidence(answer)))
    return Verdict(model, answer, words, brief, _scope(answer, answers), clauses, by_seed)


def _only_before_correction(
    by_seed: Mapping[int | None, Answer],
    found: Mapping[int | None, Shown],
    rule: Rule,
    level: float,
) -> str:
    """Says where nothing is shown although the printed interval lies above chance; or nothing."""
    graded = [found[seed] for seed, answer in by_seed.items() if answer == "not shown"]
    above = [one for one in graded if one.own is not None and _above(one.own, rule.level)]
    if not above:
        return ""
    where = "the interval" if len(by_seed) == 1 else f"the interval of {len(above)}"
    where += "" if len(by_seed) == 1 else f" of {len(by_seed)} checkpoints"
    return (
        f"{where} lies above {rule.level:g} on its own, yet p is not below {level:g} after Holm’s "
        "correction over all tests, which decides"
    )


def _why(limits: Limits, rule: Rule, named: Callable[[Sequence[str]], str] | None) -> str:
    """Why it is not "yes": what simpler thing does as well, or was not asked."""
    said = []
    if limits.unbeaten:
        said.append(named(limits.unbeaten) if named else rule.simpler)
    if limits.missing:
        listed = labels.listing([labels.article(name) for name in limits.missing], "or")
        said.append(f"not compared with {listed}")
    return "; ".join(said) or "but more than every baseline is not shown after Holm’s correction"


def _counted(answers: Sequence[Answer]) -> str:
    return ", ".join(f"{answers.count(g)} {g}" for g in GRADES if g in answers)


def _scope(answer: Answer, answers: Sequence[Answer]) -> str:
    count = len(answers)
    if count == 1:
        return "for this checkpoint"
    whose = "of these checkpoints" if count < FEW else "training seeds"
    if answer == "mixed":
        return f"({_counted(answers)} of {count} checkpoints)"
    if answer == "not shown":
        return f"in any {whose}" if count < FEW else f"in any of {count} {whose}"
    scope = f"in {'both' if count == 2 else f'all {count}'} {whose}"
    return f"{scope} ({_counted(answers)})" if len(set(answers)) > 1 else scope


def corrected(view: WorldView, analysis: str, which: str, **keys: Any) -> float | None:
    """The corrected p of one checkpoint: ``noticed`` or ``beyond``; null where it was not tested.

    Several evaluation seeds: the largest.
    """
    rows = view.pick(analysis, f"p_{which}_holm", **keys)
    return max((row.value for row in rows if row.value is not None), default=None)


def only(rows: Sequence[Metric]) -> Metric | None:
    """The row of one checkpoint; of several evaluation seeds the one that shows least."""
    known = [row for row in rows if row.value is not None]
    return (
        min(known, key=lambda row: float("-inf") if row.ci_low is None else row.ci_low)
        if (known)
        else None
    )


def p_clause(view: WorldView, found: Sequence[Shown], answer: Answer) -> str:
    """The corrected p that the answer rests on, the largest of several checkpoints."""
    beyond = answer == "yes"
    ps = [one.p_beyond if beyond else one.p_noticed for one in found]
    known = [p for p in ps if p is not None]
    if not known:
        return ""
    name = largest("Holm p", len(known))
    return formatting.p_statement(name, max(known), alpha(view))


def clause(name: str, mean: Mean | None, decimals: int | None = None) -> str:
    """A name with its estimate; empty without one. ``decimals``: where it has no interval."""
    if mean is None:
        return ""
    unit = labels.unit(mean.unit)
    shown = formatting.estimate(
        mean.value, mean.low, mean.high, decimals=decimals, unit=unit, span=mean.checkpoints > 1
    )
    return f"{name} {shown}"


def number(mean: Mean) -> str:
    """A mean in the digits that its interval leaves it, without the interval."""
    return formatting.bare(formatting.estimate(mean.value, mean.low, mean.high))


def sample_clause(mean: Mean | None) -> str:
    """``n = 200``; empty when unknown."""
    return "" if mean is None or mean.n is None else f"n = {mean.n}"


def largest(name: str, count: int) -> str:
    """A name, said to be of the largest of several."""
    return f"largest {name}" if count > 1 else name
