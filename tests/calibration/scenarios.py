"""What studies are drawn from: distributions whose truth is known, and rows of published reports.

A real scenario is drawn with replacement from stored rows, which are then the population: its mean,
AUROC and spread are known exactly.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]

SYMMETRIC = ("normal", "t3", "contaminated")
HEAVY = ("t3", "contaminated", "outliers", "mixture")
"""Goals are 90 % here: tails without a fourth moment, or a few values far from the rest."""
AS_THEY_COME = ("log-normal",)
"""Printed without a goal."""

ROWS = ROOT / "reports" / "calibration" / "rows.parquet"
"""Rows of the reports as published at commit 2dff1e8, kept here so that another report changes no
scenario: ``perturbed`` and ``reference`` surprise at onset of the first LeWM checkpoint and of two
of its baselines, by case; other numbers by trajectory, as ``perturbed``."""

REAL = (
    "real: step teleport",
    "real: swapped actions",
    "real: colour",
    "real: frozen block",
    "real: step teleport, push-t",
)
REAL_ERRORS = ("real: probe error", "real: probe error, push-t")
REAL_VALUES = ("real: cosine", "real: probe gain", "real: probe gain, push-t")
"""Straightness of paths; and by how much an error from random weights is above that from z."""


def draw(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """Values of mean 0, and their standard deviation."""
    if kind == "normal":
        return rng.standard_normal(shape), 1.0
    if kind == "t3":
        return rng.standard_t(3, shape), np.sqrt(3.0)
    if kind == "contaminated":  # Tukey's: one in twenty ten times as wide
        wide = np.where(rng.random(shape) < 0.05, 10.0, 1.0)
        return rng.standard_normal(shape) * wide, np.sqrt(0.95 + 0.05 * 100)
    if kind == "outliers":  # one in twenty lies ten SD above
        far = rng.random(shape) < 0.05
        return rng.standard_normal(shape) + 10.0 * far - 0.5, np.sqrt(1 + 100 * 0.05 * 0.95)
    if kind == "gamma":  # shape 2: skewness 1.4
        return rng.gamma(2.0, 1.0, shape) - 2.0, np.sqrt(2.0)
    if kind == "log-normal":
        return rng.lognormal(0.0, 1.0, shape) - np.exp(0.5), float(np.sqrt(np.e * (np.e - 1)))
    pool = deltas(kind) if kind in REAL else errors(kind)
    pool = pool - pool.mean()
    return rng.choice(pool, shape), float(pool.std())


def goal_of_interval(kind: str) -> float | None:
    """The coverage that is asked of an interval."""
    return None if kind in AS_THEY_COME else 0.90 if kind in HEAVY else 0.93


def goal_of_test(kind: str) -> float | None:
    """The largest false-positive rate that is asked of a test."""
    return None if kind in AS_THEY_COME else 0.07


@lru_cache
def _stored() -> pd.DataFrame:
    return pd.read_parquet(ROWS).set_index(["scenario", "scorer"]).sort_index()


@lru_cache
def surprise(kind: str, scorer: str = "model") -> pd.DataFrame:
    """Columns ``perturbed`` and ``reference``: surprise at onset, a row a matched case."""
    rows = _stored().loc[(kind, scorer)]
    return rows.set_index("trajectory_id")[["perturbed", "reference"]].astype(float)


@lru_cache
def deltas(kind: str) -> np.ndarray:
    """Δ log s of each matched case of a published report."""
    pairs = surprise(kind)
    return np.log(pairs.perturbed.to_numpy()) - np.log(pairs.reference.to_numpy())


@lru_cache
def errors(kind: str) -> np.ndarray:
    """One number of each trajectory of a report: a linear probe's error, or ``REAL_VALUES``."""
    return _stored().loc[(kind, "model")].perturbed.to_numpy(float)


# ---- matched cases of a detector


def pair(kind: str, area: float, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of n matched cases, perturbed and reference, whose AUROC is ``area``."""
    if kind in REAL:
        pairs = surprise(kind).to_numpy()
        chosen = pairs[rng.integers(0, len(pairs), n)]
        return chosen[:, 0], chosen[:, 1]
    shared, own, other = rng.standard_normal((3, n))
    if kind == "mixture":  # some cases are not noticed at all, the others always
        missed = rng.random(n) < 2 * (1 - area)
        return np.where(missed, 0.0, 9.0) + own, other
    if kind == "matched":  # two readings of nearly one number
        return shared + 0.2 * own, shared + 0.2 * other
    half = np.sqrt(0.5)
    return np.sqrt(2) * stats.norm.ppf(area) + half * (shared + own), half * (shared + other)


def area_of(kind: str, area: float) -> float:
    """The true AUROC of ``pair``."""
    if kind in REAL:
        pairs = surprise(kind)
        above = pairs.perturbed.to_numpy()[:, None] - pairs.reference.to_numpy()[None]
        return float(((above > 0) + 0.5 * (above == 0)).mean())
    return area
