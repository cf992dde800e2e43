"""How stored surprise is compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import beside, groups, key_of

COMPARED = frozenset(
    {
        "auroc",
        "delta_log_surprise",
        "clean_over_copy_last",
        "action_swap_auroc",
    }
)
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """Δ log surprise and AUROC at onset, for each condition.

    ``floor`` is added to surprise before its logarithm. Matched pairs are matched again by
    trajectory and frame: some conditions have an onset of their own, for which the reference may
    not be stored. Those trajectories are left out.
    """
    found: dict[Key, Sample] = {}
    index = ["trajectory_id", "frame"]
    # Doses, and trajectories that are not compared (``method`` says which), are no matched pairs.
    rows = rows[(rows["metric"] == "surprise") & rows["dose"].isna() & rows["method"].isna()]
    rows = rows[rows["control"].isna()]
    clean = rows[rows["subject"] == "reference"].set_index(index)["value"]
    onset = rows[rows["horizon"] == 0]
    for named, part in groups(onset, ("subject", "features")):
        name = named["subject"]
        if name in (None, "reference"):
            continue
        keys = {"analysis": "voe", "window": "onset", **named}
        pair = beside(part.set_index(index)["value"], clean).droplevel("frame")
        pair = pair[~pair.index.duplicated()]
        if not len(pair):
            continue
        delta = np.log(pair[0] + floor) - np.log(pair[1] + floor)
        found[key_of(metric="delta_log_surprise", **keys)] = Sample(delta.to_frame(), "mean")
        found[key_of(metric="auroc", **keys)] = Sample(pair, "auroc")
    return found
