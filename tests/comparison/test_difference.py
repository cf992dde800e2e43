"""All differences, fresh or stored, against a plain double loop over resamples and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lewm_probe.comparison.difference import Sample, Statistic, difference, reach
from lewm_probe.stats.bootstrap import resamples
from lewm_probe.stats.seeds import pooled

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
) -> tuple[tuple[list[float], list[float]], float]:
    """The number of each seed, and the variance of the difference, a resample at a time."""
    values, draws = [], []
    for side, chosen, name in zip(sides, ids, names, strict=True):
        tables = [one.values.loc[chosen].to_numpy() for one in side]
        counts = np.rint(weights(chosen, name) * len(chosen)).astype(int)
        values.append([plain(table) for table in tables])
        draws.append(
            [
                np.mean([plain(np.repeat(table, counts[r], axis=0)) for table in tables])
                for r in range(R)
            ]
        )
    moved = [a - b for a, b in zip(*draws, strict=True)]
    return (values[0], values[1]), float(np.var(moved, ddof=1))


@pytest.mark.parametrize("seeds", [(1, 1), (3, 2)])
@pytest.mark.parametrize(("statistic", "columns", "plain"), PLAIN)
@pytest.mark.parametrize("use", ["fresh", "some shared", "apart"])
def test_every_use_is_the_loop_over_resamples_and_the_t_over_seeds(
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
    found = difference(ours, theirs, weights=weights, apart=use != "fresh")
    values, variance = loops((ours, theirs), ids, names, plain)
    if statistic == "auroc":
        variance += 1 / len(ids[0]) ** 2
    expected = pooled(*values, variance)
    assert found.estimate[:3] == pytest.approx(expected.estimate[:3])
    assert (found.estimate.n, found.paired) == (len(ids[0]), use != "apart")
    for each, one in zip(found.values, values, strict=True):
        assert each == pytest.approx(one)
    assert (found.p, found.se, found.df) == pytest.approx((expected.p, expected.se, expected.df))


def test_detectors_that_never_err_are_not_told_apart_better_than_their_cases_can() -> None:
    ids = [f"t{i}" for i in range(50)]
    perfect = Sample.of(ids, np.arange(50.0) + 99, np.arange(50.0), statistic="auroc")
    found = difference([perfect], [perfect], weights=weights)
    assert found.estimate.value == 0
    assert found.estimate.high == pytest.approx(1.96 / 50, rel=1e-3)
    assert found.p == 1.0


def test_trajectories_without_a_value_are_left_out_on_both_sides() -> None:
    ids = [f"t{i}" for i in range(N)]
    values = np.arange(float(N))
    values[:3] = np.nan
    one = Sample.of(ids, values, statistic="mean")
    other = Sample.of(ids, np.zeros(N), statistic="mean")
    found = difference([one], [other], weights=weights)
    assert (found.estimate.value, found.estimate.n) == (values[3:].mean(), N - 3)
    nothing = Sample.of(ids, np.full(N, np.nan), statistic="mean")
    none = difference([one], [nothing], weights=weights)
    assert none.estimate == (None, None, None, 0)
    assert (none.p, none.se, none.df) == (None, None, None)


@pytest.mark.parametrize("sides", [(2, 2), (3, 3), (2, 3)])
@pytest.mark.parametrize("tau", [0.0, 0.1, 0.5])
def test_the_interval_covers_at_few_seeds(sides: tuple[int, int], tau: float) -> None:
    rng = np.random.default_rng([*sides, int(10 * tau)])
    ids = [f"t{i}" for i in range(60)]
    drawn = resamples(60, 200, rng)
    hits = 0
    for _ in range(200):
        shared = rng.normal(size=60)
        groups = [
            [
                Sample.of(
                    ids,
                    shared + rng.normal(0, tau) + rng.normal(size=60) * 0.7,
                    statistic="mean",
                )
                for _ in range(count)
            ]
            for count in sides
        ]
        found = difference(*groups, weights=lambda ids, side: drawn).estimate
        hits += found.low < 0 < found.high
    assert hits / 200 >= 0.91


@pytest.mark.parametrize(
    ("seeds", "others", "measures", "message"),
    [
        (
            4,
            4,
            1,
            "a (4 training seeds) against b (4 training seeds): methods are compared by a t-test "
            "over training seeds. The permutation test beside it, which assumes less, cannot go "
            "below p = 0.029.",
        ),
        (
            4,
            4,
            6,
            "a (4 training seeds) against b (4 training seeds): methods are compared by a t-test "
            "over training seeds. The permutation test beside it, which assumes less, cannot go "
            "below p = 0.17 after Holm over 6 measures.",
        ),
        (
            3,
            1,
            3,
            "a (3 training seeds) against b (1 training seed): differences speak of these "
            "checkpoints, not of the methods.",
        ),
    ],
)
def test_what_a_difference_can_carry(seeds: int, others: int, measures: int, message: str) -> None:
    assert reach("a", seeds, "b", others, measures) == message
