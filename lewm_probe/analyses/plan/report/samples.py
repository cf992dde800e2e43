"""How stored outcomes are compared."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import means

COMPARED = frozenset({"success_rate"})


def samples(rows: pd.DataFrame, floor: float) -> Mapping[Key, Sample]:
    """Whether each pair was solved, from a checkpoint's rows."""
    own = rows[(rows["metric"] == "success") & rows[["control", "dose"]].isna().all(axis=1)]
    return means(own, "plan", "success_rate", ("method", "subject", "window"))
