"""What is read from what: the features of each source beside the targets they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Purpose, Trajectories, suite_trajectories
from lewm_probe.analyses.engine.features import changes, triplets
from lewm_probe.analyses.readout.targets import (
    Target,
    change_targets,
    targets_of,
    varying,
    without_history,
)
from lewm_probe.worlds.base import Quantity

T = TypeVar("T")
U = TypeVar("U")

TRIPLET_HISTORY = 2
"""Frames before the first that [z_{t−2}, z_{t−1}, z_t] can see."""


@dataclass(frozen=True)
class Splits(Generic[T]):
    """Something for training, validation and test trajectories."""

    train: T
    validation: T
    test: T

    def map(self, function: Callable[[T], U]) -> Splits[U]:
        """The function of each."""
        return Splits(function(self.train), function(self.validation), function(self.test))

    def as_list(self) -> list[T]:
        """Training first."""
        return [self.train, self.validation, self.test]


@dataclass(frozen=True)
class ProbeTask:
    """Features of all splits, (N, T, D) each, and the targets asked of them.

    Attributes:
        features: name in the results: ``z``, ``cls``, ``z_pca``, ``z_triplet``, ``dz``.
        views: the arrays.
        targets: each target in all splits.
    """

    features: str
    views: Splits[np.ndarray]
    targets: tuple[Splits[Target], ...]


@dataclass(frozen=True)
class ProbeTargets:
    """The targets of a suite.

    Attributes:
        single: read from one frame; velocities start at frame 2, where triplets do.
        velocities: read from three frames.
        changes: read from the difference of two frames.
        left_out: near-constant targets, as sentences.
    """

    single: tuple[Splits[Target], ...]
    velocities: tuple[Splits[Target], ...]
    changes: tuple[Splits[Target], ...]
    left_out: tuple[str, ...]


def probe_trajectories(suite: Suite, size: int) -> Splits[Trajectories]:
    """The suite's probe trajectories at one image size."""
    purposes = Splits[Purpose]("probe-train", "probe-validation", "probe-test")
    return purposes.map(lambda purpose: suite_trajectories(suite, size, purpose))


def questions(
    states: Splits[Mapping[str, np.ndarray]],
    quantities: Mapping[str, Quantity],
    names: Sequence[str],
) -> ProbeTargets:
    """Targets of the named quantities; near-constant ones, judged on training, are left out.

    Raises:
        UsageError: a quantity that the world does not know.
        UserError: a quantity that is not finite.
    """
    single, left_out = _kept(states.map(lambda s: targets_of(s, quantities, names)))
    single = [
        t.map(lambda target: without_history(target, TRIPLET_HISTORY))
        if t.train.kind == "velocity"
        else t
        for t in single
    ]
    moved, also_left_out = _kept(states.map(lambda s: change_targets(s, quantities, names)))
    return ProbeTargets(
        tuple(single),
        tuple(t for t in single if t.train.kind == "velocity"),
        tuple(moved),
        (*left_out, *also_left_out),
    )


def tasks_of(views: Mapping[str, Splits[np.ndarray]], asked: ProbeTargets) -> list[ProbeTask]:
    """The tasks of one source: each view alone; three frames and differences of ``z``."""
    z = views["z"]
    tasks = [ProbeTask(name, view, asked.single) for name, view in views.items() if asked.single]
    if asked.velocities:
        tasks.append(ProbeTask("z_triplet", z.map(triplets), asked.velocities))
    if asked.changes:
        tasks.append(ProbeTask("dz", z.map(changes), asked.changes))
    return tasks


def _kept(found: Splits[list[Target]]) -> tuple[list[Splits[Target]], list[str]]:
    """Each target's splits without the axes that hardly vary in training, and what was dropped."""
    kept, left_out = [], []
    for train, validation, test in zip(found.train, found.validation, found.test, strict=True):
        varied, dropped = varying(train)
        if dropped:
            left_out.append(
                f"Probe target {train.name} ({', '.join(dropped)}) hardly varies in the training "
                "trajectories and was left out."
            )
        if varied is not None:
            columns = [axis in varied.axes for axis in train.axes]
            rest = [
                replace(t, values=t.values[..., columns], axes=varied.axes)
                for t in (validation, test)
            ]
            kept.append(Splits(varied, *rest))
    return kept, left_out
