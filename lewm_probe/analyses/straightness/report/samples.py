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
    whole = rows[rows["control"].isna() & rows["frame"].isna() & (rows["metric"] == "cosine")]
    return means(whole, "straightness", "cosine", ("features", "method", "stride"))
