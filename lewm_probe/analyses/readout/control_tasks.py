"""A target without meaning that is as hard to store as a quantity: a control of expressive probes.

Selectivity (Hewitt & Liang, arXiv 1909.03368) is a probe's score on a quantity minus its score on a
control target. Permuted labels say nothing here, as no probe could read them. Instead the space of
a quantity is cut into cells, and every cell gets a random value: a probe that reaches it has
memorised the space rather than read what the latents lay out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lewm_probe.analyses.readout.targets import Target
from lewm_probe.core.seeding import stream

SUFFIX = "_random_cells"
"""Added to the quantity's name."""


def random_cells(splits: list[Target], cells: int, seed: int) -> list[Target]:
    """Random functions of a quantity's cells for its training and other splits, in that order.

    Each axis is cut into ``cells`` bins that hold equally many training frames; each cell of the
    grid gets K independent standard normal values. The same function serves all splits.
    """
    train = splits[0]
    shares = np.linspace(0, 1, cells + 1)[1:-1]
    flat = train.values[np.isfinite(train.values).all(axis=-1)]  # (frames, K)
    edges = np.quantile(flat, shares, axis=0).T  # (K, cells − 1)
    bins = [_bins(split.values, edges) for split in splits]  # (N, T, K) each
    together = np.concatenate([b.reshape(-1, b.shape[-1]) for b in bins])
    grid, cell = np.unique(together, axis=0, return_inverse=True)
    table = stream(seed, "random cells", train.name).normal(size=(len(grid), grid.shape[1]))
    answers = np.split(table[cell.ravel()], np.cumsum([b[..., 0].size for b in bins])[:-1])
    found = []
    for split, binned, values in zip(splits, bins, answers, strict=True):
        values = values.reshape(binned.shape)
        values[~np.isfinite(split.values).all(axis=-1)] = np.nan
        name = f"{split.name}{SUFFIX}"
        found.append(replace(split, name=name, values=values, unit=None, kind="position"))
    return found


def _bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    columns = [np.searchsorted(edge, values[..., k]) for k, edge in enumerate(edges)]
    return np.stack(columns, axis=-1)
