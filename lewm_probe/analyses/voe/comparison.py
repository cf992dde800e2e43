"""One method against another: differences of AUROC between checkpoints or between methods.

With several training seeds a name, an exact permutation test over seeds stands beside the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.differences import Measured
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.comparison.difference import Key, Sample, difference, reach
from lewm_probe.core.seeding import stream
from lewm_probe.results.schema import step_order
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.seeds import permutation_p

COMPARED = {"auroc": "auroc", "delta_auroc_over_copy_last": "gain"}
"""Metrics of surprise at onset that models are compared by, and their statistics."""


def onset_samples(evidence: SurpriseScores) -> Samples:
    """Surprise of one checkpoint at t0: all that a comparison with others needs."""
    samples = {}
    for condition in evidence.conditions:
        kept = evidence.kept[condition]
        ids = [one for one, there in zip(evidence.ids, kept, strict=True) if there]
        columns = [
            *evidence.pair(condition, MODEL, "onset"),
            *evidence.pair(condition, "copy_last", "onset"),
        ]
        for metric, statistic in COMPARED.items():
            used = columns if statistic == "gain" else columns[:2]
            samples[_key(condition, metric)] = Sample.of(ids, *used, statistic=statistic)
    return samples


def _key(condition: str, metric: str) -> Key:
    return (("subject", condition), ("window", "onset"), ("metric", metric))


def compare(
    recorder: ResultRecorder, measured: Measured, suite: Suite, resamples: Resamples
) -> None:
    """Write differences of every two names down, for each condition; and what they can carry."""
    groups = by_name(measured)
    for (first, ours), (second, theirs) in combinations(groups.items(), 2):
        for condition in suite.voe.conditions:
            if len(ours[0][1][_key(condition.name, "auroc")].ids()) >= 2:
                for metric in COMPARED:
                    _compare(recorder, ours, theirs, condition.name, metric, resamples)
        recorder.note(reach(first, len(ours), second, len(theirs)))


def by_name(measured: Measured) -> dict[str, list[tuple[Checkpoint, Samples]]]:
    """Checkpoints of each name, one a training seed: the one with most training steps."""
    chosen: dict[str, dict[int | None, tuple[Checkpoint, Samples]]] = {}
    for one in measured:
        entry = one[0].entry
        seeds = chosen.setdefault(entry.name, {})
        held = seeds.get(entry.train_seed)
        if held is None or step_order(entry.step) >= step_order(held[0].entry.step):
            seeds[entry.train_seed] = one
    return {name: list(seeds.values()) for name, seeds in chosen.items()}


def _compare(
    recorder: ResultRecorder,
    ours: Sequence[tuple[Checkpoint, Samples]],
    theirs: Sequence[tuple[Checkpoint, Samples]],
    condition: str,
    metric: str,
    resamples: Resamples,
) -> None:
    suite, owner = recorder.suite, ours[0][0]
    key = _key(condition, metric)
    rng = stream(suite.seed, "voe", "seeds", condition, metric)
    found = difference(
        [samples[key] for _, samples in ours],
        [samples[key] for _, samples in theirs],
        weights=lambda ids, side: resamples.of(len(ids)),
        seeds=(rng, rng),
        confidence=suite.statistics.confidence,
    )
    keys: dict[str, object] = {"subject": condition, "features": "z", "window": "onset"}
    keys["versus"] = theirs[0][0].name
    if len(ours) + len(theirs) > 2:
        keys |= {"train_seed": None, "step": None}
    recorder.metric(owner, f"{metric}_difference", found.estimate, **keys)
    if metric == "auroc" and min(len(ours), len(theirs)) >= 2:
        p = Estimate(permutation_p(*found.values), n=found.estimate.n)
        recorder.metric(owner, "p_permutation", p, **keys)
