"""How stored geometry is compared: there are no rows by trajectory, so its numbers are."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample

COMPARED = frozenset({"effective_rank", "participation_ratio", "sigreg"})
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """None."""
    return {}
