"""Effect sizes and tests of paired differences, and their adjustment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from lewm_probe.stats.bootstrap import Estimate


def d_z(differences: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean of paired differences over their SD (Cohen's d_z); None when they do not vary.

    The interval is Student's t on the large-sample variance with the sample's own skewness γ and
    kurtosis κ, (1 − γ d + (κ − 1) d² / 4) / n: the normal formula (1 + d²/2) / n where γ = 0 and
    κ = 3, wider for heavy tails.
    """
    n = len(differences)
    spread = _sd(differences)
    if spread is None:
        return Estimate(None, n=n)
    value = float(differences.mean() / spread)
    skew = float(stats.skew(differences))
    kurtosis = float(stats.kurtosis(differences, fisher=False))
    variance = max(1 - skew * value + (kurtosis - 1) * value**2 / 4, 0.0) / n
    half = float(stats.t.isf((1 - confidence) / 2, n - 1) * np.sqrt(variance))
    return Estimate(value, value - half, value + half, n)


def paired_t(differences: np.ndarray, one_sided: bool = False) -> float | None:
    """The p of the paired t-test that the mean difference is 0 (one-sided: not above 0)."""
    if _sd(differences) is None:
        return None
    tail = "greater" if one_sided else "two-sided"
    return float(stats.ttest_1samp(differences, 0.0, alternative=tail).pvalue)


def wilcoxon(differences: np.ndarray, one_sided: bool = False) -> float | None:
    """The p of Wilcoxon's signed-rank test without zero differences; None when all are zero."""
    nonzero = differences[differences != 0]
    if not nonzero.size:
        return None
    tail = "greater" if one_sided else "two-sided"
    return float(stats.wilcoxon(nonzero, alternative=tail).pvalue)


def tost(differences: np.ndarray, bound: float) -> float | None:
    """The p of the two one-sided t-tests that the mean difference lies within ± ``bound``.

    Small p shows equivalence. Differences that do not vary are equivalent beyond doubt when they
    lie within the bound (p = 0), which is what a blind score gives.
    """
    if len(differences) < 2:
        return None
    if _sd(differences) is None:
        return 0.0 if abs(float(differences.mean())) < bound else 1.0
    above = stats.ttest_1samp(differences, -bound, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, bound, alternative="less").pvalue
    return float(max(above, below))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm-adjusted p-values of one family; None (no test possible) stays and is not counted."""
    there = [i for i, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    if there:
        _, corrected, *_ = multipletests([p_values[i] for i in there], method="holm")
        for i, p in zip(there, corrected, strict=True):
            adjusted[i] = float(p)
    return adjusted


def smallest_detectable_d_z(
    n: int, family: int = 1, alpha: float = 0.05, power: float = 0.8, one_sided: bool = False
) -> float | None:
    """The d_z that a paired t-test of n trajectories finds with this power.

    At Holm's strictest step: level ``alpha`` over the size of the family.
    """
    if n < 3:
        return None
    tail = "larger" if one_sided else "two-sided"
    found = TTestPower().solve_power(
        nobs=n, alpha=alpha / max(1, family), power=power, alternative=tail
    )
    return float(np.squeeze(found))


def _sd(differences: np.ndarray) -> float | None:
    if len(differences) < 2:
        return None
    spread = float(differences.std(ddof=1))
    # Differences equal up to rounding have no spread that a test could lean on.
    scale = max(float(np.abs(differences).max()), 1e-300)
    return spread if spread > 1e-12 * scale else None
