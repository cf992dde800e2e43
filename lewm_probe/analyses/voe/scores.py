"""The surprise of one checkpoint and its baselines, and how it is read at and after t0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.voe.surprise import (
    MODEL,
    WHITENED,
    onset_values,
    window_max,
    window_means,
)
from lewm_probe.stats import ranks

AGGREGATES = ("onset", "mean_after", "max_after")
"""How a trajectory's surprise becomes one number for ranks."""


@dataclass(frozen=True)
class PairedSurprise:
    """One condition of one checkpoint and scorer, reduced to the cases that could be made.

    Attributes:
        perturbed, reference: surprise (n, T).
        onset: t0, (n,).
    """

    perturbed: np.ndarray
    reference: np.ndarray
    onset: np.ndarray


@dataclass
class SurpriseScores:
    """Surprise of one checkpoint and its baselines, each (trajectories, T), and how to read it.

    A scorer is ``model``, ``whitened`` or a baseline.

    Attributes:
        checkpoint: the checkpoint.
        clean: scorer → on the reference trajectories.
        disjoint: scorer → on the disjoint trajectories.
        conditions: condition → scorer → on the matched cases.
        onset: t0 of each case, (N,).
        onsets: condition → t0 of each case under it, (N,): another one where nothing would show at
            the case's own.
        kept: condition → which cases could be made, bool (N,).
        ids: trajectory ids of the cases.
        swapped: the model's surprise with another trajectory's actions, (N, T).
        baseline_copy: copy-last surprise on disjoint trajectories in the random encoder's latents.
        trace_cov: tr Cov z on the disjoint trajectories.
        rank: effective rank of z there.
        width: number of latent axes.
        action_scale: mean and SD of the actions there as the predictor gets them, (2, A); None
            where the model does not say.
    """

    checkpoint: Checkpoint
    clean: Mapping[str, np.ndarray]
    disjoint: Mapping[str, np.ndarray]
    conditions: Mapping[str, Mapping[str, np.ndarray]]
    onset: np.ndarray
    onsets: Mapping[str, np.ndarray]
    kept: Mapping[str, np.ndarray]
    ids: tuple[str, ...]
    swapped: np.ndarray
    baseline_copy: np.ndarray | None
    trace_cov: float
    rank: float
    width: int
    action_scale: np.ndarray | None = None
    compared: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    """Memory of ``comparisons``: they serve several numbers."""

    @property
    def baselines(self) -> list[str]:
        """Baselines that were scored."""
        return [name for name in self.clean if name not in (MODEL, WHITENED)]

    def case(self, condition: str, scorer: str = MODEL) -> PairedSurprise:
        """Perturbed and reference surprise of the cases of a condition."""
        kept = self.kept[condition]
        perturbed = self.conditions[condition][scorer]
        onset = self.onsets[condition][kept]
        return PairedSurprise(perturbed[kept], self.clean[scorer][kept], onset)

    def pair(self, condition: str, scorer: str, how: str) -> tuple[np.ndarray, np.ndarray]:
        """One number a case: perturbed (n,), reference (n,)."""
        case = self.case(condition, scorer)
        return aggregate(case.perturbed, case.onset, how), aggregate(
            case.reference, case.onset, how
        )

    def comparisons(self, condition: str, scorer: str, how: str) -> np.ndarray:
        """Every perturbed against every reference trajectory, (n, n)."""
        key = (condition, scorer, how)
        if key not in self.compared:
            self.compared[key] = ranks.comparisons(*self.pair(condition, scorer, how))
        return self.compared[key]

    def delta(self, condition: str, window: str, floor: float) -> np.ndarray:
        """Mean of log s_pert − log s_ref over a window, (n,); NaN where it has no frame."""
        case = self.case(condition)
        first, last = self.window(window)
        change = log_surprise(case.perturbed, floor) - log_surprise(case.reference, floor)
        return window_means(change, case.onset, first, last)

    def window(self, name: str) -> tuple[int, int | None]:
        """First and last offset from t0: onset t0; transient t0 … t0+H−1; steady from t0+H."""
        history = self.checkpoint.model.spec.history
        windows = {"onset": (0, 0), "transient": (0, history - 1), "steady": (history, None)}
        return windows[name]


def aggregate(scores: np.ndarray, onset: np.ndarray, how: str) -> np.ndarray:
    """One number a trajectory, by one of ``AGGREGATES``: (N, T), (N,) → (N,)."""
    if how == "onset":
        return onset_values(scores, onset)
    return (
        window_means(scores, onset, 0, None) if how == "mean_after" else window_max(scores, onset)
    )


def log_surprise(scores: np.ndarray, floor: float) -> np.ndarray:
    """log(s + floor)."""
    return np.log(scores + floor)
