"""All differences, fresh or stored, against a plain double loop over resamples and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lewm_probe.comparison.difference import Sample, Statistic, difference, reach
from lewm_probe.stats.bootstrap import interval, resamples

N, R = 14, 60


def largest(values: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """A statistic of somebody's own: the largest value that a resample holds."""
    drawn = np.where(weights > 0, values[:, 0], -np.inf)
    return float(values[:, 0].max()), drawn.max(axis=1)


def area(values: np.ndarray) -> float:
    labels = np.repeat([1, 0], len(values))
    return float(roc_auc_score(labels, values.T.ravel()))


PLAIN: list[tuple[str | Statistic, int, Callable[[np.ndarray], float]]] = [
    ("mean", 1, lambda v: float(v[:, 0].mean())),
    ("ratio", 2, lambda v: float(v[:, 0].mean() / v[:, 1].mean())),
    ("auroc", 2, area),
    ("gain", 4, lambda v: area(v[:, :2]) - area(v[:, 2:])),
    (largest, 1, lambda v: float(v.max())),
]
"""Statistic, columns, and what it is of the trajectories of one resample, repeated ones too."""


def sample(seed: int, columns: int, statistic: str | Statistic, ids: Sequence[str]) -> Sample:
    values = np.random.default_rng(seed).gamma(2.0 + seed, 1.0, (len(ids), columns))
    return Sample.of(ids, *values.T, statistic=statistic)


def weights(ids: Sequence[str], side: str) -> np.ndarray:
    return resamples(len(ids), R, np.random.default_rng([len(ids), len(side)]))


def loops(
    sides: tuple[list[Sample], list[Sample]],
    ids: tuple[list[str], list[str]],
    names: tuple[str, str],
    plain: Callable[[np.ndarray], float],
    seed: int,
) -> tuple[float, list[float]]:
    """The difference and its draws, a resample and a seed at a time."""
    rng = np.random.default_rng(seed)
    values, draws = [], []
    for side, chosen, name in zip(sides, ids, names, strict=True):
        tables = [one.values.loc[chosen].to_numpy() for one in side]
        counts = np.rint(weights(chosen, name) * len(chosen)).astype(int)
        often = np.rint(resamples(len(side), R, rng) * len(side)).astype(int)
        values.append(np.mean([plain(table) for table in tables]))
        draws.append(
            [
                sum(
                    times * plain(np.repeat(table, counts[r], axis=0))
                    for table, times in zip(tables, often[r], strict=True)
                )
                / len(side)
                for r in range(R)
            ]
        )
    return values[0] - values[1], [a - b for a, b in zip(*draws, strict=True)]


@pytest.mark.parametrize("seeds", [(1, 1), (3, 2)])
@pytest.mark.parametrize(("statistic", "columns", "plain"), PLAIN)
@pytest.mark.parametrize("use", ["fresh", "some shared", "apart"])
def test_every_use_is_the_double_loop(
    use: str,
    statistic: str | Statistic,
    columns: int,
    plain: Callable[[np.ndarray], float],
    seeds: tuple[int, int],
) -> None:
    first = [f"t{i}" for i in range(N)]
    second = {
        "fresh": first,  # models that were asked together
        "some shared": [*first[4:], "x", "y"],  # a published result, of more trajectories
        "apart": [f"u{i}" for i in range(N)],  # a published result of another seed
    }[use]
    ours = [sample(k, columns, statistic, first) for k in range(seeds[0])]
    theirs = [sample(9 + k, columns, statistic, second) for k in range(seeds[1])]
    shared = [i for i in first if i in second]
    ids = (first, second) if use == "apart" else (shared, shared)
    names = ("ours", "theirs") if use == "apart" else ("shared", "shared")
    rng = np.random.default_rng(5)
    found = difference(ours, theirs, weights=weights, seeds=(rng, rng), apart=use != "fresh")
    value, draws = loops((ours, theirs), ids, names, plain, 5)
    assert found.estimate == pytest.approx((value, *interval(np.array(draws)), len(ids[0])))
    assert found.paired == (use != "apart")
    assert [len(values) for values in found.values] == list(seeds)


def test_trajectories_without_a_value_are_left_out_on_both_sides() -> None:
    ids = [f"t{i}" for i in range(N)]
    values = np.arange(float(N))
    values[:3] = np.nan
    one = Sample.of(ids, values, statistic="mean")
    other = Sample.of(ids, np.zeros(N), statistic="mean")
    rng = np.random.default_rng(0)
    found = difference([one], [other], weights=weights, seeds=(rng, rng))
    assert (found.estimate.value, found.estimate.n) == (values[3:].mean(), N - 3)
    nothing = Sample.of(ids, np.full(N, np.nan), statistic="mean")
    none = difference([one], [nothing], weights=weights, seeds=(rng, rng))
    assert none.estimate == (None, None, None, 0)


@pytest.mark.parametrize(
    ("seeds", "others", "message"),
    [
        (
            4,
            4,
            "a (4 training seeds) against b (4 training seeds): an exact permutation test over "
            "training seeds cannot go below p = 0.029; differences can be told apart over seeds.",
        ),
        (
            3,
            1,
            "a (3 training seeds) against b (1 training seed): differences speak of these "
            "checkpoints, not of the methods.",
        ),
    ],
)
def test_what_a_difference_can_carry(seeds: int, others: int, message: str) -> None:
    assert reach("a", seeds, "b", others) == message
