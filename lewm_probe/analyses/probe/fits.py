"""Fitting and scoring all probes of one task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.features import frame_index
from lewm_probe.analyses.probe.tasks import ProbeTargets, ProbeTask, Splits
from lewm_probe.analyses.readout.control_tasks import SUFFIX, random_cells
from lewm_probe.analyses.readout.linear import fit_linear
from lewm_probe.analyses.readout.mlp import fit_mlps
from lewm_probe.analyses.readout.scaling import Scaler, flatten_frames
from lewm_probe.analyses.readout.scores import Scores, score
from lewm_probe.analyses.readout.targets import Target
from lewm_probe.core.seeding import torch_seed

SELECTIVE = ("z", "z_triplet")
"""Features whose MLPs are also asked for random cells: those that carry the headline numbers."""


@dataclass(frozen=True)
class ProbeResult:
    """One fitted and scored probe.

    Attributes:
        target: what was read, in the test trajectories.
        features: what it was read from; None for the mean and the time.
        method: ``linear`` or ``mlp``; None for the mean.
        control: None for the model itself.
        predicted: (S, N, T, K).
        scores: how well.
    """

    target: Target
    features: str | None
    method: str | None
    control: str | None
    predicted: np.ndarray
    scores: Scores


@dataclass(frozen=True)
class ProbeFitter:
    """Fits and scores with one suite's settings.

    Attributes:
        suite: settings and seed.
        weights: bootstrap resamples of the test trajectories, (R, N).
        device: where MLPs are trained.
        told: hears of every epoch of an MLP.
    """

    suite: Suite
    weights: np.ndarray
    device: str = "cpu"
    told: Callable[[float], None] = lambda _: None

    def linear(self, task: ProbeTask, control: str | None = None) -> list[ProbeResult]:
        """Ridge for each target of the task."""
        readings = []
        for target in task.targets:
            fitted = fit_linear(task.views.train, target.train.values, self.suite.probe.linear)
            predicted = fitted.predict(task.views.test)[None]
            readings.append(self._score(target, predicted, task.features, "linear", control))
        return readings

    def mlp(self, task: ProbeTask, control: str | None = None) -> list[ProbeResult]:
        """MLPs for each target of the task; the model's own of ``SELECTIVE`` bring selectivity.

        Random cells come as readings of their own, with the control ``random_cells``.
        """
        settings, seed = self.suite.probe, self.suite.seed
        asked = list(task.targets)
        if control is None and task.features in SELECTIVE:
            for target in task.targets:
                cells = random_cells(target.as_list(), settings.selectivity_cells, seed)
                asked.append(Splits(*cells))
        networks = fit_mlps(
            task.views.train,
            [t.train for t in asked],
            task.views.validation,
            [t.validation for t in asked],
            settings.mlp,
            torch_seed(seed, "probe", task.features),
            self.device,
            self.told,
        )
        answers = networks.predict(task.views.test)
        found = {
            t.train.name: self._score(t, answers[t.train.name], task.features, "mlp", control)
            for t in asked
        }
        readings = []
        for target in task.targets:
            name = target.train.name
            reading, cells_reading = found[name], found.get(name + SUFFIX)
            if cells_reading is not None:
                reading = self._selective(reading, cells_reading)
                named = replace(cells_reading.target, name=name)
                readings.append(replace(cells_reading, target=named, control="random_cells"))
            readings.append(reading)
        return readings

    def mean(self, asked: ProbeTargets) -> list[ProbeResult]:
        """Always the training mean."""
        readings = []
        for target in (*asked.single, *asked.changes):
            middle = np.nanmean(target.train.values, axis=(0, 1))  # (K,)
            predicted = np.broadcast_to(middle, target.test.values.shape)[None]
            readings.append(self._score(target, predicted, None, None, "mean"))
        return readings

    def time_index(self, asked: ProbeTargets) -> list[ProbeResult]:
        """Any function of the frame's number."""
        targets = (*asked.single, *asked.changes)
        if not targets:
            return []
        values = Splits(targets[0].train, targets[0].validation, targets[0].test)
        views = values.map(lambda t: frame_index(*t.values.shape[:2]))
        readings = self.linear(ProbeTask("time", views, targets), "time_index")
        return [replace(reading, features=None) for reading in readings]

    def _score(
        self,
        target: Splits[Target],
        predicted: np.ndarray,
        features: str | None,
        method: str | None,
        control: str | None,
    ) -> ProbeResult:
        train = target.train.values
        scaler = Scaler.fit(flatten_frames(train, train)[1])
        confidence = self.suite.statistics.confidence
        scores = score(target.test, predicted, scaler, self.weights, confidence)
        return ProbeResult(target.test, features, method, control, predicted, scores)

    def _selective(self, reading: ProbeResult, cells: ProbeResult) -> ProbeResult:
        """The reading with R² minus R² on random cells, on the same resamples."""
        first, second = reading.scores.estimates["r2"], cells.scores.estimates["r2"]
        if first.value is None or second.value is None:
            return reading
        difference = reading.scores.r2.minus(cells.scores.r2)
        estimate = difference.estimate(first.n, self.suite.statistics.confidence)
        estimates = reading.scores.estimates | {"selectivity": estimate}
        return replace(reading, scores=replace(reading.scores, estimates=estimates))
