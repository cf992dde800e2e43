"""Geometry: how latents fill their space. Collapse shows here first.

Effective rank (RankMe, arXiv 2210.02885) and participation ratio count directions in use, tr Cov z
their spread; SIGReg (LeJEPA, arXiv 2511.08544), what LeWM is trained to keep small, stands beside
its value for a true Gaussian sample of the same size; R² from time says how much of z is a clock.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.earlier_checkpoints import (
    CURVE_TRAJECTORIES,
    at_checkpoint,
    earlier_checkpoints,
)
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.readout.targets import body_positions
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.stats import bootstrap
from lewm_probe.stats.bootstrap import Estimate, interval
from lewm_probe.stats.spectrum import participation_ratio, rank_of_moments
from lewm_probe.training.sigreg import sigreg, unit_directions
from lewm_probe.worlds import make_world

SPECTRUM_RESAMPLES = 200
"""Resamples for intervals of ranks, each of which needs an eigendecomposition."""

DIRECTIONS = 256
"""Random directions of SIGReg: a quarter of training's, since here it is averaged over frames."""

KNOTS, RANGE = 17, 3.0
"""The metric's own quadrature, as released: a change of training's must not move it."""

GAUSSIAN_DRAWS = 3
"""Gaussian samples of the latents' size whose SIGReg is averaged."""

SCATTER_POINTS = 1000
"""Frames drawn by their first two principal components."""


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """Shape of a checkpoint's latents on unperturbed trajectories.

    Metrics, ``features`` z: ``effective_rank``; ``participation_ratio``; ``trace_cov``;
    ``dimension_variance`` with ``window`` ``min``, ``median`` and ``max`` over axes; ``sigreg``
    (per frame over trajectories, averaged over frames and directions) and the same for the control
    ``gaussian``; ``r2`` with ``subject`` ``time_index``: the share of the latents' variance that is
    linear in time. The first three also for the earlier checkpoints of each run, on fewer
    trajectories. Raw rows: ``pc1`` and ``pc2`` of some frames beside the bodies' positions there.

    Raises:
        UserError: latents that are not finite.
    """
    data = context.trajectories(checkpoint, "clean")
    view = pooled(checkpoint, encoded(checkpoint, data.pixels, data.actions, context.cache)["z"])
    _spectrum(recorder, checkpoint, view)
    _variances(recorder, checkpoint, view)
    _gaussianity(recorder, checkpoint, view)
    _scatter(recorder, checkpoint, view, data, body_positions(context.world))
    some = data.take(range(min(CURVE_TRAJECTORIES, len(data))))
    for path in earlier_checkpoints(checkpoint):
        earlier = at_checkpoint(checkpoint, path)
        latents = encoded(earlier, some.pixels, some.actions, context.cache)["z"]
        _spectrum(recorder, earlier, pooled(earlier, latents))
    return {}


def _spectrum(recorder: ResultRecorder, checkpoint: Checkpoint, view: np.ndarray) -> None:
    """Ranks and total variance with intervals, from second moments of each trajectory."""
    z = view.astype(np.float64)  # (N, T, D)
    n, frames = z.shape[:2]
    moments = np.einsum("ntd,nte->nde", z, z, optimize=True) / frames
    means = z.mean(axis=1)  # (N, D)
    rng = stream(recorder.suite.seed, "geometry", "bootstrap")
    weights = np.concatenate(
        [np.full((1, n), 1 / n), bootstrap.resamples(n, SPECTRUM_RESAMPLES, rng)]
    )
    draws = np.empty((len(weights), 3))
    for i, weight in enumerate(weights):
        second = np.tensordot(weight, moments, axes=1)  # (D, D)
        centre = weight @ means
        covariance = second - np.outer(centre, centre)
        draws[i] = rank_of_moments(second), participation_ratio(covariance), np.trace(covariance)
    for name, column in zip(
        ("effective_rank", "participation_ratio", "trace_cov"), draws.T, strict=True
    ):
        # A resample holds fewer different trajectories and so uses fewer directions: the whole
        # cloud of draws lies low, and is moved to where the value is.
        column[1:] += column[0] - column[1:].mean()
        _write(recorder, checkpoint, name, column, n)


