"""Raw rows that R² and errors of a linear probe can be computed from again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.readout.scores import Sums
from lewm_probe.analyses.readout.targets import Target


def error_rows(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    target: Target,
    sums: Sums,
    ids: Sequence[str],
    **keys: Any,
) -> None:
    """Sums over the frames of each trajectory, by axis, of one probe (see ``Sums`` for the units).

    ``sum_squared_error`` and, of angles, ``sum_angle_error``; what is the same for all controls,
    ``frames``, ``sum_true``, ``sum_true_squared`` and ``scale``, stands with the model's own. With
    F frames in all: MSE = Σ error² / F, R² = 1 − MSE / (Σ y² / F − (Σ y / F)²).
    """
    error = sums.true_squared - 2 * sums.product[0] + sums.predicted_squared[0]  # (N, K)
    by_axis = {"sum_squared_error": error}
    if keys.get("control") is None:
        by_axis |= {"sum_true": sums.true, "sum_true_squared": sums.true_squared}
        recorder.rows(checkpoint, "frames", sums.frames.astype(float), ids, **keys)
        for axis, scale in zip(target.axes, sums.scale, strict=True):
            recorder.rows(checkpoint, "scale", np.array([scale]), ids[:1], axis=axis, **keys)
    for metric, values in by_axis.items():
        for axis, column in zip(target.axes, values.T, strict=True):
            recorder.rows(checkpoint, metric, column, ids, axis=axis, **keys)
    if sums.angle_error is not None:
        recorder.rows(checkpoint, "sum_angle_error", sums.angle_error, ids, **keys)
