"""Hold the numbers of a result against a gate.

A gate that cannot fail is worthless: a threshold that fits no number of a checkpoint is an error,
and a number that could not be measured does not pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lewm_probe.core.errors import UsageError
from lewm_probe.reports.gate.misfit import misfit
from lewm_probe.reports.gate.outcome import Outcome
from lewm_probe.reports.gate.threshold import KEYS, Gate, Threshold
from lewm_probe.reports.means import final
from lewm_probe.reports.results_view import views
from lewm_probe.reports.verdicts.judging import Answer
from lewm_probe.reports.verdicts.verdicts import questions
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Who = tuple[str, str, int | None]
"""World, model and training seed."""


def check_gate(result: Result, gate: Gate) -> list[Outcome]:
    """Hold the numbers of each checkpoint's last step against every threshold.

    Differences from a published result can be asked for too (``metric: auroc_difference_paired``,
    ``versus: lewm (published)``) where ``result`` holds them.

    Raises:
        UsageError: a threshold that fits no number of a checkpoint it concerns; the nearest known
            values are told.
    """
    metrics = final(result.metrics)
    everyone = _checkpoints(metrics)
    outcomes = []
    for place, threshold in enumerate(gate.thresholds, 1):
        if threshold.verdict is not None:
            outcomes += _verdicts(result, place, threshold, everyone)
            continue
        reported: set[int] = set()
        concerned = [who for who in everyone if _concerns(threshold, who)]
        if not concerned:
            raise misfit(place, threshold, metrics, "these results")
        for world, model, seed in concerned:
            label = _label((world, model, seed), everyone)
            mine = [
                m
                for m in metrics
                if (m.world, m.model) == (world, model) and m.train_seed in (seed, None)
            ]
            fitting = [m for m in mine if all(threshold.fits(m, key) for key in KEYS)]
            if not fitting:
                raise misfit(place, threshold, mine, label)
            for m in fitting:
                if id(m) not in reported:  # of all training seeds together: once
                    reported.add(id(m))
                    whose = label if m.train_seed == seed else f"{model}, all training seeds"
                    outcomes.append(_outcome(threshold, whose, m))
    return outcomes


def _verdicts(
    result: Result, place: int, threshold: Threshold, everyone: Sequence[Who]
) -> list[Outcome]:
    """The grade of each checkpoint that a threshold concerns, as the report has it.

    Raises:
        UsageError: nothing is asked about this subject.
    """
    outcomes, known = [], []
    order: list[Answer] = ["yes", "noticed", "not shown"]
    for view in views(result):
        for question in questions(view):
            subject = question.subject or "none"
            known.append(f"{question.analysis} {subject}")
            asked = (threshold.analysis, threshold.subject, threshold.versus)
            if asked != (question.analysis, question.subject, question.versus):
                continue
            for verdict in question.verdicts:
                for seed, answer in verdict.by_seed.items():
                    who = (view.world, verdict.model, seed)
                    if _concerns(threshold, who):
                        least = order.index(threshold.verdict or "yes")
                        passed = answer in order[: least + 1]
                        label = _label(who, everyone)
                        outcomes.append(Outcome(threshold, label, None, None, passed, answer))
    if not outcomes:
        listed = ", ".join(dict.fromkeys(known)) or "nothing (run the audit again)"
        raise UsageError(
            f"Threshold {place} of the gate, “{threshold.title}”, fits no verdict of these results."
            f" There are verdicts on: {listed}. Fix the gate, or measure what it asks for."
        )
    return outcomes


def _checkpoints(metrics: Sequence[Metric]) -> list[Who]:
    own = (m for m in metrics if m.control is None and m.versus is None)
    return list(dict.fromkeys((m.world, m.model, m.train_seed) for m in own))


def _concerns(threshold: Threshold, who: Who) -> bool:
    wanted = (threshold.world, threshold.model, threshold.train_seed)
    return all(w is None or w == is_ for w, is_ in zip(wanted, who, strict=True))


def _outcome(threshold: Threshold, model: str, metric: Metric) -> Outcome:
    measured = getattr(metric, threshold.bound)
    if measured is None or not math.isfinite(measured):
        return Outcome(threshold, model, metric, None, False)
    passed = threshold.at_least is None or measured >= threshold.at_least
    passed = passed and (threshold.at_most is None or measured <= threshold.at_most)
    return Outcome(threshold, model, metric, measured, passed)


def _label(who: Who, everyone: Sequence[Who]) -> str:
    world, model, seed = who
    several = len({s for w, m, s in everyone if m == model}) > 1
    label = f"{model}, seed {seed}" if several else model
    return f"{label} in {world}" if len({w for w, *_ in everyone}) > 1 else label
