"""Raw rows that every score of a probe can be computed from again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.readout.scores import Sums
from lewm_probe.analyses.readout.targets import Target


def target_rows(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    sums: Sums,
    target: Target,
    ids: Sequence[str],
    **what: Any,
) -> None:
    """Sums of a quantity itself over the frames of each test trajectory (see ``Sums``).

    ``frames``; by ``axis`` ``sum_true`` and ``sum_true_squared``; and ``scale``, the unit's worth
    of a z-score, at the first trajectory. They are the same for all that reads the quantity.
    """

    def write(metric: str, values: np.ndarray) -> None:  # (N, K)
        names, axes = zip(*product(ids, target.axes), strict=True)
        recorder.rows(checkpoint, metric, values.ravel(), names, axis=np.array(axes), **what)

    recorder.rows(checkpoint, "frames", sums.frames.astype(float), ids, **what)
    write("sum_true", sums.true)
    write("sum_true_squared", sums.true_squared)
    for axis, scale in zip(target.axes, sums.scale, strict=True):
        recorder.rows(checkpoint, "scale", np.array([scale]), ids[:1], axis=axis, **what)


def sum_rows(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    sums: Sums,
    target: Target,
    ids: Sequence[str],
    **what: Any,
) -> None:
    """Sums of one reading over the frames of each test trajectory (see ``Sums`` for the units).

    By ``axis`` and probe seed (``window`` ``seed 0``, …): ``sum_predicted``,
    ``sum_predicted_squared``, ``sum_squared_error``; by seed alone ``sum_squared_error_squared``;
    and ``sum_angle_error`` (degrees). With those of the quantity (``target_rows``), F frames in all
    and means over them, axis by axis: R² = 1 − ⟨e²⟩ / (⟨y²⟩ − ⟨y⟩²),
    ⟨yp⟩ = (⟨y²⟩ + ⟨p²⟩ − ⟨e²⟩) / 2. The error is what is stored, not the product: of a good probe
    it would be lost in its rounding.
    """

    def write(metric: str, values: np.ndarray) -> None:  # (S, N) or (S, N, K)
        seeds = [f"seed {s}" for s in range(len(values))]
        axes = target.axes if values.ndim == 3 else [None]
        windows, names, of_axes = zip(*product(seeds, ids, axes), strict=True)
        keys = {**what, "window": np.array(windows), "axis": np.array(of_axes)}
        recorder.rows(checkpoint, metric, values.ravel(), names, **keys)

    write("sum_predicted", sums.predicted)
    write("sum_predicted_squared", sums.predicted_squared)
    write("sum_squared_error", sums.true_squared - 2 * sums.product + sums.predicted_squared)
    write("sum_squared_error_squared", sums.squared_error_squared)
    if sums.angle_error is not None:
        recorder.rows(checkpoint, "sum_angle_error", sums.angle_error, ids, **what)
