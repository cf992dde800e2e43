"""How stored pictures are compared: by their likeness to what was there."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import means

COMPARED = frozenset({"psnr", "ssim"})
"""Metrics of which rows by trajectory are stored; neither knows the scale of a latent space."""


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """Both, of the model itself, for frames (no horizon) and each horizon."""
    found: dict[Key, Sample] = {}
    for metric in sorted(COMPARED):
        own = rows[(rows["metric"] == metric) & rows["control"].isna()]
        found |= means(own, "decode", metric, ("features", "horizon"))
    return found
