"""Rollouts: how far do imagined latents stay with what happens, and what do they still say?

From H encoded frames on, the model sees nothing but the recorded actions (open loop). Its error is
set against copying the last latent, which is what a model without dynamics would imagine, and
probes trained on encoded latents say how wrong it is in pixels or degrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.batching import in_batches
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.imagination import Imagined, imagine
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.readout.linear import LinearProbe, fit_linear
from lewm_probe.analyses.readout.rows import error_rows
from lewm_probe.analyses.readout.scores import score
from lewm_probe.analyses.readout.targets import Target, check_quantities, targets_of, varying
from lewm_probe.models.base import device_of
from lewm_probe.stats import bootstrap
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.skewed import positive_bounds
from lewm_probe.worlds.base import World

PLACES = 4
"""Rollouts of each trajectory, from evenly spaced contexts; averaged before anything else."""

READ = ("rmse", "angle_error_deg", "r2")
"""Scores of the probes that are reported."""


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """Error of imagined latents k blocks ahead, in latent space and in the quantities' units.

    Metrics for each horizon k: ``mse``, the model's surprise at the frame that came, and the same
    for the control ``copy_last``; ``mse_over_copy_last``, the ratio of their means (below 1: better
    than imagining nothing). For each quantity that is not a velocity: ``rmse`` in its unit or
    ``angle_error_deg``, and ``r2``, of linear probes that were trained on encoded latents of the
    probe's training trajectories and read imagined ones; controls ``copy_last`` (read from the last
    encoded latent) and ``encoded`` (read from the latent of the frame itself: the probe's own
    error). Raw rows: both ``mse`` of every trajectory and horizon, and the sums that the probes'
    scores follow from. Horizons that do not fit into the trajectories are left out with a note.

    Raises:
        UsageError: a quantity that the world does not know.
        UserError: trajectories shorter than H + 1 frames, or latents that are not finite.
    """
    check_quantities(context.suite.probe.quantities, context.world.quantities)
    trajectories = context.trajectories(checkpoint, "clean")
    weights = context.resamples(len(trajectories))
    pixels, actions = trajectories.pixels, trajectories.actions
    latents = encoded(checkpoint, pixels, actions, context.cache)["z"]  # (N, T, …)
    horizons = _fitting(recorder, checkpoint, trajectories.frames)
    imagined = imagine(checkpoint, latents, actions, max(horizons), PLACES)
    frames, ends = imagined.frames(), imagined.ends  # (E, K), (E,)
    last = np.broadcast_to(latents[:, ends][:, :, None], imagined.latents.shape)
    wrong = _surprise(checkpoint, imagined.latents, latents[:, frames])  # (N, K)
    copied = _surprise(checkpoint, last, latents[:, frames])
    confidence = context.suite.statistics.confidence
    for k in horizons:
        own, copy = wrong[:, k - 1], copied[:, k - 1]
        estimate = bootstrap.mean(own, confidence)
        recorder.metric(checkpoint, "mse", estimate, features="z", horizon=k)
        for values, baseline in ((own, None), (copy, "copy_last")):
            at: dict[str, Any] = {"features": "z", "horizon": k, "control": baseline}
            recorder.rows(checkpoint, "mse", values, trajectories.ids, **at)
        for metric, found, control in (
            ("mse", bootstrap.mean(copy, confidence), "copy_last"),
            ("mse_over_copy_last", _ratio(own, copy, confidence), None),
        ):
            recorder.metric(checkpoint, metric, found, features="z", horizon=k, control=control)
    view = pooled(checkpoint, latents)
    for target, probe in _readouts(checkpoint, context):
        values = targets_of(trajectories.state, context.world.quantities, [target.name])[0].values
        columns = [axis in target.axes for axis in _axes(context.world, target)]
        true = replace(target, values=values[..., columns])
        reads: dict[str | None, np.ndarray] = {
            None: probe.predict(_view(checkpoint, imagined)),
            "copy_last": probe.predict(view[:, ends])[:, :, None],
            "encoded": probe.predict(view[:, frames]),
        }  # (N, E, K or 1, axes)
        for control, read in reads.items():
            for k in horizons:
                there = replace(true, values=true.values[:, frames[:, k - 1]])
                at_k = read[:, :, min(k, read.shape[2]) - 1]
                scores = score(there, at_k[None], probe.targets, weights, confidence)
                keys: dict[str, Any] = {"subject": target.name, "features": "z"}
                keys |= {"method": "linear", "horizon": k, "control": control}
                for metric in READ:
                    if metric in scores.estimates:
                        unit = {"rmse": target.unit, "angle_error_deg": "deg"}.get(metric)
                        estimate = scores.estimates[metric]
                        recorder.metric(checkpoint, metric, estimate, unit=unit, **keys)
                error_rows(recorder, checkpoint, there, scores.sums, trajectories.ids, **keys)
    return {}


def _fitting(recorder: ResultRecorder, checkpoint: Checkpoint, frames: int) -> list[int]:
    """The suite's horizons that fit into the trajectories; at least one is tried."""
    asked = sorted(set(recorder.suite.rollout.horizons))
    longest = frames - checkpoint.model.spec.history
    fitting = [k for k in asked if k <= longest]
    if fitting != asked:
        recorder.note(
            f"Rollouts of {checkpoint.label} go up to {longest} blocks: trajectories of {frames} "
            f"frames, of which it first sees {checkpoint.model.spec.history}, hold no more."
        )
    return fitting or asked[:1]


