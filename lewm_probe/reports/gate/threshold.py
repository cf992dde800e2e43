"""A gate's thresholds: the numbers that a model must reach, so that an audit can run in CI.

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
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lewm_probe.core.config import Config, load_yaml
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

    def fits(self, metric: Metric, key: str) -> bool:
        """Whether a metric has what is wanted of one key; the training seed is settled before."""
        wanted, found = getattr(self, key), getattr(metric, key)
        if key == "train_seed":
            return True
        if key in self.model_fields_set and not (wanted is None and key in ("world", "model")):
            return bool(found == wanted)
        if key == "versus" and found is not None and metric.metric.endswith(f"_over_{found}"):
            return True
        return found is None or key not in PLAIN

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


def load_gate(path: Path) -> Gate:
    """Read a gate.

    Raises:
        UsageError: not there, not YAML, an unknown key, no limit, or limits no number can reach.
    """
    return load_yaml(path, Gate, "gate")