def _variances(recorder: ResultRecorder, checkpoint: Checkpoint, view: np.ndarray) -> None:
    """Variance of the least, middle and most varying axis, and the share that time explains."""
    z = view.astype(np.float64)
    n, frames, width = z.shape
    z = z - z.mean(axis=(0, 1))  # moments about the mean lose no digits
    rng = stream(recorder.suite.seed, "geometry", "bootstrap of variances")
    drawn = bootstrap.resamples(n, recorder.suite.statistics.bootstrap, rng)
    weights = np.concatenate([np.full((1, n), 1 / n), drawn])
    time = np.linspace(-1, 1, frames)  # centred: a resample keeps every frame of a trajectory
    means = weights @ z.mean(axis=1)  # (R, D)
    variance = np.maximum(weights @ np.square(z).mean(axis=1) - means**2, 0)
    shared = weights @ np.einsum("ntd,t->nd", z, time / frames)  # covariance with time
    for window, of_axes in (("min", np.min), ("median", np.median), ("max", np.max)):
        _write(
            recorder, checkpoint, "dimension_variance", of_axes(variance, axis=1), n, window=window
        )
    explained = np.square(shared).sum(axis=1) / np.square(time).mean()
    total = variance.sum(axis=1)
    nothing = 1e-12 * width * max(1.0, float(np.square(view).mean()))  # rounding of float32
    share = np.divide(explained, total, out=np.full_like(total, np.nan), where=total > nothing)
    _write(recorder, checkpoint, "r2", share, n, subject_="time_index")


def _gaussianity(recorder: ResultRecorder, checkpoint: Checkpoint, view: np.ndarray) -> None:
    """SIGReg of the latents and of Gaussian samples, in the same random directions."""
    seed, (n, frames, width) = recorder.suite.seed, view.shape
    generator = torch.Generator().manual_seed(torch_seed(seed, "geometry", "directions"))
    directions = unit_directions(width, DIRECTIONS, generator)
    own = _sigreg(torch.tensor(view), directions)
    recorder.metric(checkpoint, "sigreg", Estimate(own, n=n), features="z")
    drawn = [
        _sigreg(torch.randn(n, frames, width, generator=generator), directions)
        for _ in range(GAUSSIAN_DRAWS)
    ]
    level = Estimate(float(np.mean(drawn)), n=n)
    recorder.metric(checkpoint, "sigreg", level, features="z", control="gaussian")


def _sigreg(latents: torch.Tensor, directions: torch.Tensor) -> float:
    """Mean over frames, one at a time: all at once would need N · T · M · 17 cosines in memory."""
    frames = latents.split(1, dim=1)
    return float(np.mean([float(sigreg(frame, directions, KNOTS, RANGE)) for frame in frames]))


def _scatter(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    view: np.ndarray,
    data: Trajectories,
    positions: Sequence[str],
) -> None:
    """The same random frames for every model: two principal components, and where bodies are."""
    n, frames, width = view.shape
    components = min(2, width)
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of variance of one point
        pca = PCA(components, svd_solver="full").fit(view.reshape(-1, width))
    flat = pca.transform(view.reshape(-1, width)).reshape(n, frames, components)
    rng = stream(recorder.suite.seed, "geometry", "scatter")
    trajectory, frame = np.divmod(np.sort(rng.permutation(n * frames)[:SCATTER_POINTS]), frames)
    ids = [data.ids[i] for i in trajectory]
    for k in range(components):
        recorder.rows(
            checkpoint, f"pc{k + 1}", flat[trajectory, frame, k], ids, frame, features="z"
        )
    for name in positions:
        axes = make_world(data.world).quantities[name].axes
        for k, axis in enumerate(axes):
            recorder.rows(
                checkpoint,
                name,
                data.state[name][trajectory, frame, k],
                ids,
                frame,
                features="z",
                axis=axis,
            )


def _write(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    metric: str,
    draws: np.ndarray,
    n: int,
    subject_: str | None = None,
    window: str | None = None,
) -> None:
    """The first of ``draws`` is the value, the others are resamples."""
    confidence = recorder.suite.statistics.confidence
    bounds = interval(draws[1:], confidence) if np.isfinite(draws[0]) else (None, None)
    estimate = Estimate(float(draws[0]), *bounds, n)
    recorder.metric(checkpoint, metric, estimate, subject=subject_, features="z", window=window)
