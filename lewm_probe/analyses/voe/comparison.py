"""One method against another: differences of AUROC between checkpoints or between methods.

Models are ranked by AUROC, never by a gain over their own baselines, which may be worse baselines.
With several training seeds a name, a permutation test over seeds is stored beside the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.differences import Measured, by_name
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.comparison.difference import Key, Sample, difference, reach
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.seeds import permutation_p


def onset_samples(evidence: SurpriseScores) -> Samples:
    """Surprise of one checkpoint at t0: all that a comparison with others needs."""
    samples = {}
    for condition in evidence.conditions:
        kept = evidence.kept[condition]
        ids = [one for one, there in zip(evidence.ids, kept, strict=True) if there]
        pair = evidence.pair(condition, MODEL, "onset")
        samples[_key(condition)] = Sample.of(ids, *pair, statistic="auroc")
    return samples


def _key(condition: str) -> Key:
    return (("subject", condition), ("window", "onset"), ("metric", "auroc"))


def compare(
    recorder: ResultRecorder, measured: Measured, suite: Suite, resamples: Resamples
) -> None:
    """Write differences of every two names down, for each condition; and what they can carry."""
    groups = by_name(measured)
    named = max(1, len(suite.statistics.confirmatory))
    for (first, ours), (second, theirs) in combinations(groups.items(), 2):
        for condition in suite.voe.conditions:
            if len(ours[0][1][_key(condition.name)].ids()) >= 2:
                _compare(recorder, ours, theirs, condition.name, resamples)
        recorder.note(reach(first, len(ours), second, len(theirs), named))


def _compare(
    recorder: ResultRecorder,
    ours: Sequence[tuple[Checkpoint, Samples]],
    theirs: Sequence[tuple[Checkpoint, Samples]],
    condition: str,
    resamples: Resamples,
) -> None:
    owner, key = ours[0][0], _key(condition)
    found = difference(
        [samples[key] for _, samples in ours],
        [samples[key] for _, samples in theirs],
        weights=lambda ids, side: resamples.of(len(ids)),
        confidence=recorder.suite.statistics.confidence,
    )
    keys: dict[str, object] = {"subject": condition, "features": "z", "window": "onset"}
    keys["versus"] = theirs[0][0].name
    if len(ours) + len(theirs) > 2:
        keys |= {"train_seed": None, "step": None}
    recorder.metric(owner, "auroc_difference", found.estimate, **keys)
    if min(len(ours), len(theirs)) >= 2:
        p = Estimate(permutation_p(*found.values), n=found.estimate.n)
        recorder.metric(owner, "p_permutation", p, **keys)
