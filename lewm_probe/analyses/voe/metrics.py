"""What is computed from the surprise of one checkpoint: every number of the violation protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.directions import directions, gains
from lewm_probe.analyses.voe.scores import (
    AGGREGATES,
    SurpriseScores,
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


def mean_auroc(compared: Sequence[np.ndarray], confidence: float) -> Estimate:
    """AUROC of a baseline: the mean over its seeds; with several, of all comparisons together."""
    return ranks.auroc_estimate(np.mean(compared, axis=0), confidence)


def write_metrics(recorder: ResultRecorder, scores: SurpriseScores, suite: Suite) -> None:
    """Every number of one checkpoint that needs no other checkpoint."""

    def add(metric: str, found: Estimate | float | None, **keys: Any) -> None:
        recorder.metric(scores.checkpoint, metric, found, features="z", **keys)

    _clean(add, scores, suite)
    _curves(add, scores, suite)
    for condition in suite.voe.conditions:
        if scores.kept[condition.name].sum() < 2:
            continue
        _ranks(add, scores, condition, suite)
        if condition.matched_to is None:
            _baselines(add, scores, condition, suite)
        _differences(add, scores, condition, suite)
        _pixels(add, scores, condition, suite)
    for first, second in direct_pairs(suite):
        _direct(add, scores, first, second, suite)


def direct_pairs(suite: Suite) -> Iterator[tuple[Condition, Condition]]:
    """Each violation against each recolouring of a body, or against what is matched to it."""
    for first in suite.voe.conditions:
        for second in suite.voe.conditions:
            if second.matched_to is not None:
                if first.name == second.matched_to:
                    yield first, second
            elif first.expected == "violation" and second.kind == CONTRAST:
                yield first, second


def _clean(add: Add, scores: SurpriseScores, suite: Suite) -> None:
    n = len(scores.disjoint[MODEL])
    add("trace_cov", Estimate(scores.trace_cov, n=n), subject="reference")
    add("effective_rank", Estimate(scores.rank, n=n), subject="reference")
    for name in (MODEL, *scores.baselines):
        clean = [onset_values(scores.clean[one], scores.onset) for one in _scorers(scores, name)]
        calm = [scores.calm(one) for one in _scorers(scores, name)]
        rate = _detection(clean, calm, suite)
        keys = {"subject": "reference", "window": "onset", "control": _control(name)}
        add("detection_at_5fp", rate, **keys)


def _scorers(scores: SurpriseScores, name: str) -> list[str]:
    return [name] if name == MODEL else scores.seeds(name)


def _detection(
    perturbed: Sequence[np.ndarray], calm: Sequence[np.ndarray], suite: Suite
) -> Estimate:
    """Detection rate at 5 % false positives; of several seeds the mean of their ends too."""
    confidence = suite.statistics.confidence
    each = [
        ranks.detection_rate(one, other, confidence=confidence)
        for one, other in zip(perturbed, calm, strict=True)
    ]
    if any(one.value is None for one in each):
        return Estimate(None, n=each[0].n)
    value, low, high = (float(np.mean([one[k] for one in each])) for k in range(3))
    return Estimate(value, low, high, each[0].n)


def _curves(add: Add, scores: SurpriseScores, suite: Suite) -> None:
    floor, confidence = suite.voe.log_floor, suite.statistics.confidence
    chance = 2 * scores.trace_cov / scores.width
    logs = log_surprise(scores.calm(MODEL), floor)
    centre, spread = float(np.nanmean(logs)), float(np.nanstd(logs))
    everyone = np.ones(len(scores.onset), bool)
    scored = [("reference", scores.clean, everyone, scores.onset, OFFSETS)]
    scored += [
        (
            c.name,
            scores.conditions[c.name],
            scores.kept[c.name],
            scores.onsets[c.name],
            OFFSETS if c.matched_to is None else range(1),
        )
        for c in suite.voe.conditions
    ]
    for name, by_scorer, kept, onsets, offsets in scored:
        for offset in offsets:
            values = onset_values(by_scorer[MODEL][kept], onsets[kept], offset)
            if np.isfinite(values).sum() < 2:
                continue
            keys = {"subject": name, "horizon": offset, "control": None}
            add("surprise", bootstrap.mean(values, confidence), **keys)
            if spread > 0:
                z = (log_surprise(values, floor) - centre) / spread
                add("surprise_z", bootstrap.mean(z, confidence), **keys)
        if chance > 0 and kept.sum() >= 2:
            values = onset_values(by_scorer[MODEL][kept], onsets[kept]) / chance
            ratio = bootstrap.mean(values, confidence)
            add("surprise_over_chance", ratio, subject=name, window="onset")


def _ranks(add: Add, scores: SurpriseScores, condition: Condition, suite: Suite) -> None:
    """The model's own ranks: after onset too, where all frames were shown."""
    name, confidence = condition.name, suite.statistics.confidence
    better = None if condition.expected == "appearance" else True
    for how in AGGREGATES if condition.matched_to is None else AGGREGATES[:1]:
        keys = {"subject": name, "window": how, "higher_is_better": better}
        own = scores.comparisons(name, MODEL, how)
        add("auroc", ranks.auroc_estimate(own, confidence), **keys)
        pair = scores.pair(name, MODEL, how)
        add("pairwise_accuracy", ranks.pairwise_accuracy(*pair, confidence), **keys)
    keys = {"subject": name, "window": "onset", "higher_is_better": better}
    perturbed, twins = scores.pair(name, MODEL, "onset")
    calm = [scores.calm(MODEL, name)]
    add("detection_at_5fp", _detection([perturbed], calm, suite), **keys)
    if name in scores.disjoint_onsets:
        add("detection_at_5fp", _detection([twins], calm, suite), control="clean_twin", **keys)
    if WHITENED in scores.clean:
        compared = scores.comparisons(name, WHITENED, "onset")
        add("auroc_whitened", ranks.auroc_estimate(compared, confidence), **keys)


