"""What is computed from the surprise of one checkpoint: every number of the violation protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.scores import (
    AGGREGATES,
    SurpriseScores,
    aggregate,
    log_surprise,
)
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.surprise import MODEL, WHITENED, onset_values
from lewm_probe.core.seeding import stream
from lewm_probe.stats import bootstrap, paired, ranks
from lewm_probe.stats.bootstrap import Estimate

OFFSETS = range(-3, 7)
"""Frames around t0 that curves and stored rows cover: two histories of three after it."""

CONTRAST = "color"
"""The change of appearance that violations are held against, as in the paper."""


class Add(Protocol):
    """Writes one number about one checkpoint down."""

    def __call__(self, metric: str, found: Estimate | float | None, **keys: Any) -> None:
        """``keys``: others of ``Metric``."""


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


def write_metrics(
    recorder: ResultRecorder, scores: SurpriseScores, suite: Suite, resamples: Resamples
) -> None:
    """Every number of one checkpoint that needs no other checkpoint."""

    def add(metric: str, found: Estimate | float | None, **keys: Any) -> None:
        recorder.metric(scores.checkpoint, metric, found, features="z", **keys)

    levels = {
        scorer: thresholds(values, scores.onset) for scorer, values in scores.disjoint.items()
    }
    _clean(add, scores, suite, levels)
    _curves(add, scores, suite, resamples)
    for condition in suite.voe.conditions:
        if scores.kept[condition.name].sum() < 2:
            continue
        _ranks(add, scores, condition, resamples, suite.statistics.confidence, levels)
        _differences(add, scores, condition, suite, resamples)
    for first, second in direct_pairs(suite):
        _direct(add, scores, first, second, suite, resamples)


def direct_pairs(suite: Suite) -> Iterator[tuple[Condition, Condition]]:
    """Each violation of physics against each recolouring of a body."""
    for first in suite.voe.conditions:
        for second in suite.voe.conditions:
            if first.expected == "violation" and second.kind == CONTRAST:
                yield first, second


def _clean(
    add: Add, scores: SurpriseScores, suite: Suite, levels: Mapping[str, Mapping[str, float]]
) -> None:
    n = len(scores.disjoint[MODEL])
    add("trace_cov", Estimate(scores.trace_cov, n=n), subject="reference")
    add("effective_rank", Estimate(scores.rank, n=n), subject="reference")
    for scorer in (MODEL, *scores.baselines):
        for how in AGGREGATES:
            values = aggregate(scores.clean[scorer], scores.onset, how)
            rate = ranks.detection_rate(values, levels[scorer][how])
            add(
                "detection_at_5fp",
                rate,
                subject="reference",
                window=how,
                control=_control(scorer),
            )


def _curves(add: Add, scores: SurpriseScores, suite: Suite, resamples: Resamples) -> None:
    floor, confidence = suite.voe.log_floor, suite.statistics.confidence
    chance = 2 * scores.trace_cov / scores.width
    everyone = np.ones(len(scores.onset), bool)
    scored = [("reference", scores.clean, everyone, scores.onset)]
    scored += [
        (name, by_scorer, scores.kept[name], scores.onsets[name])
        for name, by_scorer in scores.conditions.items()
    ]
    for scorer in (MODEL, *scores.baselines):
        logs = log_surprise(scores.disjoint[scorer], floor)
        centre, spread = float(np.nanmean(logs)), float(np.nanstd(logs))
        for name, by_scorer, kept, onsets in scored:
            for offset in OFFSETS:
                if offset != 0 and scorer != MODEL:
                    continue  # a baseline is compared at t0; its rows hold no more either
                values = onset_values(by_scorer[scorer][kept], onsets[kept], offset)
                if np.isfinite(values).sum() < 2:
                    continue
                weights = resamples.of(len(values))
                keys = {"subject": name, "horizon": offset, "control": _control(scorer)}
                add("surprise", bootstrap.mean(values, weights, confidence), **keys)
                if spread > 0:
                    z = (log_surprise(values, floor) - centre) / spread
                    add("surprise_z", bootstrap.mean(z, weights, confidence), **keys)
            if scorer == MODEL and chance > 0 and kept.sum() >= 2:
                values = onset_values(by_scorer[MODEL][kept], onsets[kept]) / chance
                ratio = bootstrap.mean(values, resamples.of(len(values)), confidence)
                add("surprise_over_chance", ratio, subject=name, window="onset")


def _ranks(
    add: Add,
    scores: SurpriseScores,
    condition: Condition,
    resamples: Resamples,
    confidence: float,
    levels: Mapping[str, Mapping[str, float]],
) -> None:
    name = condition.name
    weights = resamples.of(int(scores.kept[name].sum()))
    better = None if condition.expected == "appearance" else True
    for how in AGGREGATES:
        keys = {"subject": name, "window": how, "higher_is_better": better}
        own = scores.comparisons(name, MODEL, how)
        for scorer in (MODEL, *scores.baselines):
            compared = scores.comparisons(name, scorer, how)
            pair = scores.pair(name, scorer, how)
            keys["control"] = _control(scorer)
            add("auroc", ranks.auroc_estimate(compared, weights, confidence), **keys)
            accuracy = ranks.pairwise_accuracy(*pair, weights, confidence)
            add("pairwise_accuracy", accuracy, **keys)
            rate = ranks.detection_rate(pair[0], levels[scorer][how], confidence)
            add("detection_at_5fp", rate, **keys)
        keys["control"] = None
        for baseline in scores.baselines:
            other = scores.comparisons(name, baseline, how)
            gain = ranks.auroc_difference(own, other, weights, confidence)
            add(f"delta_auroc_over_{baseline}", gain, versus=baseline, **keys)
    if WHITENED in scores.clean:
        compared = scores.comparisons(name, WHITENED, "onset")
        keys = {"subject": name, "window": "onset", "higher_is_better": better}
        whitened = ranks.auroc_estimate(compared, weights, confidence)
        add("auroc_whitened", whitened, **keys)


def _differences(
    add: Add, scores: SurpriseScores, condition: Condition, suite: Suite, resamples: Resamples
) -> None:
    settings, confidence = suite.voe, suite.statistics.confidence
    bound = float(np.log(settings.equivalence_ratio))
    sided = condition.how.alternative == "greater"
    for window in ("onset", "transient", "steady"):
        delta = scores.delta(condition.name, window, settings.log_floor)
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
    perturbed, reference = scores.pair(condition.name, MODEL, "onset")
    raw = Estimate(paired.paired_t(perturbed - reference, sided), n=len(perturbed))
    add("p_ttest_raw", raw, subject=condition.name, window="onset")


def _direct(
    add: Add,
    scores: SurpriseScores,
    first: Condition,
    second: Condition,
    suite: Suite,
    resamples: Resamples,
) -> None:
    both = scores.kept[first.name] & scores.kept[second.name]
    if both.sum() < 2:
        return
    logs = [
        log_surprise(
            onset_values(scores.conditions[c.name][MODEL][both], scores.onsets[c.name][both]),
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
