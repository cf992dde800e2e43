"""Preflight of surprise: the numbers behind ``engine.preflight``, and whether actions are used.

The engine warns of a model that predicts worse than copying, has collapsed or gets actions of
another scale, whatever is asked of it. Here the same is written down with intervals, and one more
warning given: a model that does not mind another trajectory's actions.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.preflight import ADVICE
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL, onset_values
from lewm_probe.stats import bootstrap, ranks
from lewm_probe.stats.bootstrap import Estimate

SWAP_MARGIN = 0.05
"""An action-swap AUROC this close to 0.5, or not told from 0.5 by its interval, earns a warning."""


def preflight(
    recorder: ResultRecorder, scores: SurpriseScores, suite: Suite, resamples: Resamples
) -> None:
    """Write clean s / s_copy-last and the action-swap AUROC down, and a warning as a note."""
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
    advise = ratio.value is None or ratio.value <= 1  # else the engine's warning says it
    for warning in swap_warnings(checkpoint.label, swap, advise=advise):
        recorder.note(warning)
    if scores.action_scale is not None:
        _, sds = scores.action_scale
        n = len(disjoint[MODEL])
        for window, sd in (("min", sds.min()), ("max", sds.max())):
            size = Estimate(float(sd), n=n)
            recorder.metric(
                checkpoint, "scaled_action_sd", size, subject="preflight", window=window
            )


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


def swap_warnings(label: str, swap: Estimate, *, advise: bool = True) -> list[str]:
    """A warning where another trajectory's actions do not surprise the model."""
    if swap.value is None or swap.low is None:
        return []
    near = abs(swap.value - 0.5) < SWAP_MARGIN
    if not near and swap.low > 0.5:
        return []
    advice = f" {ADVICE}" if advise else ""
    return [
        f"Preflight, {label}: the AUROC of swapped actions is {swap.value:.2f} (interval "
        f"from {swap.low:.2f}), near 0.5: the model hardly uses its actions.{advice}"
    ]
