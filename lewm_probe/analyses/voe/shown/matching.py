"""A change of appearance as large as a violation: strengths matched by how far images change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lewm_probe.analyses.controls.random_networks import pixel_difference
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, Stimuli

HALVINGS = 12
"""Of the range of strengths: the last is below a grey level of any colour. Changes come in steps
of whole grey levels, so that the nearest one may stay a few per cent away."""

CLOSE = 0.01
"""The search ends where the change is this near to the wanted one, as a share of it."""


class Match(NamedTuple):
    """What ``matched_to`` came to.

    Attributes:
        condition: at the strength that was found.
        strength: its value.
        reached: mean pixel change as a share of the violation's.
    """

    condition: Condition
    strength: float
    reached: float


def pixel_change(changed: Stimuli, reference: np.ndarray) -> np.ndarray:
    """Mean squared grey-level change at t0 against the unperturbed twin, of the cases kept, (n,).

    ``reference``: uint8 (N, T, H, W, C).
    """
    found = np.zeros(len(reference))
    rows = np.flatnonzero(changed.frame == changed.onset[changed.case])
    case = changed.case[rows]
    found[case] = pixel_difference(changed.pixels[rows], reference[case, changed.frame[rows]])
    return found[changed.kept]


def match(condition: Condition, violation: Condition, pairs: MatchedPairs, first: int) -> Match:
    """Set a condition's strength so that images change as much as under a violation.

    Bisection on the mean pixel change at t0 over the first disjoint pairs. Where even the strongest
    changes less, it is taken, and ``reached`` says so.
    """
    pixels = pairs.reference.pixels
    wanted = _mean(pixel_change(pairs.dosed(violation, first), pixels))
    weak, strong = condition.strength.weakest, condition.strength.strongest

    def reached(strength: float) -> float:
        changed = pairs.dosed(condition.at_strength(strength), first)
        return _mean(pixel_change(changed, pixels)) / wanted

    found = strong
    share = reached(strong) if wanted > 0 else float("nan")
    if share > 1:
        for _ in range(HALVINGS):
            middle = (weak + strong) / 2
            there = reached(middle)
            if abs(there - 1) < abs(share - 1):
                found, share = middle, there
            if abs(share - 1) < CLOSE:
                break
            weak, strong = (middle, strong) if there < 1 else (weak, middle)
    return Match(condition.at_strength(found), found, share)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
