"""How stored straightness is compared."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import means

COMPARED = frozenset({"cosine"})
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """The straightness of each trajectory, from a checkpoint's rows."""
    cosines = rows[rows["metric"] == "cosine"]
    whole = cosines[cosines[["control", "frame", "window"]].isna().all(axis=1)]
    return means(whole, "straightness", "cosine", ("features", "method", "stride"))
