"""What separates the checkpoints that were measured together: every two names, every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.comparison.difference import Key, ResampleWeights, Sample, difference
from lewm_probe.results.identity import latest, run_of

Measured = Sequence[tuple[Checkpoint, Samples]]
"""Checkpoints and what comparisons need of them."""


def write_differences(measured: Measured, context: Context, recorder: ResultRecorder) -> None:
    """Write one name minus another, for each two names and each sample that both have.

    With several training seeds the metric carries none, and no step. Of several steps of a run the
    last one is compared: earlier ones are no further training seeds.
    """
    methods = by_name(measured)
    grouped: dict[str, dict[Key, list[Sample]]] = {}
    for name, side in methods.items():
        for _, samples in side:
            for key, sample in samples.items():
                grouped.setdefault(name, {}).setdefault(key, []).append(sample)
    for first, second in combinations(grouped, 2):
        owner = methods[first][0][0]
        for key, ours in grouped[first].items():
            theirs = grouped[second].get(key)
            if theirs is None:
                continue
            found = difference(
                ours,
                theirs,
                weights=among(list(ours[0].values.index), context),
                confidence=context.suite.statistics.confidence,
            )
            keys = dict(key) | {"versus": second}
            if len(ours) + len(theirs) > 2:
                keys |= {"train_seed": None, "step": None}
            recorder.metric(owner, keys.pop("metric"), found.estimate, **keys)


def by_name(measured: Measured) -> dict[str, list[tuple[Checkpoint, Samples]]]:
    """Checkpoints of each name, one a training seed: the one with most training steps."""
    found: dict[str, list[tuple[Checkpoint, Samples]]] = {}
    runs = latest((run_of(one[0].entry), one[0].entry.step, one) for one in measured)
    for (name, _), one in runs.items():
        found.setdefault(name, []).append(one)
    return found


def among(everyone: Sequence[str], context: Context) -> ResampleWeights:
    """The resamples of all trajectories, of which some are left out in each resample too."""
    whole = context.resamples(len(everyone))  # (R, N)
    place: Mapping[str, int] = {one: i for i, one in enumerate(everyone)}

    def weights(ids: Sequence[str], side: str) -> np.ndarray:
        if len(ids) == len(everyone):
            return whole
        kept = whole[:, [place[i] for i in ids]]
        total = kept.sum(axis=1, keepdims=True)
        return np.divide(kept, total, out=np.full_like(kept, np.nan), where=total > 0)

    return weights
