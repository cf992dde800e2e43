"""How large must a violation be to be noticed, and is noticing it more than a simpler detector can?

Each dose of a ``DoseResponse`` is one intervention on the matched cases, scored at t0 alone: AUROC
against the unperturbed t0 for the model and for each baseline, and the gains over those in their
directions (``directions``). p-values are corrected over the doses (Holm); the first dose is the
smallest whose corrected ``p_beyond`` lies below the suite's alpha.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.voe.directions import directions, gains
from lewm_probe.analyses.voe.metrics import Add, mean_auroc
from lewm_probe.analyses.voe.scores import OnsetScores, baselines_of
from lewm_probe.analyses.voe.settings import DoseResponse
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.stats import bootstrap, paired, ranks
from lewm_probe.stats.bootstrap import Estimate


def write_doses(
    add: Add,
    response: DoseResponse,
    found: Mapping[float, OnsetScores],
    signs: Mapping[tuple[str, float | None], OnsetScores],
    suite: Suite,
) -> None:
    """Every number of one dose-response of one checkpoint.

    Doses that fewer than two cases could be made at are left out.
    """
    tests: dict[float, tuple[float, float]] = {}
    confidence, floor = suite.statistics.confidence, suite.voe.log_floor
    appearance = response.how.card.expects == "appearance"
    subject = {"subject": response.name, "window": "onset"}
    for dose, at_onset in found.items():
        perturbed, reference = at_onset.scores[MODEL]
        n = len(perturbed)
        if n < 2:
            continue
        keys = subject | {"dose": dose, "higher_is_better": None if appearance else True}
        own = ranks.comparisons(perturbed, reference)
        area = ranks.auroc_estimate(own, confidence)
        add("auroc", area, control=None, **keys)
        others = {name: at_onset.comparisons(name) for name in baselines_of(at_onset.scores)}
        for name, compared in others.items():
            add("auroc", mean_auroc(compared, confidence), control=name, **keys)
        if not appearance:
            here = signs.get((response.name, dose))
            for name, (sign, count) in directions(here).items():
                if name in others:
                    told = Estimate(sign, n=count)
                    add("direction", told, control=name, dose=dose, **subject)
            gained = gains(own, others, here, confidence)
            for name, (gain, _) in gained.items():
                add(f"delta_auroc_over_{name}", gain, versus=name, **keys)
            noticed = ranks.auroc_p(own)
            tests[dose] = noticed, max([noticed, *(p for _, p in gained.values())])
            for metric, p in zip(("p_noticed", "p_beyond"), tests[dose], strict=True):
                add(metric, Estimate(p, n=n), dose=dose, **subject)
        delta = np.log(perturbed + floor) - np.log(reference + floor)
        keys["higher_is_better"] = None
        add("delta_log_surprise", bootstrap.mean(delta, confidence), **keys)
        add("d_z", paired.d_z(delta, confidence), **keys)
    if appearance:
        return
    n = max((len(one.case) for one in found.values()), default=0)
    first = None
    if tests:
        for number, metric in enumerate(("p_noticed", "p_beyond")):
            adjusted = paired.holm([p[number] for p in tests.values()])
            smallest = min(p for p in adjusted if p is not None)
            add(metric, Estimate(smallest, n=n), **subject)
        below = [
            dose
            for dose, p in zip(tests, adjusted, strict=True)
            if p is not None and p < suite.statistics.alpha
        ]
        first = min(below, default=None)
    add("first_dose", Estimate(first, n=n), unit=response.unit, higher_is_better=False, **subject)
