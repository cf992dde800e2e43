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
        "delta_auroc_over_copy_last",
        "delta_log_surprise",
        "clean_over_copy_last",
        "action_swap_auroc",
    }
)
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """Δ log surprise, AUROC and its gain over copy-last at onset, for each condition.

    ``floor`` is added to surprise before its logarithm. Matched pairs are matched again by
    trajectory and frame: some conditions have an onset of their own, for which the reference may
    not be stored. Those trajectories are left out.
    """
    found: dict[Key, Sample] = {}
    index = ["trajectory_id", "frame"]
    rows = rows[rows["metric"] == "surprise"]
    scored = {
        None: rows[rows["control"].isna()],
        "copy_last": rows[rows["control"] == "copy_last"],
    }
    clean = {
        scorer: part[part["subject"] == "reference"].set_index(index)["value"]
        for scorer, part in scored.items()
    }
    onset = {scorer: part[part["horizon"] == 0] for scorer, part in scored.items()}
    for named, part in groups(onset[None], ("subject", "features")):
        name = named["subject"]
        if name in (None, "reference"):
            continue
        keys = {"analysis": "voe", "window": "onset", **named}
        pair = beside(part.set_index(index)["value"], clean[None]).droplevel("frame")
        pair = pair[~pair.index.duplicated()]
        if not len(pair):
            continue
        delta = np.log(pair[0] + floor) - np.log(pair[1] + floor)
        found[key_of(metric="delta_log_surprise", **keys)] = Sample(delta.to_frame(), "mean")
        found[key_of(metric="auroc", **keys)] = Sample(pair, "auroc")
        baseline = onset["copy_last"][onset["copy_last"]["subject"] == name]
        copied = beside(baseline.set_index(index)["value"], clean["copy_last"]).droplevel("frame")
        copied = copied[~copied.index.duplicated()]
        four = pd.concat([pair, copied], axis=1, join="inner", ignore_index=True)
        if len(four):
            key = key_of(metric="delta_auroc_over_copy_last", **keys)
            found[key] = Sample(four, "gain")
    return found
