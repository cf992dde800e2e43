"""Statistics over trajectories: paired tests, means, d_z, AUROC and its gains, detection."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from lewm_probe.stats import bootstrap, paired, ranks
from tests.calibration import scenarios
from tests.calibration.study import Row, coverage, rate

BOUND = float(np.log(1.25))


def tests(rng: np.random.Generator, repeats: int, kind: str, n: int) -> Iterator[Row]:
    """Tests of a mean that is 0 (TOST: that lies on its bound), and the interval of the mean."""
    values, spread = scenarios.draw(kind, rng, (repeats, n))
    keys = {"study": "paired tests", "scenario": kind, "n": n, "seeds": ""}
    goal = scenarios.goal_of_test(kind)
    scaled = values / spread * 0.5  # a bound of 0.22 is then worth 0.45 SD
    counted = {
        "paired t, two-sided": [paired.paired_t(v) for v in values],
        "paired t, one-sided": [paired.paired_t(v, one_sided=True) for v in values],
        "paired t, one-sided, turned": [paired.paired_t(-v, one_sided=True) for v in values],
        "TOST at the upper bound": [paired.tost(v + BOUND, BOUND) for v in scaled],
        "TOST at the lower bound": [paired.tost(v - BOUND, BOUND) for v in scaled],
    }
    if kind in scenarios.SYMMETRIC:  # Wilcoxon's null is a symmetric distribution about 0
        counted["Wilcoxon, two-sided"] = [paired.wilcoxon(v) for v in values]
        counted["Wilcoxon, one-sided"] = [paired.wilcoxon(v, one_sided=True) for v in values]
    for what, ps in counted.items():
        yield rate((p < 0.05 for p in ps), kind="test", what=what, goal=goal, **keys)
    keys["study"] = "means"
    asked = scenarios.goal_of_interval(kind)
    yield coverage((bootstrap.mean(v) for v in values), 0.0, what="mean", goal=asked, **keys)
    keys["study"] = "power"
    found = [paired.paired_t(v + 0.3 * spread, one_sided=True) for v in values]
    yield rate((p < 0.05 for p in found), kind="power", what="paired t at d_z = 0.3", **keys)
    found = [paired.tost(v * 0.5, BOUND) for v in values / spread]
    yield rate((p < 0.05 for p in found), kind="power", what="TOST at 0, bound 0.45 SD", **keys)


def effects(
    rng: np.random.Generator, repeats: int, kind: str, n: int, effect: float
) -> Iterator[Row]:
    """d_z."""
    values, spread = scenarios.draw(kind, rng, (repeats, n))
    found = [paired.d_z(v + effect * spread) for v in values]
    goal = scenarios.goal_of_interval(kind)
    scenario = f"{kind}, d_z = {effect:g}"
    yield coverage(found, effect, study="d_z", what="d_z", scenario=scenario, n=n, seeds="",
                   goal=goal)  # fmt: skip


def areas(rng: np.random.Generator, repeats: int, kind: str, n: int, area: float) -> Iterator[Row]:
    """AUROC, its test and the share of pairs."""
    pairs = [scenarios.pair(kind, area, rng, n) for _ in range(repeats)]
    compared = [ranks.comparisons(*one) for one in pairs]
    truth = scenarios.area_of(kind, area)
    scenario = f"{kind}, AUROC {truth:.3g}"
    keys = {"scenario": scenario, "n": n, "seeds": ""}
    goal = scenarios.goal_of_interval(kind)
    found = (ranks.auroc_estimate(c) for c in compared)
    yield coverage(found, truth, study="AUROC", what="AUROC", goal=goal, **keys)
    below = (ranks.auroc_p(c) < 0.05 for c in compared)
    null = truth == 0.5
    yield rate(below, study="AUROC" if null else "power", kind="test" if null else "power",
               what="AUROC above 0.5", goal=0.07 if null else None, **keys)  # fmt: skip
    if kind in scenarios.REAL:
        stored = scenarios.surprise(kind)
        share = float((stored.perturbed > stored.reference).mean())
    elif kind == "mixture":
        missed = 2 * (1 - area)
        share = missed * 0.5 + (1 - missed) * stats.norm.cdf(9 / np.sqrt(2))
    elif kind == "matched":
        share = 0.5
    else:
        share = float(stats.norm.cdf(np.sqrt(2) * stats.norm.ppf(area)))
    found = (ranks.pairwise_accuracy(*one) for one in pairs)
    keys["scenario"] = f"{kind}, accuracy {share:.3g}"
    yield coverage(found, share, study="pairwise accuracy", what="pairwise accuracy", goal=0.93,
                   **keys)  # fmt: skip


def gains(
    rng: np.random.Generator,
    repeats: int,
    n: int,
    own: float,
    other: float,
    alike: float = 0.5,
    seeds: int = 1,
    spread: float = 0.0,
    missed: float = 0.0,
) -> Iterator[Row]:
    """AUROC over a baseline's.

    Args:
        own, other: their AUROC; the baseline's over all seeds that it could have had.
        alike: correlation of the two detectors' readings of one picture.
        seeds: of the baseline.
        spread: of the baseline's seeds, in SD of a reading.
        missed: share of cases that either detector misses, each its own.
    """
    shift = np.sqrt(2) * stats.norm.ppf(own)
    centre = np.sqrt(2 + spread**2) * stats.norm.ppf(other)
    compared = []
    for _ in range(repeats):
        shared = np.sqrt(0.3) * rng.standard_normal(n) + np.sqrt(0.7) * rng.standard_normal((2, n))

        def detector(by: float, shared: np.ndarray = shared) -> np.ndarray:
            noise = np.sqrt(1 - alike) * rng.standard_normal((2, n))
            perturbed, reference = np.sqrt(alike) * shared + noise
            seen = np.where(rng.random(n) < missed, 0.0, by)
            return ranks.comparisons(perturbed + seen, reference)

        baseline = [detector(centre + spread * rng.standard_normal()) for _ in range(seeds)]
        compared.append((detector(shift), baseline))
    truth = (1 - missed) * (own - other)
    told = f"{own:g} over {other:g}, alike {alike:g}"
    told += f", seeds {seeds}, spread {spread:g}" if seeds > 1 else ""
    told += f", {missed:g} missed" if missed else ""
    keys = {"scenario": told, "n": n, "seeds": ""}
    goal = 0.90 if missed else 0.93
    found = (ranks.gain_estimate(*one) for one in compared)
    yield coverage(found, truth, study="gain", what="gain of AUROC", goal=goal, **keys)
    above = (ranks.gain_p(*one) < 0.05 for one in compared)
    null = own == other
    yield rate(above, study="gain" if null else "power", kind="test" if null else "power",
               what="gain above 0", goal=0.07 if null else None, **keys)  # fmt: skip


def gains_of_rows(
    rng: np.random.Generator, repeats: int, n: int, kind: str, baseline: str
) -> Iterator[Row]:
    """The same on cases drawn from a published report."""
    own, other = scenarios.surprise(kind), scenarios.surprise(kind, baseline)
    both = own.join(other, rsuffix="_other").dropna().to_numpy()
    whole = [ranks.comparisons(both[:, k], both[:, k + 1]) for k in (0, 2)]
    truth = float(whole[0].mean() - whole[1].mean())
    found = []
    for _ in range(repeats):
        cases = rng.integers(0, len(both), n)
        one, two = (c[np.ix_(cases, cases)] for c in whole)
        found.append(ranks.gain_estimate(one, [two]))
    yield coverage(found, truth, study="gain", what="gain of AUROC", n=n, seeds="", goal=0.93,
                   scenario=f"{kind} over {baseline}, {truth:.3f}")  # fmt: skip


def detection(
    rng: np.random.Generator, repeats: int, kind: str, n: int, clean: int, shift: float
) -> Iterator[Row]:
    """Detection at 5 % false positives, the threshold set on ``clean`` other trajectories."""
    law = {"normal": stats.norm, "t3": stats.t(3), "gamma": stats.gamma(2)}[kind]
    truth = float(law.sf(law.ppf(0.95) - shift))
    found = []
    for _ in range(repeats):
        scores = law.rvs(size=n, random_state=rng) + shift
        found.append(ranks.detection_rate(scores, law.rvs(size=clean, random_state=rng)))
    yield coverage(found, truth, study="detection", what="detection at 5 %", n=n, seeds="",
                   scenario=f"{kind}, rate {truth:.3f}, threshold from {clean}",
                   goal=scenarios.goal_of_interval(kind))  # fmt: skip


def doses(
    rng: np.random.Generator, repeats: int, n: int, null: str, doses: int = 6
) -> Iterator[Row]:
    """A first dose is named although none is noticed, or none better than by the baseline."""
    named = []
    for _ in range(repeats):
        reference = rng.standard_normal((2, n))
        raw = []
        for k in range(doses):
            # Doses share their references, and a larger one is noticed better, or none is.
            shift = 0.0 if null == "nothing is noticed" else 0.8 * k
            own, other = (ranks.comparisons(shift + rng.standard_normal(n), r) for r in reference)
            raw.append(max(ranks.auroc_p(own), ranks.gain_p(own, [other])))
        named.append(any(p is not None and p < 0.05 for p in paired.holm(raw)))
    yield rate(named, study="first dose", kind="test", what="a first dose is named", goal=0.07,
               scenario=null, n=n, seeds="")  # fmt: skip
