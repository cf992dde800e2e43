"""Geometry: how latents fill their space. Collapse shows here first.

Effective rank (RankMe, arXiv 2210.02885) and participation ratio count directions in use, tr Cov z
their spread; SIGReg (LeJEPA, arXiv 2511.08544), what LeWM is trained to keep small, stands beside
its value for a true Gaussian sample of the same size; R² from time says how much of z is a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.spectrum import participation_estimate, rank_estimate
from lewm_probe.training.sigreg import sigreg, unit_directions
from lewm_probe.worlds import make_world

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
    linear in time. Ranks, ``trace_cov`` and ``r2`` are jackknifed over trajectories, which takes
    their bias away. The first three also for the earlier checkpoints of each run, on fewer
    trajectories. Raw rows: pseudo-values of each trajectory, whose mean is the number (of ranks the
    ``reciprocal_…``, one over whose mean it is); ``dimension_variance`` of each axis; ``sigreg`` of
    each frame; ``pc1`` and ``pc2`` of some frames beside the bodies' positions there.

    Raises:
        UserError: latents that are not finite.
    """
    data = context.trajectories(checkpoint, "clean")
    view = pooled(checkpoint, encoded(checkpoint, data.pixels, data.actions, context.cache)["z"])
    _spectrum(recorder, checkpoint, view, data.ids)
    _variances(recorder, checkpoint, view, data.ids)
    _gaussianity(recorder, checkpoint, view)
    _scatter(recorder, checkpoint, view, data, body_positions(context.world))
    some = data.take(range(min(CURVE_TRAJECTORIES, len(data))))
    paths = earlier_checkpoints(checkpoint)
    with context.progress.task(f"Earlier checkpoints of {checkpoint.label}", len(paths)) as bar:
        for path in paths:
            earlier = at_checkpoint(checkpoint, path)
            latents = encoded(earlier, some.pixels, some.actions, context.cache)["z"]
            _spectrum(recorder, earlier, pooled(earlier, latents))
            bar.advance()
    return {}


def _spectrum(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    view: np.ndarray,
    ids: Sequence[str] | None = None,
) -> None:
    """Ranks and total variance with intervals; with ``ids`` also rows of their pseudo-values."""
    confidence = recorder.suite.statistics.confidence
    for metric, found in (
        ("effective_rank", rank_estimate(view, confidence)),
        ("participation_ratio", participation_estimate(view, confidence)),
        ("trace_cov", _left_out(_Moments.of(view).variance.sum(axis=1), confidence)),
    ):
        estimate, pseudo = found
        recorder.metric(checkpoint, metric, estimate, features="z")
        if ids is not None:
            of = metric if metric == "trace_cov" else f"reciprocal_{metric}"
            recorder.rows(checkpoint, of, pseudo, ids, features="z")


def _variances(
    recorder: ResultRecorder, checkpoint: Checkpoint, view: np.ndarray, ids: Sequence[str]
) -> None:
    """Variance of the least, middle and most varying axis, and the share that time explains."""
    moments = _Moments.of(view)
    confidence = recorder.suite.statistics.confidence
    variance = moments.variance[0]
    for window, of_axes in (("min", np.min), ("median", np.median), ("max", np.max)):
        # Which axis it is changes with who is left out: where axes are alike, as SIGReg makes them,
        # a jackknife interval of it covers 43–89 %, so none is printed.
        extreme = Estimate(float(of_axes(variance)), n=len(view))
        keys = {"features": "z", "window": window}
        recorder.metric(checkpoint, "dimension_variance", extreme, **keys)
    axes, of_all = np.array([f"z{k}" for k in range(len(variance))]), [None] * len(variance)
    recorder.rows(checkpoint, "dimension_variance", variance, of_all, axis=axes, features="z")
    total = moments.variance.sum(axis=1)
    nothing = 1e-12 * view.shape[-1] * max(1.0, float(np.square(view).mean()))  # float32 rounding
    explained = np.square(moments.with_time).sum(axis=1) / moments.time
    share = np.divide(explained, total, out=np.full_like(total, np.nan), where=total > nothing)
    estimate, pseudo = _left_out(share, confidence)
    recorder.metric(checkpoint, "r2", estimate, features="z", subject="time_index")
    recorder.rows(checkpoint, "r2", pseudo, ids, features="z", subject="time_index")


class _Moments(NamedTuple):
    """Second moments of all trajectories (first), then of all but each one.

    Attributes:
        variance: of each axis, (1 + N, D).
        with_time: covariance of each axis with time, (1 + N, D).
        time: variance of time.
    """

    variance: np.ndarray
    with_time: np.ndarray
    time: float

    @classmethod
    def of(cls, view: np.ndarray) -> _Moments:
        z = view.astype(np.float64)
        n, frames, _ = z.shape
        z = z - z.mean(axis=(0, 1))  # moments about the mean lose no digits
        rest = (1 - np.eye(n)) / max(1, n - 1)
        weights = np.concatenate([np.full((1, n), 1 / n), rest])  # (1 + N, N)
        time = np.linspace(-1, 1, frames)  # centred: who is left out takes every frame along
        means = weights @ z.mean(axis=1)
        variance = np.maximum(weights @ np.square(z).mean(axis=1) - means**2, 0)
        shared = weights @ np.einsum("ntd,t->nd", z, time / frames)
        return cls(variance, shared, float(np.square(time).mean()))


def _left_out(values: np.ndarray, confidence: float) -> tuple[Estimate, np.ndarray]:
    """The jackknife of a statistic of all trajectories (first) and of all but each one."""
    if not np.isfinite(values).all():
        return Estimate(None, n=len(values) - 1), np.full(len(values) - 1, np.nan)
    return bootstrap.jackknife(values[1:], float(values[0]), confidence)


def _gaussianity(recorder: ResultRecorder, checkpoint: Checkpoint, view: np.ndarray) -> None:
    """SIGReg of the latents and of Gaussian samples, in the same random directions."""
    seed, (n, frames, width) = recorder.suite.seed, view.shape
    generator = torch.Generator().manual_seed(torch_seed(seed, "geometry", "directions"))
    directions = unit_directions(width, DIRECTIONS, generator)
    own = _sigreg(torch.tensor(view), directions)  # (T,)
    drawn = [
        _sigreg(torch.randn(n, frames, width, generator=generator), directions)
        for _ in range(GAUSSIAN_DRAWS)
    ]
    for control, by_frame in ((None, own), ("gaussian", np.mean(drawn, axis=0))):
        keys = {"features": "z", "control": control}
        recorder.metric(checkpoint, "sigreg", Estimate(float(by_frame.mean()), n=n), **keys)
        of_all = [None] * frames  # a frame of all trajectories together
        recorder.rows(checkpoint, "sigreg", by_frame, of_all, np.arange(frames), **keys)


def _sigreg(latents: torch.Tensor, directions: torch.Tensor) -> np.ndarray:
    """Of each frame, one at a time: all at once would need N · T · M · 17 cosines in memory."""
    frames = latents.split(1, dim=1)
    return np.array([float(sigreg(frame, directions, KNOTS, RANGE)) for frame in frames])


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
