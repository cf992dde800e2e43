"""The surprise of one checkpoint and its baselines, and how it is read at and after t0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
"""How a trajectory's surprise becomes one number for ranks; a baseline's only at onset."""

SEED = " seed "
"""Between a baseline and the number of its seed in the name of a scorer."""


@dataclass(frozen=True)
class OnsetScores:
    """Surprise at t0 alone, of the cases that could be made.

    Attributes:
        case, frame: int (n,).
        scores: scorer → perturbed (n,), reference (n,).
    """

    case: np.ndarray
    frame: np.ndarray
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def comparisons(self, baseline: str) -> list[np.ndarray]:
        """``ranks.comparisons`` (n, n) of a baseline, one a seed."""
        return [ranks.comparisons(*self.scores[one]) for one in seeds_of(baseline, self.scores)]


def seeds_of(baseline: str, scorers: Iterable[str]) -> list[str]:
    """The scorers that a baseline consists of."""
    return [one for one in scorers if one.partition(SEED)[0] == baseline]


def baselines_of(scorers: Iterable[str]) -> list[str]:
    """Baselines among scorers, each once."""
    names = (one.partition(SEED)[0] for one in scorers if one not in (MODEL, WHITENED))
    return list(dict.fromkeys(names))


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

    A scorer is ``model``, ``whitened``, a baseline, or one seed of it. Values are rounded to
    float32, as rows store them, so that ties are the same there.

    Attributes:
        checkpoint: the checkpoint.
        clean: scorer → on the reference trajectories.
        disjoint: scorer → on the disjoint trajectories.
        conditions: condition → scorer → on the matched cases; of baselines at t0 alone, NaN
            elsewhere.
        onset: t0 of each case, (N,).
        onsets: condition → t0 of each case under it, (N,): another one where nothing would show at
            the case's own.
        kept: condition → which cases could be made, bool (N,).
        ids: trajectory ids of the cases.
        disjoint_ids: of the disjoint trajectories.
        disjoint_onset: t0 of each of those, (M,).
        disjoint_onsets: condition that needs an event → which of those have one, bool (M,),
            and when.
        signs: subject and dose (None: a condition) → baselines at t0 of perturbed disjoint
            trajectories.
        doses: dose-response → dose → surprise at t0.
        pixel_changes: condition → mean squared grey-level change at t0 of the kept cases.
        matches: condition → strength and share of its violation's pixel change that it reached.
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
    disjoint_ids: tuple[str, ...]
    disjoint_onset: np.ndarray
    baseline_copy: np.ndarray | None
    trace_cov: float
    rank: float
    width: int
    action_scale: np.ndarray | None = None
    disjoint_onsets: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    signs: Mapping[tuple[str, float | None], OnsetScores] = field(default_factory=dict)
    doses: Mapping[str, Mapping[float, OnsetScores]] = field(default_factory=dict)
    pixel_changes: Mapping[str, np.ndarray] = field(default_factory=dict)
    matches: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    compared: dict[tuple[str, str, str], np.ndarray] = field(default_factory=dict)
    """Memory of ``comparisons``: they serve several numbers."""

    @property
    def baselines(self) -> list[str]:
        """Baselines that were scored."""
        return baselines_of(self.clean)

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

    def seeds(self, baseline: str) -> list[str]:
        """The scorers that a baseline consists of."""
        return seeds_of(baseline, self.clean)

    def calm(self, scorer: str, condition: str | None = None) -> np.ndarray:
        """Clean disjoint values at one onset each, drawn or found as the condition's, (m,)."""
        there, onset = np.ones(len(self.disjoint_onset), bool), self.disjoint_onset
        if condition is not None and condition in self.disjoint_onsets:
            there, onset = self.disjoint_onsets[condition]
        return onset_values(self.disjoint[scorer][there], onset[there])

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
