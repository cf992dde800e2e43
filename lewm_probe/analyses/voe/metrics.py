"""What is computed from the surprise of one checkpoint: every number of the violation protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.doses import Add
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.surprise import (
    MODEL,
    WHITENED,
    Scores,
    onset_values,
    window_max,
    window_means,
)
from lewm_probe.core.seeding import stream
from lewm_probe.stats import bootstrap, paired, ranks
from lewm_probe.stats.bootstrap import Estimate

OFFSETS = range(-3, 7)
"""Frames around t0 that curves and stored rows cover: two histories of three after it."""

CONTRAST = "color"
"""The change of appearance that violations are held against, as in the paper."""

AGGREGATES = ("onset", "mean_after", "max_after")
"""How a trajectory's surprise becomes one number for ranks."""


class Resamples:
    """Bootstrap weights for any number of trajectories; every model gets the same ones."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._weights: dict[int, np.ndarray] = {}

    def of(self, n: int) -> np.ndarray:
        """Weights (S, n)."""
        if n not in self._weights:
            rng = stream(self._suite.seed, "voe", "bootstrap", n)
            count = self._suite.statistics.bootstrap
            self._weights[n] = bootstrap.resamples(n, count, rng)
        return self._weights[n]


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
class Evidence:
    """The surprise of one checkpoint, and how to read it.

    Attributes:
        checkpoint: the checkpoint.
        scores: of it and its baselines.
        onset: t0 of each case, (N,).
        onsets: condition → t0 of each case under it, (N,): another one where nothing would show at
            the case's own.
        kept: condition → which cases could be made, bool (N,).
        ids: trajectory ids of the cases.
        swapped: the model's surprise with another trajectory's actions, (N, T).
        rival_copy: copy-last surprise on disjoint trajectories in the random encoder's latents.
        trace_cov: tr Cov z on the disjoint trajectories.
        rank: effective rank of z there.
        width: number of latent axes.
        action_scale: mean and SD of the actions there as the predictor gets them, (2, A); None
            where the model does not say.
    """

    checkpoint: Checkpoint
    scores: Scores
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
        return [name for name in self.scores.clean if name not in (MODEL, WHITENED)]

    def case(self, condition: str, scorer: str = MODEL) -> PairedSurprise:
        """Perturbed and reference surprise of the cases of a condition."""
        kept = self.kept[condition]
        perturbed = self.scores.conditions[condition][scorer]
        onset = self.onsets[condition][kept]
        return PairedSurprise(perturbed[kept], self.scores.clean[scorer][kept], onset)

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


def thresholds(
    disjoint: np.ndarray, onsets: np.ndarray, false_positives: float = 0.05
) -> dict[str, float]:
    """Alarm level for each aggregate, set on trajectories that are never compared.

    Every disjoint trajectory is read as if t0 had been each frame between the earliest and the
    latest onset, which is how t0 is distributed over the cases.
    """
    pooled: dict[str, list[np.ndarray]] = {how: [] for how in AGGREGATES}
    for at in range(int(onsets.min()), int(onsets.max()) + 1):
        where = np.full(len(disjoint), at)
        for how in AGGREGATES:
            pooled[how].append(aggregate(disjoint, where, how))
    return {
        how: ranks.threshold_at(np.concatenate(values), false_positives)
        for how, values in pooled.items()
    }


def log_surprise(scores: np.ndarray, floor: float) -> np.ndarray:
    """log(s + floor)."""
    return np.log(scores + floor)


def write_metrics(
    recorder: ResultRecorder, evidence: Evidence, suite: Suite, resamples: Resamples
) -> None:
    """Every number of one checkpoint that needs no other checkpoint."""

    def add(metric: str, found: Estimate | float | None, **keys: Any) -> None:
        recorder.metric(evidence.checkpoint, metric, found, features="z", **keys)

    levels = {
        scorer: thresholds(scores, evidence.onset)
        for scorer, scores in evidence.scores.disjoint.items()
    }
    _clean(add, evidence, suite, levels)
    _curves(add, evidence, suite, resamples)
    for condition in suite.voe.conditions:
        if evidence.kept[condition.name].sum() < 2:
            continue
        _ranks(add, evidence, condition, resamples, suite.statistics.confidence, levels)
        _differences(add, evidence, condition, suite, resamples)
    for first, second in direct_pairs(suite):
        _direct(add, evidence, first, second, suite, resamples)


def direct_pairs(suite: Suite) -> Iterator[tuple[Condition, Condition]]:
    """Each violation of physics against each recolouring of a body."""
    for first in suite.voe.conditions:
        for second in suite.voe.conditions:
            if first.expected == "violation" and second.kind == CONTRAST:
                yield first, second


def _clean(
    add: Add, evidence: Evidence, suite: Suite, levels: Mapping[str, Mapping[str, float]]
) -> None:
    n = len(evidence.scores.disjoint[MODEL])
    add("trace_cov", Estimate(evidence.trace_cov, n=n), subject="reference")
    add("effective_rank", Estimate(evidence.rank, n=n), subject="reference")
    for scorer in (MODEL, *evidence.baselines):
        for how in AGGREGATES:
            values = aggregate(evidence.scores.clean[scorer], evidence.onset, how)
            rate = ranks.detection_rate(values, levels[scorer][how])
            add(
                "detection_at_5fp",
                rate,
                subject="reference",
                window=how,
                control=_control(scorer),
            )


def _curves(add: Add, evidence: Evidence, suite: Suite, resamples: Resamples) -> None:
    floor, confidence = suite.voe.log_floor, suite.statistics.confidence
    chance = 2 * evidence.trace_cov / evidence.width
    everyone = np.ones(len(evidence.onset), bool)
    scored = [("reference", evidence.scores.clean, everyone, evidence.onset)]
    scored += [
        (name, scores, evidence.kept[name], evidence.onsets[name])
        for name, scores in evidence.scores.conditions.items()
    ]
    for scorer in (MODEL, *evidence.baselines):
        logs = log_surprise(evidence.scores.disjoint[scorer], floor)
        centre, spread = float(np.nanmean(logs)), float(np.nanstd(logs))
        for name, scores, kept, onsets in scored:
            for offset in OFFSETS:
                if offset != 0 and scorer != MODEL:
                    continue  # a baseline is compared at t0; its rows hold no more either
                values = onset_values(scores[scorer][kept], onsets[kept], offset)
                if np.isfinite(values).sum() < 2:
                    continue
                weights = resamples.of(len(values))
                keys = {"subject": name, "horizon": offset, "control": _control(scorer)}
                add("surprise", bootstrap.mean(values, weights, confidence), **keys)
                if spread > 0:
                    z = (log_surprise(values, floor) - centre) / spread
                    add("surprise_z", bootstrap.mean(z, weights, confidence), **keys)
            if scorer == MODEL and chance > 0 and kept.sum() >= 2:
                values = onset_values(scores[MODEL][kept], onsets[kept]) / chance
                ratio = bootstrap.mean(values, resamples.of(len(values)), confidence)
                add("surprise_over_chance", ratio, subject=name, window="onset")


def _ranks(
    add: Add,
    evidence: Evidence,
    condition: Condition,
    resamples: Resamples,
    confidence: float,
    levels: Mapping[str, Mapping[str, float]],
) -> None:
    name = condition.name
    weights = resamples.of(int(evidence.kept[name].sum()))
    better = None if condition.expected == "appearance" else True
    for how in AGGREGATES:
        keys = {"subject": name, "window": how, "higher_is_better": better}
        own = evidence.comparisons(name, MODEL, how)
        for scorer in (MODEL, *evidence.baselines):
            compared = evidence.comparisons(name, scorer, how)
            pair = evidence.pair(name, scorer, how)
            keys["control"] = _control(scorer)
            add("auroc", ranks.auroc_estimate(compared, weights, confidence), **keys)
            accuracy = ranks.pairwise_accuracy(*pair, weights, confidence)
            add("pairwise_accuracy", accuracy, **keys)
            rate = ranks.detection_rate(pair[0], levels[scorer][how], confidence)
            add("detection_at_5fp", rate, **keys)
        keys["control"] = None
        for baseline in evidence.baselines:
            other = evidence.comparisons(name, baseline, how)
            gain = ranks.auroc_difference(own, other, weights, confidence)
            add(f"delta_auroc_over_{baseline}", gain, versus=baseline, **keys)
    if WHITENED in evidence.scores.clean:
        compared = evidence.comparisons(name, WHITENED, "onset")
        keys = {"subject": name, "window": "onset", "higher_is_better": better}
        whitened = ranks.auroc_estimate(compared, weights, confidence)
        add("auroc_whitened", whitened, **keys)


def _differences(
    add: Add, evidence: Evidence, condition: Condition, suite: Suite, resamples: Resamples
) -> None:
    settings, confidence = suite.voe, suite.statistics.confidence
    bound = float(np.log(settings.equivalence_ratio))
    sided = condition.how.alternative == "greater"
    for window in ("onset", "transient", "steady"):
        delta = evidence.delta(condition.name, window, settings.log_floor)
        delta = delta[np.isfinite(delta)]
        if len(delta) < 2:
            continue
        weights, n = resamples.of(len(delta)), len(delta)
        keys = {"subject": condition.name, "window": window}
        add("delta_log_surprise", bootstrap.mean(delta, weights, confidence), **keys)
        add("d_z", paired.d_z(delta, weights, confidence), **keys)
        add("p_ttest", Estimate(paired.paired_t(delta, sided), n=n), **keys)
        add("p_wilcoxon", Estimate(paired.wilcoxon(delta, sided), n=n), **keys)
        add("p_equivalence", Estimate(paired.tost(delta, bound), n=n), **keys)
    perturbed, reference = evidence.pair(condition.name, MODEL, "onset")
    raw = Estimate(paired.paired_t(perturbed - reference, sided), n=len(perturbed))
    add("p_ttest_raw", raw, subject=condition.name, window="onset")


def _direct(
    add: Add,
    evidence: Evidence,
    first: Condition,
    second: Condition,
    suite: Suite,
    resamples: Resamples,
) -> None:
    both = evidence.kept[first.name] & evidence.kept[second.name]
    if both.sum() < 2:
        return
    logs = [
        log_surprise(
            onset_values(
                evidence.scores.conditions[c.name][MODEL][both], evidence.onsets[c.name][both]
            ),
            suite.voe.log_floor,
        )
        for c in (first, second)
    ]
    delta, n = logs[0] - logs[1], int(both.sum())
    weights, confidence = resamples.of(n), suite.statistics.confidence
    keys = {"subject": first.name, "versus": second.name, "window": "onset"}
    add("delta_log_surprise", bootstrap.mean(delta, weights, confidence), **keys)
    add("d_z", paired.d_z(delta, weights, confidence), **keys)
    add("p_ttest", Estimate(paired.paired_t(delta), n=n), **keys)
    add("p_wilcoxon", Estimate(paired.wilcoxon(delta), n=n), **keys)


def _control(scorer: str) -> str | None:
    return None if scorer == MODEL else scorer
