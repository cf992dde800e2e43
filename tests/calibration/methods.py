"""One method against another: differences over training seeds, and the sentences they carry."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lewm_probe.comparison.difference import Difference, Sample, difference
from lewm_probe.reports.verdicts.methods import comparisons
from lewm_probe.stats import bootstrap, seeds
from lewm_probe.stats.bootstrap import Estimate
from tests.calibration.results import CONFIRMATORY, PROBE, VOE, Checkpoint, view
from tests.calibration.study import Row, coverage, rate

DRAWS = 300


def compare(
    rng: np.random.Generator,
    sides: tuple[int, int],
    n: int,
    measure: str,
    tau: float,
    effect: float = 0.0,
    interaction: float = 0.0,
) -> Difference:
    """Two methods' checkpoints on the same trajectories.

    Args:
        sides: training seeds of either.
        measure: ``auroc``, near 0.87, or ``mse``, log-normal over trajectories.
        tau: SD of seeds, in SD of one trajectory's score (AUROC) or of the log error.
        effect: how much better the first method is, in the same units.
        interaction: SD of what a method does on one trajectory and not on another.
    """
    hard = rng.standard_normal((2, n))
    own = interaction * rng.standard_normal((2, n))  # (method, N)
    weights = bootstrap.resamples(n, DRAWS, rng)
    ids = [str(i) for i in range(n)]
    samples: list[list[Sample]] = []
    for method, count in enumerate(sides):
        side = []
        for _ in range(count):
            moved = tau * rng.standard_normal() + (effect if method == 0 else 0.0)
            noise = rng.standard_normal((2, n))
            if measure == "auroc":
                perturbed = 1.6 + moved + own[method] + np.sqrt(0.5) * (hard[0] + noise[0])
                reference = np.sqrt(0.5) * (hard[1] + noise[1])
                side.append(Sample.of(ids, perturbed, reference, statistic="auroc"))
            else:
                logs = moved + own[method] + 0.5 * (hard[0] + noise[0])
                side.append(Sample.of(ids, np.exp(logs), statistic="mean"))
        samples.append(side)
    return difference(*samples, weights=lambda chosen, side: weights)


def differences(
    rng: np.random.Generator,
    repeats: int,
    sides: tuple[int, int],
    n: int,
    measure: str,
    tau: float,
    interaction: float = 0.0,
) -> Iterator[Row]:
    """Coverage of a difference of two equal methods, and how often it is called one."""
    found = [compare(rng, sides, n, measure, tau, 0.0, interaction) for _ in range(repeats)]
    told = f"{measure}, tau {tau:g}" + (f", interaction {interaction:g}" if interaction else "")
    keys = {"study": "methods", "scenario": told, "n": n, "seeds": f"{sides[0]}v{sides[1]}"}
    # One against one speaks of these checkpoints only, so that tau is no error of theirs.
    yield coverage([one.estimate for one in found], 0.0, what="difference", goal=0.93, **keys)
    yield rate([one.p is not None and one.p < 0.05 for one in found], kind="test",
               what="pooled t, trajectories added", goal=0.07, **keys)  # fmt: skip
    if min(sides) > 1:
        ps = [seeds.permutation_p(*one.values) for one in found]
        yield rate([p <= 0.05 for p in ps], kind="test", what="permutation over seeds",
                   goal=0.07, **keys)  # fmt: skip


def report(
    rng: np.random.Generator, sides: tuple[int, int], n: int, tau: float, effect: float
) -> list[Checkpoint]:
    """The checkpoints of two methods by the three measures that the suite names."""
    models = ("lewm", "pldm")
    made = [[Checkpoint(m, seed) for seed in range(k)] for m, k in zip(models, sides, strict=True)]
    alone = max(sides) == 1
    both = made[0][0] if alone else Checkpoint(models[0], None)
    for subject in CONFIRMATORY:
        errors = subject == CONFIRMATORY[-1]
        found = compare(rng, sides, n, "mse" if errors else "auroc", tau, effect)
        at = (PROBE if errors else VOE) | {"subject": subject}
        for checkpoints, values in zip(made, found.values, strict=True):
            for checkpoint, value in zip(checkpoints, values, strict=True):
                if errors:  # a mean predictor that is far worse
                    gone = Estimate(9.0, 8.0, 10.0, n)
                    checkpoint.add("mse_less_than_mean", gone, versus="mean", **at)
                own = Estimate(value, value - 0.1, value + 0.1, n)
                checkpoint.add("mse" if errors else "auroc", own, **at)
        difference = Estimate(found.estimate.value, *found.estimate[1:3], n)
        both.add("mse" if errors else "auroc_difference", difference, versus=models[1], **at)
    return [*made[0], *made[1], *([] if alone else [both])]


def sentences(
    rng: np.random.Generator,
    repeats: int,
    sides: tuple[int, int],
    n: int,
    tau: float,
    effect: float = 0.0,
) -> Iterator[Row]:
    """How often a report of three named measures says that one method is better."""
    told = []
    for _ in range(repeats):
        (one,) = comparisons(view(report(rng, sides, n, tau, effect)))
        told.append(bool(one.shown))
    null = effect == 0
    scenario = f"tau {tau:g}" if null else f"tau {tau:g}, effect {effect:g}"
    yield rate(told, study="methods" if null else "power", kind="sentence" if null else "power",
               what="one of three measures is said to differ", scenario=scenario, n=n,
               seeds=f"{sides[0]}v{sides[1]}", goal=0.07 if null else None)  # fmt: skip
