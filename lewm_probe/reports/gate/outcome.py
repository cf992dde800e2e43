"""What came of one number held against one threshold, in words, as a table and as an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lewm_probe.core.errors import UserError
from lewm_probe.reports import formatting
from lewm_probe.reports.gate.threshold import KEYS, Threshold
from lewm_probe.reports.verdicts.judging import Answer
from lewm_probe.results.schema import Metric


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
