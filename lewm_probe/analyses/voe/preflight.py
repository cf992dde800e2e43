"""Is this checkpoint being fed what it was trained on? Asked before its surprise is believed.

A model with wrong action statistics, another frame-skip or other images still gives numbers. Some
betray it on clean data: it predicts no better than copying the last latent, it does not mind
another trajectory's actions, or the world's actions are not of unit size once the model has scaled
them. A collapsed model, calm everywhere, is caught here too.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL, onset_values
from lewm_probe.stats import bootstrap, ranks
from lewm_probe.stats.bootstrap import Estimate

SWAP_MARGIN = 0.05
"""An action-swap AUROC this close to 0.5, or not told from 0.5 by its interval, earns a warning."""

ACTION_SD = (0.5, 2.0)
"""Actions like those a model was trained on have an SD of 1 after scaling. The suite's policy in
place of the training data's moves it by less than 7 % in both worlds here; beyond these bounds the
statistics are another world's, or none."""

ACTION_MEAN = 1.0
"""Largest mean of scaled actions, in SDs of the training data."""

FEW_DIRECTIONS = 2.0
"""An effective rank below this is a line or a point, in any world with two dimensions of motion."""


def preflight(
    recorder: ResultRecorder, scores: SurpriseScores, suite: Suite, resamples: Resamples
) -> None:
    """Write clean s / s_copy-last and the action-swap AUROC down, and warnings as notes."""
    checkpoint, confidence = scores.checkpoint, suite.statistics.confidence
    disjoint = scores.disjoint
    weights = resamples.of(len(disjoint[MODEL]))
    ratio = ratio_of_means(disjoint[MODEL], disjoint["copy_last"], weights, confidence)
    swap = action_swap_auroc(scores, confidence)
    keys = {"subject": "preflight", "features": "z"}
    recorder.metric(
        checkpoint, "clean_over_copy_last", ratio, **keys, window=None, higher_is_better=False
    )
    recorder.metric(
        checkpoint, "action_swap_auroc", swap, **keys, window="onset", higher_is_better=True
    )
    if scores.baseline_copy is not None:
        baseline = ratio_of_means(
            disjoint[scores.seeds("random_encoder")[0]], scores.baseline_copy, weights, confidence
        )
        recorder.metric(
            checkpoint,
            "clean_over_copy_last",
            baseline,
            **keys,
            control="random_encoder",
            higher_is_better=False,
        )
    if checkpoint.model.spec.action_kind == "none":
        recorder.note(
            f"Preflight, {checkpoint.label}: this model takes no actions, so that swapped actions "
            "are nothing to be surprised by; conditions of actions say nothing about it."
        )
        swap = Estimate(None)
    for warning in warnings(checkpoint.label, ratio, swap, scores.rank):
        recorder.note(warning)
    if scores.action_scale is not None:
        means, sds = scores.action_scale
        n = len(disjoint[MODEL])
        for window, sd in (("min", sds.min()), ("max", sds.max())):
            size = Estimate(float(sd), n=n)
            recorder.metric(
                checkpoint, "scaled_action_sd", size, subject="preflight", window=window
            )
        for warning in action_warnings(checkpoint.label, means, sds):
            recorder.note(warning)


def ratio_of_means(
    own: np.ndarray, copied: np.ndarray, weights: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Mean surprise over that of predicting no change, (N, T) each; None where nothing moves."""
    above, below = np.nanmean(own, axis=1), np.nanmean(copied, axis=1)
    if not below.mean() > 0:
        return Estimate(None, n=len(above))
    total = weights @ below
    draws = np.divide(weights @ above, total, out=np.full(len(total), np.nan), where=total > 0)
    value, n = float(above.mean() / below.mean()), len(above)
    rest = below.sum() - below
    without = np.divide(above.sum() - above, rest, out=np.full(n, np.nan), where=rest > 0)
    low, high = bootstrap.bca(value, draws, without, confidence)
    return Estimate(value, low, high, n)


def action_swap_auroc(scores: SurpriseScores, confidence: float = 0.95) -> Estimate:
    """AUROC of surprise at t0, another trajectory's actions against the true ones."""
    swapped = onset_values(scores.swapped, scores.onset)
    clean = onset_values(scores.clean[MODEL], scores.onset)
    compared = ranks.comparisons(swapped, clean)
    return ranks.auroc_estimate(compared, confidence)


def warnings(label: str, ratio: Estimate, swap: Estimate, rank: float) -> list[str]:
    """What a reader of this checkpoint's numbers must know, a sentence each."""
    found = []
    advice = (
        "Its action statistics, frame-skip or images may not be those it was trained with, or "
        "it was hardly trained."
    )
    if ratio.value is None:
        found.append(
            f"Preflight, {label}: the latents do not change from frame to frame. The model has "
            "collapsed; its calm says nothing about physics."
        )
    elif rank < FEW_DIRECTIONS:
        found.append(
            f"Preflight, {label}: the latents have an effective rank of {rank:.2f}. The model has "
            "nearly collapsed; calm says nothing about physics."
        )
    if ratio.value is not None and ratio.value > 1:
        found.append(
            f"Preflight, {label}: surprise on clean data is {ratio.value:.2f} times that of "
            f"copying the last latent, and should be below 1. {advice}"
        )
    if swap.value is not None and swap.low is not None:
        near = abs(swap.value - 0.5) < SWAP_MARGIN
        if near or swap.low <= 0.5:
            found.append(
                f"Preflight, {label}: the AUROC of swapped actions is {swap.value:.2f} (interval "
                f"from {swap.low:.2f}), near 0.5: the model hardly uses its actions. {advice}"
            )
    return found


def action_warnings(label: str, means: np.ndarray, sds: np.ndarray) -> list[str]:
    """A warning where the world's actions, as the model scales them, are not of unit size, (A,)."""
    least, most = ACTION_SD
    off = float(np.abs(means).max())
    if least <= sds.min() and sds.max() <= most and off <= ACTION_MEAN:
        return []
    return [
        f"Preflight, {label}: scaled by its action statistics, this world's actions have an SD of "
        f"{sds.min():.2g} to {sds.max():.2g} and a mean of up to {off:.2g}, where about 1 and 0 "
        "are expected. Its action statistics do not fit this world: give those of the data that it "
        "was trained on (--action-stats or --dataset)."
    ]
