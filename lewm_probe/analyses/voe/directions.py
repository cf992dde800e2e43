"""Which way a trivial baseline is used: a detector of motion, flipped, detects stillness.

Copy-last is calm about a frozen body, and so finds it perfectly when it is read the other way
round. The direction is chosen on disjoint trajectories that are perturbed for this alone, never on
the cases that are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from lewm_probe.analyses.voe.scores import OnsetScores
from lewm_probe.stats import ranks
from lewm_probe.stats.bootstrap import Estimate

FLIPPED = ("copy_last", "linear_extrapolation", "pixel_difference")
"""Baselines that may be used flipped: they know no dynamics that would tell which way is right."""

ENOUGH = 4
"""With fewer pairs a baseline is used as it is."""

Direction = Literal[1, -1]


def direction(signs: OnsetScores | None, baseline: str) -> tuple[Direction, int]:
    """+1, or −1 where the baseline's AUROC on disjoint pairs lies below 0.5; and how many pairs."""
    count = 0 if signs is None else len(signs.case)
    if signs is None or count < ENOUGH or baseline not in signs.scores:
        return 1, count
    return (-1 if ranks.auroc(*signs.scores[baseline]) < 0.5 else 1), count


def directions(signs: OnsetScores | None) -> Mapping[str, tuple[Direction, int]]:
    """The direction of each baseline that may be flipped."""
    return {baseline: direction(signs, baseline) for baseline in FLIPPED}


def turned(compared: list[np.ndarray], sign: Direction) -> list[np.ndarray]:
    """``comparisons`` of a baseline as it is used."""
    return compared if sign == 1 else [1 - one for one in compared]


def gains(
    own: np.ndarray,
    others: Mapping[str, list[np.ndarray]],
    signs: OnsetScores | None,
    confidence: float,
) -> dict[str, tuple[Estimate, float]]:
    """Gain over each baseline in its direction, and the one-sided p that there is none."""
    used = directions(signs)
    found = {}
    for baseline, compared in others.items():
        right = turned(compared, used[baseline][0] if baseline in used else 1)
        gain = ranks.gain_estimate(own, right, confidence)
        found[baseline] = gain, ranks.gain_p(own, right)
    return found