def _baselines(add: Add, scores: SurpriseScores, condition: Condition, suite: Suite) -> None:
    """Baselines at onset, the model's gain over each in its direction, and the verdict's tests."""
    name, confidence = condition.name, suite.statistics.confidence
    appearance = condition.expected == "appearance"
    keys = {"subject": name, "window": "onset", "higher_is_better": None if appearance else True}
    own = scores.comparisons(name, MODEL, "onset")
    others = {
        baseline: [scores.comparisons(name, one, "onset") for one in scores.seeds(baseline)]
        for baseline in scores.baselines
    }
    for baseline, compared in others.items():
        seeds = scores.seeds(baseline)
        add("auroc", mean_auroc(compared, confidence), control=baseline, **keys)
        perturbed = [scores.pair(name, one, "onset")[0] for one in seeds]
        calm = [scores.calm(one, name) for one in seeds]
        add("detection_at_5fp", _detection(perturbed, calm, suite), control=baseline, **keys)
    signs = scores.signs.get((name, None))
    for baseline, (sign, count) in directions(signs).items():
        if baseline in others:
            told = Estimate(sign, n=count)
            add("direction", told, subject=name, window="onset", control=baseline)
    gained = gains(own, others, signs, confidence)
    for baseline, (gain, _) in gained.items():
        add(f"delta_auroc_over_{baseline}", gain, versus=baseline, **keys)
    if not appearance:
        noticed, n = ranks.auroc_p(own), len(own)
        beyond = max([noticed, *(p for _, p in gained.values())])
        add("p_noticed", Estimate(noticed, n=n), subject=name, window="onset")
        add("p_beyond", Estimate(beyond, n=n), subject=name, window="onset")


def _pixels(add: Add, scores: SurpriseScores, condition: Condition, suite: Suite) -> None:
    """How far the image changed at t0, in squared grey levels."""
    name = condition.name
    if name not in scores.pixel_changes:
        return
    change = bootstrap.mean(scores.pixel_changes[name], suite.statistics.confidence)
    add("pixel_change", change, subject=name, window="onset")
    if name in scores.matches:
        strength, reached = scores.matches[name]
        keys = {"subject": name, "window": "onset", "versus": condition.matched_to}
        add("strength", Estimate(strength), **keys)
        add("pixel_change_reached", Estimate(reached, n=suite.voe.sign_pairs), **keys)


def _differences(add: Add, scores: SurpriseScores, condition: Condition, suite: Suite) -> None:
    settings, confidence = suite.voe, suite.statistics.confidence
    bound = float(np.log(settings.equivalence_ratio))
    sided = condition.how.alternative == "greater"
    every = ("onset", "transient", "steady")
    for window in every if condition.matched_to is None else every[:1]:
        delta = scores.delta(condition.name, window, settings.log_floor)
        delta = delta[np.isfinite(delta)]
        if len(delta) < 2:
            continue
        n = len(delta)
        keys = {"subject": condition.name, "window": window}
        add("delta_log_surprise", bootstrap.mean(delta, confidence), **keys)
        add("d_z", paired.d_z(delta, confidence), **keys)
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
    confidence = suite.statistics.confidence
    keys = {"subject": first.name, "versus": second.name, "window": "onset"}
    add("delta_log_surprise", bootstrap.mean(delta, confidence), **keys)
    add("d_z", paired.d_z(delta, confidence), **keys)
    add("p_ttest", Estimate(paired.paired_t(delta), n=n), **keys)
    add("p_wilcoxon", Estimate(paired.wilcoxon(delta), n=n), **keys)
    if first.kind == "teleport" and second.kind == CONTRAST:
        add("p_noticed", Estimate(paired.paired_t(delta, one_sided=True), n=n), **keys)


def _control(scorer: str) -> str | None:
    return None if scorer == MODEL else scorer
