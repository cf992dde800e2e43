"""A gate: thresholds that numbers must reach, so that an audit can run in somebody's CI.

A gate is a YAML file with a list of thresholds. Each names metrics by their keys and the least or
the most they may be:

    thresholds:
      - {name: notices one wrong step, analysis: voe, subject: step_teleport_agent,
         window: onset, metric: auroc, at_least: 0.7}
      - {analysis: probe, subject: agent_position, method: linear, features: z,
         metric: pearson_r, at_least: 0.9, bound: ci_low}
      - {analysis: voe, subject: step_teleport_agent, verdict: yes}

The last asks for a verdict of the report, at least that grade: ``yes``, ``noticed`` or ``not
shown``.

A gate that cannot fail is worthless: a threshold that fits no number of a checkpoint is an error,
and a number that could not be measured does not pass.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lewm_probe.core.config import Config, load_yaml
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.reports import formatting
from lewm_probe.reports.results_view import final, views
from lewm_probe.reports.verdicts.judging import Answer
from lewm_probe.reports.verdicts.verdicts import questions
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

KEYS = (
    "world",
    "analysis",
    "metric",
    "model",
    "train_seed",
    "subject",
    "features",
    "method",
    "window",
    "horizon",
    "dose",
    "stride",
    "control",
    "versus",
)
"""Keys of ``Metric`` that a threshold may name, in the order in which a misfit is looked for."""

PLAIN = ("control", "versus", "dose")
"""Keys that do not apply unless they are named; of the others, every value is meant."""

VERDICT_KEYS = {
    "name", "analysis", "subject", "versus", "model", "train_seed", "world", "verdict"
}  # fmt: skip
"""What a threshold on a verdict may say."""

MOST_KNOWN = 12


class Threshold(Config):
    """What some numbers must reach.

    Attributes:
        name: what it says of a model, for people; made of its keys where it is missing.
        analysis, metric: as in ``Metric``.
        model, train_seed, world: whom it concerns; every checkpoint and world without them.
        subject, features, method, window, horizon, stride: as in ``Metric``; left out, every value
            is meant and all must pass; an explicit null means "does not apply".
        control, versus, dose: as in ``Metric``; left out, they do not apply. ``versus`` of a metric
            such as ``delta_auroc_over_copy_last`` need not be said again.
        at_least, at_most: one or both.
        bound: what is compared: the ``value``, or an end of its interval.
        verdict: the least grade that the report's verdict on ``subject`` must have, in place of
            ``metric`` and limits; ``versus`` asks for the one against a colour.
    """

    name: str | None = Field(None, min_length=1)
    analysis: str
    metric: str | None = None
    model: str | None = None
    train_seed: int | None = None
    world: str | None = None
    subject: str | None = None
    features: str | None = None
    method: str | None = None
    window: str | None = None
    horizon: int | None = None
    dose: float | None = None
    stride: int | None = None
    control: str | None = None
    versus: str | None = None
    at_least: float | None = Field(None, allow_inf_nan=False)
    at_most: float | None = Field(None, allow_inf_nan=False)
    bound: Literal["value", "ci_low", "ci_high"] = "value"
    verdict: Literal["yes", "noticed", "not shown"] | None = None

    @field_validator("verdict", mode="before")
    @classmethod
    def _yes_is_a_word(cls, value: Any) -> Any:
        return "yes" if value is True else value  # YAML reads a bare yes as true

    @model_validator(mode="after")
    def _limited(self) -> Threshold:
        if self.verdict is not None:
            more = self.model_fields_set - VERDICT_KEYS
            if more:
                raise ValueError(
                    f"a threshold with a verdict takes no {', '.join(sorted(more))}: leave it out"
                )
            return self
        if self.metric is None:
            raise ValueError("a threshold needs a metric with at_least or at_most, or a verdict")
        if self.at_least is None and self.at_most is None:
            raise ValueError("a threshold needs at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least lies above at_most, so that no number could pass")
        return self

    @property
    def title(self) -> str:
        """Its name, or what it is about."""
        said = [f"{key} {getattr(self, key)}" for key in KEYS if getattr(self, key) is not None]
        about = [text.removeprefix("analysis ").removeprefix("metric ") for text in said]
        about += ["verdict"] if self.verdict else []
        return self.name or " ".join(about)

    @property
    def asked(self) -> str:
        """The limits in words."""
        if self.verdict is not None:
            return f"at least “{self.verdict}”"
        ends = []
        if self.at_least is not None:
            ends.append(f"at least {self.at_least:g}")
        if self.at_most is not None:
            ends.append(f"at most {self.at_most:g}")
        return " and ".join(ends)


class Gate(Config):
    """Thresholds that must all be reached."""

    thresholds: tuple[Threshold, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Outcome:
    """One number held against one threshold.

    Attributes:
        model: whose number it is: name, and where there are several, training seed and world.
        metric: the whole metric; null for a verdict.
        measured: what was compared (``Threshold.bound``); null when it could not be measured.
    """

    threshold: Threshold
    model: str
    metric: Metric | None
    measured: float | None
    passed: bool
    grade: Answer | None = None
    """Of a verdict."""

    @property
    def sentence(self) -> str:
        """What happened, as a clause."""
        limits, metric = self.threshold, self.metric
        told = f"“{limits.name}”: " if limits.name else ""
        if metric is None:
            about = " ".join(filter(None, (limits.analysis, limits.subject)))
            return (
                f"{told}verdict ({about}) of {self.model} is “{self.grade}”, {limits.asked} was "
                "asked"
            )
        which = {"value": "", "ci_low": "lower end of ", "ci_high": "upper end of "}[limits.bound]
        parts = [metric.subject, metric.method, metric.features, metric.window, metric.control]
        about = " ".join(part for part in parts if part)
        about += f" k = {metric.horizon}" if metric.horizon is not None else ""
        about += f" stride {metric.stride}" if metric.stride is not None else ""
        what = f"{which}{metric.metric}{f' ({about})' if about else ''}"
        if self.measured is None:
            return f"{told}{what} of {self.model} could not be measured, {limits.asked} was asked"
        found = formatting.number(self.measured, 4).replace(formatting.SPACE, " ")
        return f"{told}{what} of {self.model} is {found}, {limits.asked} was asked"

    def plain(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        metric, limits = self.metric, self.threshold
        if metric is None:
            keys = {key: getattr(limits, key) for key in ("world", "analysis", "subject", "versus")}
            return {
                "name": limits.title,
                "passed": self.passed,
                "model": self.model,
                "grade": self.grade,
                "verdict": limits.verdict,
                **{k: v for k, v in keys.items() if v is not None},
            }
        keys = {key: getattr(metric, key) for key in KEYS}
        ends = {key: getattr(metric, key) for key in ("value", "ci_low", "ci_high", "n", "step")}
        return {
            "name": limits.title,
            "passed": self.passed,
            "measured": self.measured,
            "bound": limits.bound,
            "at_least": limits.at_least,
            "at_most": limits.at_most,
            **{k: v for k, v in (keys | ends).items() if v is not None or k == "value"},
        }


def load_gate(path: Path) -> Gate:
    """Read a gate.

    Raises:
        UsageError: not there, not YAML, an unknown key, no limit, or limits no number can reach.
    """
    return load_yaml(path, Gate, "gate")


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
            raise _misfit(place, threshold, metrics, "these results")
        for world, model, seed in concerned:
            label = _label((world, model, seed), everyone)
            mine = [
                m
                for m in metrics
                if (m.world, m.model) == (world, model) and m.train_seed in (seed, None)
            ]
            fitting = [m for m in mine if all(_fits(threshold, m, key) for key in KEYS)]
            if not fitting:
                raise _misfit(place, threshold, mine, label)
            for m in fitting:
                if id(m) not in reported:  # of all training seeds together: once
                    reported.add(id(m))
                    whose = label if m.train_seed == seed else f"{model}, all training seeds"
                    outcomes.append(_outcome(threshold, whose, m))
    return outcomes


def gate_table(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[object]]]:
    """Titles and rows of a table for the terminal, failures first."""
    rows: list[list[object]] = [
        [
            "passed" if one.passed else "FAILED",
            one.threshold.title,
            one.model,
            one.grade or _number(one),
            one.threshold.asked,
        ]
        for one in sorted(outcomes, key=lambda one: one.passed)
    ]
    return ["", "threshold", "model", "measured", "asked"], rows


def _number(one: Outcome) -> str | None:
    """What was measured with its interval, or the end of it that is asked about."""
    metric = one.metric
    if metric is None or one.measured is None:
        return None
    if one.threshold.bound != "value":
        return formatting.estimate(one.measured)
    return formatting.estimate(metric.value, metric.ci_low, metric.ci_high)


def gate_failure(outcomes: Sequence[Outcome], name: str) -> UserError | None:
    """The error that says which numbers stayed short of the gate ``name``; None when all passed."""
    failed = [one for one in outcomes if not one.passed]
    if not failed:
        return None
    reported = "; ".join(one.sentence for one in failed)
    return UserError(
        f"{len(failed)} of {len(outcomes)} numbers did not pass the gate {name}. {reported}. The "
        "results were written all the same: fix the model, or the gate where it asks too much."
    )


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


Who = tuple[str, str, int | None]
"""World, model and training seed."""


def _checkpoints(metrics: Sequence[Metric]) -> list[Who]:
    own = (m for m in metrics if m.control is None and m.versus is None)
    return list(dict.fromkeys((m.world, m.model, m.train_seed) for m in own))


def _concerns(threshold: Threshold, who: Who) -> bool:
    wanted = (threshold.world, threshold.model, threshold.train_seed)
    return all(w is None or w == is_ for w, is_ in zip(wanted, who, strict=True))


def _fits(threshold: Threshold, metric: Metric, key: str) -> bool:
    wanted, found = getattr(threshold, key), getattr(metric, key)
    if key == "train_seed":
        return True  # whom it concerns was settled before
    if key in threshold.model_fields_set and not (wanted is None and key in ("world", "model")):
        return bool(found == wanted)
    if key == "versus" and found is not None and metric.metric.endswith(f"_over_{found}"):
        return True
    return found is None or key not in PLAIN


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


def _misfit(place: int, threshold: Threshold, metrics: Sequence[Metric], whose: str) -> UsageError:
    """Which key it is that fits nothing, and what would."""
    left = list(metrics)
    for key in KEYS:
        fitting = [
            m
            for m in left
            if (
                getattr(threshold, key) in (None, m.train_seed)
                if key == "train_seed"
                else _fits(threshold, m, key)
            )
        ]
        if fitting:
            left = fitting
            continue
        wanted = getattr(threshold, key)
        found = dict.fromkeys(getattr(m, key) for m in left)
        known = sorted(str(value) for value in found if value is not None)
        near = difflib.get_close_matches(str(wanted), known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near and wanted is not None else ""
        listed = ", ".join(known[:MOST_KNOWN]) + (", …" if len(known) > MOST_KNOWN else "")
        listed = f" Known there: {listed}." if known else " There it does not apply."
        said = wanted is not None or key in threshold.model_fields_set
        asked = (
            f"'{key}: {'null' if wanted is None else wanted}' is not there"
            if said
            else f"every number there has a '{key}', which the threshold does not name"
        )
        return UsageError(
            f"Threshold {place} of the gate, “{threshold.title}”, fits no number of {whose}: "
            f"{asked}.{hint}{listed} Fix the gate, or measure what it asks for."
        )
    raise AssertionError("a threshold whose keys all fit has no misfit")
