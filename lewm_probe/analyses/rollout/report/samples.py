"""How stored rollouts are compared."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import beside, by_trajectory, groups, key_of

COMPARED = frozenset({"mse_over_copy_last"})
"""Metrics that do not depend on the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """Error over that of copying the last latent, where the latter was stored too."""
    found = {}
    plain = rows[rows["subject"].isna() & (rows["metric"] == "mse")]
    for keys, part in groups(plain, ("features", "horizon")):
        own = part[part["control"].isna()]
        copied = part[part["control"] == "copy_last"]
        both = beside(by_trajectory(own), by_trajectory(copied))
        if len(both):
            key = key_of(analysis="rollout", metric="mse_over_copy_last", **keys)
            found[key] = Sample(both, "ratio")
    return found
