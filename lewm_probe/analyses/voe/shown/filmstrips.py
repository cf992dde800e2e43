"""Filmstrips of one matched case: what the models saw around the intervention."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, Stimuli

BEFORE, AFTER = 3, 4
"""Frames shown before and after t0, which is the image number ``BEFORE`` of a strip."""

CANDIDATES = 16
"""Cases kept at hand, as an intervention may turn out impossible in some of them."""


class Clips:
    """Collects the strips of a few typical cases while conditions are made, then shows one.

    Typical: their image changes at t0 about as much as the median case's, so that neither a
    resting nor the most telling case is chosen.
    """

    def __init__(self, cases: MatchedPairs) -> None:
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
        self._elsewhere: dict[str, np.ndarray] = {}
        self._strips: dict[str, dict[int, np.ndarray]] = {
            "reference": {c: self._reference(c, int(onset[c])) for c in self._candidates}
        }

    def add(self, condition: str, changed: Stimuli) -> None:
        """Keep the strips of a condition."""
        strips = self._strips.setdefault(condition, {})
        last = self._cases.reference.frames - AFTER
        for case in self._candidates:
            at = int(changed.onset[case])
            if not (changed.kept[case] and BEFORE <= at < last):
                continue
            strip = self._reference(case, at).copy()
            rows = np.flatnonzero(changed.case == case)
            place = changed.frame[rows] - at + BEFORE
            shown = (place >= 0) & (place < len(strip))
            strip[place[shown]] = changed.pixels[rows[shown]]
            if at == self._cases.onset[case]:
                strips[case] = strip
            else:  # its intervention comes at another moment than the other strips'
                self._elsewhere.setdefault(condition, strip)

    def images(self) -> Mapping[str, np.ndarray]:
        """``film-<world>-<condition>`` → uint8 (T, H, W, C), of the case that has most of them.

        A condition that this case lacks is shown where a candidate has it, at whatever moment.
        """
        if not self._candidates:
            return {}
        strips = self._strips.values()
        case = max(self._candidates, key=lambda one: sum(one in clips for clips in strips))
        world = self._cases.reference.world
        found = {
            name: clips.get(case, next(iter(clips.values()), self._elsewhere.get(name)))
            for name, clips in self._strips.items()
        }
        return {f"film-{world}-{name}": strip for name, strip in found.items() if strip is not None}

    def _reference(self, case: int, at: int) -> np.ndarray:
        return self._cases.reference.pixels[case, at - BEFORE : at + AFTER + 1]
