"""How large must a violation be to be noticed, and is noticing it more than seeing a jump?

Each dose of a ``DoseResponse`` is one intervention on the matched cases, scored at t0 alone: AUROC
against the unperturbed t0 for the model and for each baseline, and their differences. The dose from
which a model beats copy-last is the smallest at which the interval of the difference lies above 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.voe.metrics import Add, Resamples
from lewm_probe.analyses.voe.settings import DoseResponse
from lewm_probe.analyses.voe.surprise import MODEL, WHITENED
from lewm_probe.stats import bootstrap, paired, ranks
from lewm_probe.stats.bootstrap import Estimate

AtOnset = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Scorer → surprise at t0 of the cases that could be made: perturbed (n,), reference (n,)."""


def write_doses(
    add: Add,
    response: DoseResponse,
    found: Mapping[float, AtOnset],
    suite: Suite,
    resamples: Resamples,
) -> None:
    """Every number of one dose-response of one checkpoint.

    Doses that fewer than two cases could be made at are left out.
    """
    first: float | None = None
    confidence, floor = suite.statistics.confidence, suite.voe.log_floor
    better = None if response.how.card.expects == "appearance" else True
    for dose, scores in found.items():
        perturbed, reference = scores[MODEL]
        n = len(perturbed)
        if n < 2:
            continue
        weights = resamples.of(n)
        keys = {
            "subject": response.name,
            "window": "onset",
            "dose": dose,
            "higher_is_better": better,
        }
        own = ranks.comparisons(perturbed, reference)
        for scorer, pair in scores.items():
            if scorer == WHITENED:
                continue
            compared = ranks.comparisons(*pair)
            area = ranks.auroc_estimate(compared, weights, confidence)
            add("auroc", area, control=None if scorer == MODEL else scorer, **keys)
            if scorer == MODEL:
                continue
            gain = ranks.auroc_difference(own, compared, weights, confidence)
            add(f"delta_auroc_over_{scorer}", gain, versus=scorer, **keys)
            above = gain.low is not None and gain.low > 0
            if scorer == "copy_last" and above and first is None:
                first = dose
        delta = np.log(perturbed + floor) - np.log(reference + floor)
        keys["higher_is_better"] = None
        add("delta_log_surprise", bootstrap.mean(delta, weights, confidence), **keys)
        add("d_z", paired.d_z(delta, weights, confidence), **keys)
    add(
        "first_dose_over_copy_last",
        Estimate(first, n=max((len(scores[MODEL][0]) for scores in found.values()), default=0)),
        subject=response.name,
        window="onset",
        unit=response.unit,
        higher_is_better=False,
    )
