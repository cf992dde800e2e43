"""How stored probes are compared."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import means

COMPARED = frozenset({"mse", "pearson_r", "r2", "rmse", "angle_error_deg", "selectivity"})
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """The error of each probe on test trajectories, from a checkpoint's rows."""
    plain = rows["control"].isna() & rows["frame"].isna() & rows["axis"].isna()
    whole = rows[plain & (rows["metric"] == "mse")]
    return means(whole, "probe", "mse", ("subject", "features", "method", "horizon"))