def _surprise(checkpoint: Checkpoint, predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The model's own measure of error, averaged over places: (N, E, K, …) twice → (N, K)."""
    model, device = checkpoint.model, device_of(checkpoint.model)
    parts = []
    for guess, truth in zip(predicted, target, strict=True):  # a trajectory: E rollouts

        def score(rows: slice, guess: np.ndarray = guess, truth: np.ndarray = truth) -> Tensor:
            pair = [torch.tensor(a[rows], device=device) for a in (guess, truth)]
            return model.surprise(*pair)

        found = in_batches(score, len(guess), len(guess), doing="scoring rollouts", model=model)
        parts.append(torch.cat(found).mean(dim=0).cpu().double().numpy())
    return np.stack(parts)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, confidence: float) -> Estimate:
    """Ratio of means over trajectories (N,) with its interval; None when nothing ever moves."""
    n = len(numerator)
    if not denominator.mean() > 0:
        return Estimate(None, n=n)
    ratio = float(numerator.mean() / denominator.mean())
    above, below = (values.sum() - values for values in (numerator, denominator))  # each left out
    without = np.divide(above, below, out=np.full(n, np.nan), where=below > 0)
    return Estimate(ratio, *positive_bounds(without, ratio, confidence), n)


def _readouts(checkpoint: Checkpoint, context: Context) -> list[tuple[Target, LinearProbe]]:
    """A linear probe of encoded latents for each quantity that is not a velocity."""
    settings, quantities = context.suite.probe, context.world.quantities
    train = context.trajectories(checkpoint, "probe-train")
    view = pooled(checkpoint, encoded(checkpoint, train.pixels, train.actions, context.cache)["z"])
    found = []
    for name in settings.quantities:
        if quantities[name].kind == "velocity":
            continue
        target, _ = varying(targets_of(train.state, quantities, [name])[0])
        if target is not None:
            found.append((target, fit_linear(view, target.values, settings.linear)))
    return found


def _axes(world: World, target: Target) -> list[str]:
    """All axes of a target before near-constant ones were left out."""
    axes = world.quantities[target.name].axes
    if target.kind == "angle":
        return [f"{wave}_{axis}" for wave in ("sin", "cos") for axis in axes]
    return list(axes)


def _view(checkpoint: Checkpoint, imagined: Imagined) -> np.ndarray:
    """The view z of imagined latents: (N, E, K, …) → (N, E, K, D)."""
    shape = imagined.latents.shape
    flat = imagined.latents.reshape(-1, *shape[2:])  # (N·E, K, …)
    return pooled(checkpoint, flat).reshape(*shape[:3], -1)
