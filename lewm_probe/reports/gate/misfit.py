"""A threshold that fits no number: the key it is, the nearest name, and what is known."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from lewm_probe.core.errors import UsageError
from lewm_probe.reports.gate.threshold import KEYS, Threshold
from lewm_probe.results.schema import Metric

MOST_KNOWN = 12
"""Names that an error lists."""


def misfit(place: int, threshold: Threshold, metrics: Sequence[Metric], whose: str) -> UsageError:
    """Which key it is that fits nothing, and what would.

    Args:
        place: of the threshold in its gate, from 1.
        threshold: which fits none of ``metrics``.
        metrics: what it was held against.
        whose: they are, in words.
    """
    left = list(metrics)
    for key in KEYS:
        fitting = [
            m
            for m in left
            if (
                getattr(threshold, key) in (None, m.train_seed)
                if key == "train_seed"
                else threshold.fits(m, key)
            )
        ]
        if fitting:
            left = fitting
            continue
        wanted = getattr(threshold, key)
        found = dict.fromkeys(getattr(m, key) for m in left)
        known = sorted(str(value) for value in found if value is not None)
        near = "" if wanted is None else suggestion(str(wanted), known)
        listed = f"{near} Known there: {shortened(known)}."
        listed = listed if known else " There it does not apply."
        said = wanted is not None or key in threshold.model_fields_set
        asked = (
            f"'{key}: {'null' if wanted is None else wanted}' is not there"
            if said
            else f"every number there has a '{key}', which the threshold does not name"
        )
        return UsageError(
            f"Threshold {place} of the gate, “{threshold.title}”, fits no number of {whose}: "
            f"{asked}.{listed} Fix the gate, or measure what it asks for."
        )
    raise AssertionError("a threshold whose keys all fit has no misfit")


def suggestion(wanted: str, known: Sequence[str]) -> str:
    """A question that names the nearest of the known names; nothing where none is near."""
    near = difflib.get_close_matches(wanted, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def shortened(known: Sequence[str]) -> str:
    """The first of the known names."""
    return ", ".join(known[:MOST_KNOWN]) + (", …" if len(known) > MOST_KNOWN else "")
