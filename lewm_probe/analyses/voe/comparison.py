"""One method against another: differences of AUROC between checkpoints or between methods.

With several training seeds a name, seeds are the top level of the bootstrap and trajectories the
second, and an exact permutation test over seeds stands beside the interval. With one seed the
interval is over trajectories alone and speaks of these checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Keys, Values
from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL
from lewm_probe.core.seeding import stream
from lewm_probe.results.schema import step_order
from lewm_probe.stats import bootstrap, ranks, seeds
from lewm_probe.stats.bootstrap import Estimate

SIDES = ("perturbed", "reference")

LEVEL = 0.05
"""Methods are told apart only where the permutation test over seeds could go below this."""


@dataclass(frozen=True)
class Onsets:
    """Surprise of one checkpoint at t0: all that a comparison with others needs.

    Attributes:
        checkpoint: the checkpoint.
        values: for each condition and scorer, of the cases that could be made, (n,):
            ``perturbed`` and ``reference``.
    """

    checkpoint: Checkpoint
    values: Values

    @classmethod
    def of(cls, evidence: SurpriseScores) -> Onsets:
        """What ``compare`` reads of a checkpoint's evidence."""
        values = {}
        for condition in evidence.conditions:
            for scorer in (MODEL, "copy_last"):
                pair = evidence.pair(condition, scorer, "onset")
                for side, scores in zip(SIDES, pair, strict=True):
                    values[_key(condition, scorer, side)] = scores
        return cls(evidence.checkpoint, values)

    def count(self, condition: str) -> int:
        """Cases that could be made."""
        return len(self.values[_key(condition, MODEL, SIDES[0])])

    def comparisons(self, condition: str, scorer: str) -> np.ndarray:
        """Every perturbed against every reference trajectory, (n, n)."""
        perturbed, reference = (self.values[_key(condition, scorer, side)] for side in SIDES)
        return ranks.comparisons(perturbed, reference)


def _key(condition: str, scorer: str, side: str) -> Keys:
    return (("subject", condition), ("control", scorer), ("side", side))


def compare(
    recorder: ResultRecorder, found: Sequence[Onsets], suite: Suite, resamples: Resamples
) -> None:
    """Write differences of every two names down, for each condition; and what they can carry."""
    groups = by_name(found)
    for (first, own), (second, others) in combinations(groups.items(), 2):
        for condition in suite.voe.conditions:
            if own[0].count(condition.name) >= 2:
                _compare(recorder, own, others, condition.name, suite, resamples)
        recorder.note(reach(first, len(own), second, len(others)))


def by_name(found: Sequence[Onsets]) -> dict[str, list[Onsets]]:
    """Checkpoints of each name, one a training seed: the one with most training steps."""
    chosen: dict[str, dict[int | None, Onsets]] = {}
    for one in found:
        entry = one.checkpoint.entry
        seeds = chosen.setdefault(one.checkpoint.name, {})
        held = seeds.get(entry.train_seed)
        if held is None or step_order(entry.step) >= step_order(held.checkpoint.entry.step):
            seeds[entry.train_seed] = one
    return {name: list(seeds.values()) for name, seeds in chosen.items()}


def reach(first: str, own: int, second: str, others: int) -> str:
    """What a difference between two names can be said of, in one sentence."""
    if min(own, others) < 2:
        return (
            f"{first} ({_seeds(own)}) against {second} ({_seeds(others)}): differences speak of "
            "these checkpoints, not of the methods."
        )
    smallest = seeds.smallest_permutation_p(own, others)
    says = (
        "differences speak of these checkpoints"
        if smallest > LEVEL
        else "differences can be told apart over seeds"
    )
    return (
        f"{first} ({_seeds(own)}) against {second} ({_seeds(others)}): an exact permutation test "
        f"over training seeds cannot go below p = {smallest:.2g}; {says}."
    )


def _seeds(count: int) -> str:
    return "1 training seed" if count == 1 else f"{count} training seeds"


def _compare(
    recorder: ResultRecorder,
    own: Sequence[Onsets],
    others: Sequence[Onsets],
    condition: str,
    suite: Suite,
    resamples: Resamples,
) -> None:
    n = own[0].count(condition)
    weights = resamples.of(n)
    single = len(own) == len(others) == 1
    keys: dict[str, object] = {
        "subject": condition,
        "features": "z",
        "window": "onset",
        "versus": others[0].checkpoint.name,
    }
    if not single:
        keys |= {"train_seed": None, "step": None}
    for metric, over in (("auroc", None), ("delta_auroc_over_copy_last", "copy_last")):
        sides = [[_statistic(e, condition, over, weights) for e in side] for side in (own, others)]
        rng = stream(suite.seed, "voe", "seeds", condition, metric)
        draws = [_draws([d for _, d in side], rng) for side in sides]
        values = [[v for v, _ in side] for side in sides]
        difference = float(np.mean(values[0]) - np.mean(values[1]))
        low, high = bootstrap.interval(draws[0] - draws[1], suite.statistics.confidence)
        found = Estimate(difference, low, high, n)
        recorder.metric(own[0].checkpoint, f"{metric}_difference", found, **keys)
        if metric == "auroc" and min(len(own), len(others)) >= 2:
            p = seeds.permutation_p(values[0], values[1])
            recorder.metric(own[0].checkpoint, "p_permutation", Estimate(p, n=n), **keys)


def _statistic(
    onsets: Onsets, condition: str, over: str | None, weights: np.ndarray
) -> tuple[float, np.ndarray]:
    """AUROC at onset (less that of a baseline): its value, and in each resample (S,)."""
    compared = onsets.comparisons(condition, MODEL)
    if over is not None:
        compared = compared - onsets.comparisons(condition, over)
    return float(compared.mean()), ranks.auroc_draws(compared, weights)


def _draws(of_seeds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    return of_seeds[0] if len(of_seeds) == 1 else seeds.seed_draws(of_seeds, rng)
