"""What a checkpoint is known by before it plans: one table of measures, and how each is read.

Three of them are confirmatory. They were named before any planning was measured, whatever came out:
where bodies are (position R² of linear probes), whether the next state follows the action
(action-swap AUROC), and how good imagination is over the planner's horizon (rollout error). All
others are exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lewm_probe.reports import labels
from lewm_probe.results.schema import Metric, ModelEntry, step_order

HORIZON = 5
"""Blocks ahead that a rollout is read at: the paper's planning horizon."""

LOSS = "validation_loss"
"""The measure that understanding is compared with."""


class Checkpoint(NamedTuple):
    """One set of weights, as results name it."""

    model: str
    train_seed: int | None
    step: int | None

    @property
    def run(self) -> tuple[str, int | None]:
        """The training run that it is of."""
        return self.model, self.train_seed


def checkpoint_of(record: Metric | ModelEntry) -> Checkpoint:
    """The checkpoint that a number or an entry is of."""
    name = record.name if isinstance(record, ModelEntry) else record.model
    return Checkpoint(name, record.train_seed, record.step)


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: in tables for machines; of measures with ``each``, the subject follows.
        label: for readers, short; ``{subject}`` stands for the subject in words.
        higher_is_better: null where neither is.
        confirmatory: named beforehand.
        analysis, metric: whose number it is.
        keys: of its metric; ``control``, ``versus`` and ``dose`` are null unless they are here.
        subjects: which are meant; none: the metric has none.
        each: whether every subject is a measure of its own, or their mean is one.
        curve: of training, in place of a metric: its last value up to the checkpoint's step.
    """

    name: str
    label: str
    higher_is_better: bool | None = True
    confirmatory: bool = False
    analysis: str = ""
    metric: str = ""
    keys: Mapping[str, Any] = field(default_factory=dict)
    subjects: Callable[[str], bool] | None = None
    each: bool = False
    curve: str = ""

    def reads(self, metric: Metric) -> bool:
        """Whether a number is of this measure."""
        wanted = {"control": None, "versus": None, "dose": None, **self.keys}
        return (
            (metric.analysis, metric.metric) == (self.analysis, self.metric)
            and (self.subjects is None) == (metric.subject is None)
            and (metric.subject is None or self.subjects is None or self.subjects(metric.subject))
            and all(getattr(metric, key) == value for key, value in wanted.items())
        )


@dataclass(frozen=True)
class Measured:
    """A measure of some checkpoints.

    Attributes:
        name, label: with the subject, where each is a measure of its own.
        measure: the line of the table.
        subjects: that it is of, in order of appearance.
        values: of each checkpoint, NaN where it was not measured, (C,).
    """

    name: str
    label: str
    measure: Measure
    subjects: tuple[str, ...]
    values: np.ndarray

    @property
    def picked(self) -> str:
        """Where the numbers come from, in the words of ``results.json``."""
        if self.measure.curve:
            return f"training curve {self.measure.curve}, last value up to the checkpoint's step"
        keys = ", ".join(f"{key} {value}" for key, value in self.measure.keys.items())
        picked = f"{self.measure.analysis}: {self.measure.metric}, {keys}"
        if not self.subjects:
            return picked
        mean = "mean over " if len(self.subjects) > 1 else ""
        return f"{picked}, {mean}{', '.join(self.subjects)}"

    def is_that_of(self, other: Measured) -> bool:
        """Whether both are the same number under two names."""
        first, second = self.measure, other.measure
        return (first.analysis, first.metric, first.keys, self.subjects) == (
            *(second.analysis, second.metric, second.keys),
            other.subjects,
        )


def _any(subject: str) -> bool:
    return bool(subject)


def _position(subject: str) -> bool:
    """Where a body is. Goals are not drawn: their probes are a negative control."""
    return subject.endswith("_position") and not subject.startswith(("goal_", "target_"))


def _step_teleport(subject: str) -> bool:
    return subject.startswith("step_teleport")


def _swap(subject: str) -> bool:
    return subject == "action_swap"


_ONSET = {"features": "z", "window": "onset"}

MEASURES: tuple[Measure, ...] = (
    Measure(
        "position_r2",
        "Position R²",
        confirmatory=True,
        analysis="probe",
        metric="r2",
        keys={"method": "linear", "features": "z"},
        subjects=_position,
    ),
    Measure(
        "action_swap_auroc",
        "Action-swap AUROC",
        confirmatory=True,
        analysis="voe",
        metric="auroc",
        keys=_ONSET,
        subjects=_swap,
    ),
    Measure(
        "rollout_error",
        "Rollout error",
        higher_is_better=False,
        confirmatory=True,
        analysis="rollout",
        metric="mse_over_copy_last",
        keys={"features": "z", "horizon": HORIZON},
    ),
    Measure(
        "linear_r2",
        "Linear R², {subject}",
        analysis="probe",
        metric="r2",
        keys={"method": "linear", "features": "z"},
        subjects=_any,
        each=True,
    ),
    Measure(
        "mlp_r2",
        "MLP R², {subject}",
        analysis="probe",
        metric="r2",
        keys={"method": "mlp", "features": "z"},
        subjects=_any,
        each=True,
    ),
    Measure(
        "auroc",
        "AUROC, {subject}",
        analysis="voe",
        metric="auroc",
        keys=_ONSET,
        subjects=_step_teleport,
        each=True,
    ),
    Measure(
        "delta_auroc",
        "ΔAUROC, {subject}",
        analysis="voe",
        metric="delta_auroc_over_copy_last",
        keys={**_ONSET, "versus": "copy_last"},
        subjects=lambda subject: _step_teleport(subject) or _swap(subject),
        each=True,
    ),
    Measure(
        "straightness",
        "Straightness",
        analysis="straightness",
        metric="cosine",
        keys={"features": "z", "method": "encoded", "stride": 1, "window": None},
    ),
    Measure(
        "effective_rank",
        "Effective rank",
        higher_is_better=None,
        analysis="geometry",
        metric="effective_rank",
        keys={"features": "z"},
    ),
    Measure(
        "centered_effective_rank",
        "Centred effective rank",
        higher_is_better=None,
        curve="validation_centered_effective_rank",
    ),
    Measure(LOSS, "Validation loss", higher_is_better=False, curve="validation_loss"),
)
"""In the order of tables and figures, the confirmatory ones first."""


def any_reads(metric: Metric) -> bool:
    """Whether a number is of one of the measures."""
    return any(measure.reads(metric) for measure in MEASURES)


def read(
    metrics: Sequence[Metric], entries: Sequence[ModelEntry], checkpoints: Sequence[Checkpoint]
) -> tuple[Measured, ...]:
    """All measures of the checkpoints of one world; confirmatory ones also where none has any.

    A mean over subjects needs all of them; where there is one only, that one is no second measure.
    Several evaluation seeds are averaged.
    """
    curves = {checkpoint_of(entry): entry.curves for entry in entries}
    by_metric: dict[tuple[str, str], list[Metric]] = {}
    for metric in metrics:
        if metric.value is not None:
            by_metric.setdefault((metric.analysis, metric.metric), []).append(metric)
    found: list[Measured] = []
    for measure in MEASURES:
        if measure.curve:
            values = [_last(curves.get(c, {}), measure.curve, c.step) for c in checkpoints]
            found.append(Measured(measure.name, measure.label, measure, (), np.array(values)))
        else:
            rows = by_metric.get((measure.analysis, measure.metric), [])
            of = _of_metrics(measure, filter(measure.reads, rows), checkpoints)
            found += [one for one in of if not any(map(one.is_that_of, found))]
    return tuple(m for m in found if m.measure.confirmatory or np.isfinite(m.values).any())


def _of_metrics(
    measure: Measure, metrics: Iterator[Metric], checkpoints: Sequence[Checkpoint]
) -> Iterator[Measured]:
    places = {checkpoint: k for k, checkpoint in enumerate(checkpoints)}
    seeds: dict[str, dict[int, list[float]]] = {}  # subject → checkpoint → values
    for metric in metrics:
        place = places.get(checkpoint_of(metric))
        if place is not None and metric.value is not None:
            of = seeds.setdefault(metric.subject or "", {})
            of.setdefault(place, []).append(metric.value)
    by_subject = {}
    for subject, found in seeds.items():
        values = np.full(len(checkpoints), np.nan)
        for place, several in found.items():
            values[place] = math.fsum(several) / len(several)
        by_subject[subject] = values
    if measure.each:
        for subject, values in by_subject.items():
            label = measure.label.replace("{subject}", labels.quantity(subject))
            yield Measured(f"{measure.name}:{subject}", label, measure, (subject,), values)
        return
    whole = np.full(len(checkpoints), np.nan)
    if by_subject:
        whole = np.mean(list(by_subject.values()), axis=0)  # NaN where one of them is
    subjects = tuple(subject for subject in by_subject if subject)
    yield Measured(measure.name, measure.label, measure, subjects, whole)


def _last(curves: Mapping[str, Sequence[float | None]], name: str, step: int | None) -> float:
    """The last value of a curve that was logged up to a step; NaN without one."""
    logged = zip(curves.get("step", ()), curves.get(name, ()), strict=False)
    known = [value for at, value in logged if at is not None and at <= step_order(step)]
    return next((float(value) for value in reversed(known) if value is not None), math.nan)
