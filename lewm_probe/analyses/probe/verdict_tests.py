"""Is a quantity read better than by what knows nothing of it, and than by what never learned?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.probe.fits import ProbeResult
from lewm_probe.analyses.probe.settings import seen_poses
from lewm_probe.stats import bootstrap
from lewm_probe.stats.paired import paired_t

BEATEN = ("mean", "random_weights", "pixel_pca")
"""Controls that "reads a quantity" must beat; the mean alone makes it noticed."""

_READ = ("z", "linear")


def write_tests(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    readings: Sequence[ProbeResult],
    controls: Sequence[ProbeResult],
) -> None:
    """What linear probes of z gain over controls, and the tests that verdicts rest on.

    For each quantity: ``mse_less_than_<control>`` with ``versus`` that control, the mean over test
    trajectories of MSE(control) − MSE(own): positive, the model is better. For positions and angles
    that can be seen (a goal is not drawn), or where there is none for the first quantity:
    ``p_noticed`` (the mean is beaten) and ``p_beyond`` (so is every control that is there: the
    largest p, an intersection–union test), both one-sided paired t-tests.
    """
    names = [r.target.name for r in readings if (r.features, r.method) == _READ]
    tested = seen_poses(names)
    found = {
        (c.target.name, c.control): c.scores.trajectory_mse
        for c in controls
        if c.control in BEATEN and (c.control == "mean" or (c.features, c.method) == _READ)
    }
    for reading in readings:
        if (reading.features, reading.method) != _READ:
            continue
        name, own = reading.target.name, reading.scores.trajectory_mse
        what: dict[str, Any] = {"subject": name, "features": "z", "method": "linear"}
        p_values: dict[str, float | None] = {}
        for control in BEATEN:
            if (name, control) not in found:
                continue
            gain = found[name, control] - own  # NaN where a trajectory has no frame
            estimate = bootstrap.mean(gain, recorder.suite.statistics.confidence)
            recorder.metric(
                checkpoint, f"mse_less_than_{control}", estimate, versus=control, **what
            )
            p_values[control] = paired_t(gain[gain == gain], one_sided=True)
        if name not in tested or not p_values:
            continue
        n = int((own == own).sum())
        every = list(p_values.values())
        beyond = None if None in every else max(p for p in every if p is not None)
        for metric, p in (("p_noticed", p_values.get("mean")), ("p_beyond", beyond)):
            recorder.metric(checkpoint, metric, bootstrap.Estimate(p, n=n), **what)
