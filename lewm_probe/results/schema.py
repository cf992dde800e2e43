"""What results hold: metrics, checkpoints, where they come from, and the columns of raw rows."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lewm_probe.core.config import LONGEST_TEXT, Count, Name, Seed, Whole

SCHEMA_VERSION = 4
"""4: metrics say how many files hold them. 3: metrics as a table; rows say window and dose. 2: with
cards. All earlier ones are read."""

ROW_COLUMNS = {
    "model": "string",
    "train_seed": "Int32",
    "step": "Int64",
    "world": "string",
    "analysis": "string",
    "subject": "string",
    "features": "string",
    "method": "string",
    "control": "string",
    "window": "string",
    "dose": "float32",
    "trajectory_id": "string",
    "frame": "Int32",
    "horizon": "Int32",
    "stride": "Int32",
    "axis": "string",
    "metric": "string",
    "value": "float32",
}
"""Columns of raw rows and their pandas types; null where one does not apply. Files of versions
before 3 lack ``window`` and ``dose``."""


PAIRED, UNPAIRED, STORED = "_difference_paired", "_difference_unpaired", "_difference_stored"
"""What names of metrics against a published result end with: the same trajectories, others, or two
stored numbers (no rows, no interval)."""


class Record(BaseModel):
    """Frozen and closed; what is not finite is written as null."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", str_max_length=LONGEST_TEXT
    )


class Metric(Record):
    """One number with its interval and everything needed to know what it is.

    ``control`` is null for the model itself. ``horizon`` counts blocks ahead (rollout) or frames
    after the intervention (surprise over time, negative before it). Values and intervals keep nine
    significant digits.
    """

    model: Name
    family: Name
    train_seed: Seed | None = None
    step: Count | None = None
    world: Name
    analysis: Name
    subject: Name | None = None
    features: Name | None = None
    method: Name | None = None
    control: Name | None = None
    window: Name | None = None
    horizon: Whole | None = None
    dose: float | None = None
    stride: Count | None = None
    versus: Name | None = None
    metric: Name
    value: float | None
    unit: Name | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: Count | None = None
    eval_seed: Count | None = None
    higher_is_better: bool | None = None

    @field_validator("value", "ci_low", "ci_high")
    @classmethod
    def _nine_digits(cls, value: float | None) -> float | None:
        return None if value is None else float(f"{value:.9g}")


class ModelEntry(Record):
    """A checkpoint that was analysed."""

    name: Name
    family: Name
    train_seed: Seed | None = None
    step: Count | None = None
    world: Name | None = None
    fingerprint: Name
    parameters: Count | None = None
    source: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    curves: dict[str, list[float | None]] = Field(default_factory=dict)
    """Training curves: ``step`` and each logged loss term and diagnostic, one value a step."""

    @field_validator("curves")
    @classmethod
    def _a_value_a_step(
        cls, curves: dict[str, list[float | None]]
    ) -> dict[str, list[float | None]]:
        if curves and "step" not in curves:
            raise ValueError("curves without their steps")
        for name, values in curves.items():
            if len(values) != len(curves["step"]):
                raise ValueError(
                    f"the curve '{name[:40]}' has {len(values)} values at {len(curves['step'])} "
                    "steps"
                )
        return curves

    @property
    def label(self) -> str:
        """Name with training seed and step, for messages and notes."""
        parts = [self.name]
        if self.train_seed is not None:
            parts.append(f"training seed {self.train_seed}")
        if self.step is not None:
            parts.append(f"step {self.step}")
        return ", ".join(parts)


class Provenance(Record):
    """Where numbers come from: enough to run them again."""

    command: str
    version: str
    commit: str | None = None
    hardware: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    seeds: dict[str, Whole] = Field(default_factory=dict)
    fingerprints: dict[str, str] = Field(default_factory=dict)
    wall_seconds: float | None = Field(None, ge=0)
    settings: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    """Warnings a reader of the numbers must see, e.g. a failed preflight."""


def step_order(step: int | None) -> float:
    """Where a step stands in its run: weights that do not say theirs are the final ones."""
    return math.inf if step is None else step
