"""Raw rows that every score of a probe can be computed from again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.readout.scores import Sums
from lewm_probe.analyses.readout.targets import Target


def sum_rows(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    sums: Sums,
    target: Target,
    ids: Sequence[str],
    **what: Any,
) -> None:
    """A row for each test trajectory of each sum over its frames (see ``Sums`` for the units).

    By ``axis``: ``sum_true``, ``sum_true_squared``; by ``axis`` and probe seed (``window``
    ``seed 0``, …): ``sum_predicted``, ``sum_predicted_squared``, ``sum_squared_error``; by seed
    alone ``sum_squared_error_squared``; and ``frames``, ``sum_angle_error`` (degrees). ``scale``,
    the unit's worth of a z-score, stands at the first trajectory. With F frames in all and means
    over them, axis by axis: R² = 1 − ⟨e²⟩ / (⟨y²⟩ − ⟨y⟩²), ⟨yp⟩ = (⟨y²⟩ + ⟨p²⟩ − ⟨e²⟩) / 2. The
    error is what is stored, not the product: of a good probe it would be lost in its rounding.
    """

    def write(metric: str, values: np.ndarray, *, seeds: bool, axes: bool) -> None:
        shape = values.shape  # (S, N, K), less what does not apply
        keys = dict(what)
        places = np.indices(shape).reshape(len(shape), -1)
        if seeds:
            keys["window"] = [f"seed {s}" for s in places[0]]
        if axes:
            keys["axis"] = [target.axes[k] for k in places[-1]]
        names = [ids[i] for i in places[1 if seeds else 0]]
        recorder.rows(checkpoint, metric, values.ravel(), names, **keys)

    write("frames", sums.frames.astype(float), seeds=False, axes=False)
    write("sum_true", sums.true, seeds=False, axes=True)
    write("sum_true_squared", sums.true_squared, seeds=False, axes=True)
    write("sum_predicted", sums.predicted, seeds=True, axes=True)
    write("sum_predicted_squared", sums.predicted_squared, seeds=True, axes=True)
    error = sums.true_squared - 2 * sums.product + sums.predicted_squared
    write("sum_squared_error", error, seeds=True, axes=True)
    write("sum_squared_error_squared", sums.squared_error_squared, seeds=True, axes=False)
    if sums.angle_error is not None:
        write("sum_angle_error", sums.angle_error, seeds=False, axes=False)
    write("scale", sums.scale[None], seeds=False, axes=True)
