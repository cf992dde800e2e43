"""Filmstrips of one matched case: what the models saw around the intervention."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lewm_probe.analyses.cases import Changed, MatchedCases

BEFORE, AFTER = 3, 4
"""Frames shown before and after t0, which is the picture number ``BEFORE`` of a strip."""

CANDIDATES = 16
"""Cases kept at hand, as an intervention may turn out impossible in some of them."""


class Films:
    """Collects the strips of a few typical cases while conditions are made, then shows one.

    Typical: their picture changes at t0 about as much as the median case's, so that neither a
    resting nor the most telling case is chosen.
    """

    def __init__(self, cases: MatchedCases) -> None:
        self._cases = cases
        onset, reference = cases.onset, cases.reference
        fits = (onset >= BEFORE) & (onset + AFTER < reference.frames)
        there = np.flatnonzero(fits)
        now = reference.pixels[there, onset[there]].astype(np.float32)
        then = reference.pixels[there, onset[there] - 1].astype(np.float32)
        change = np.square(now - then).mean(axis=(1, 2, 3))
        typical = np.median(change) if len(there) else 0.0
        order = np.argsort(np.abs(change - typical), kind="stable")[:CANDIDATES]
        self._candidates = there[order].tolist()
        self._strips: dict[str, dict[int, np.ndarray]] = {
            "reference": {case: self._reference(case) for case in self._candidates}
        }

    def add(self, condition: str, changed: Changed) -> None:
        """Keep the strips of a condition."""
        strips = self._strips.setdefault(condition, {})
        for case in self._candidates:
            if not changed.kept[case]:
                continue
            strip = self._reference(case).copy()
            first = int(self._cases.onset[case]) - BEFORE
            if changed.onset[case] != self._cases.onset[case]:
                continue  # its intervention comes at another moment than the other strips
            rows = np.flatnonzero(changed.case == case)
            place = changed.frame[rows] - first
            shown = (place >= 0) & (place < len(strip))
            strip[place[shown]] = changed.pixels[rows[shown]]
            strips[case] = strip

    def pictures(self) -> Mapping[str, np.ndarray]:
        """``film-<world>-<condition>`` → uint8 (T, H, W, C), of the case that has most of them."""
        if not self._candidates:
            return {}
        strips = self._strips.values()
        case = max(self._candidates, key=lambda one: sum(one in films for films in strips))
        world = self._cases.reference.world
        return {f"film-{world}-{n}": s[case] for n, s in self._strips.items() if case in s}

    def _reference(self, case: int) -> np.ndarray:
        at = int(self._cases.onset[case])
        return self._cases.reference.pixels[case, at - BEFORE : at + AFTER + 1]
