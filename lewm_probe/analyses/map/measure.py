"""Maps: does latent space lay places out as the world does?

A body is put at every place of a regular grid (LeWorldModel, arXiv 2603.19312, figure 13, shows
t-SNE of one in Push-T), the scene is photographed and encoded, and the latents are drawn in two
dimensions beside the grid. What the eye sees there is written down as numbers, of the whole latent
and of each view: who is whose neighbour (``neighbours``).

No number here has an interval. The places are all places of the grid, not a sample of some, and
neighbours of neighbouring places are nearly the same ones: resampling them would give an interval,
narrow and of nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from lewm_probe.analyses.controls.random_networks import random_weights
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.map.neighbours import (
    anyone,
    chances,
    distances,
    overlap,
    trustworthiness,
)
from lewm_probe.analyses.map.places import Grid, bodies_of, grid_of
from lewm_probe.analyses.map.settings import MapSettings
from lewm_probe.analyses.map.views import collapsed, components, tsne
from lewm_probe.core.errors import UsageError
from lewm_probe.core.seeding import torch_seed
from lewm_probe.stats.bootstrap import Estimate


class Space(NamedTuple):
    """Where the places of a grid lie in one space.

    Attributes:
        drawn: the chance of each to be among the k nearest of each other, by what is looked at:
            None for the whole space, then each view.
        views: two dimensions of it, (N, 2) by name; none where all places are one point.
        share: of the variance that the view ``pca`` holds.
    """

    drawn: dict[str | None, np.ndarray]
    views: dict[str, np.ndarray]
    share: float | None


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """Neighbours that a checkpoint's latents keep of each grid, and where the places lie.

    Metrics, ``subject`` the body, ``method`` null for the whole latent, else ``pca`` or ``tsne``:
    ``trustworthiness`` and ``neighbourhood_overlap``; ``pca_variance_share``, what two components
    hold of the variance; ``refused_places``. All but the last also for the controls
    ``random_weights`` (the same architecture untrained, batch norms fitted to these images) and
    ``pixel_space`` (grey levels), the first two for ``chance`` (neighbours drawn at random). Raw
    rows, ``frame`` the number of a place: ``place``, and of each control ``pca`` and ``tsne``, by
    axis.

    Raises:
        UsageError: a world without bodies that can be put somewhere, or a grid with too few places
            for the neighbours or the perplexity asked for.
        UserError: latents that are not finite.
    """
    settings: MapSettings = context.settings
    size = checkpoint.model.spec.image_size
    for body in bodies_of(context.world, settings.bodies):
        grid = _grid(context, body, size)
        apart = context.once(("map places", body, size), lambda at=grid.places: distances(at))  # type: ignore[misc]
        n, number = len(grid.places), np.arange(len(grid.places))
        recorder.metric(checkpoint, "refused_places", Estimate(grid.refused, n=n), subject=body)
        for axis, values in zip("xy", grid.places.T, strict=True):
            recorder.rows(checkpoint, "place", values, [None] * n, number, subject=body, axis=axis)
        for control, space in _spaces(checkpoint, context, recorder, grid):
            keys: dict[str, Any] = {"subject": body, "control": control}
            keys["features"] = "z" if control in (None, "random_weights") else None
            for method, drawn in space.drawn.items():
                for metric, of in (
                    ("trustworthiness", trustworthiness),
                    ("neighbourhood_overlap", overlap),
                ):
                    found = Estimate(of(apart, drawn, settings.neighbours), n=n)
                    recorder.metric(checkpoint, metric, found, method=method, **keys)
            if space.share is not None:
                share = Estimate(space.share, n=n)
                recorder.metric(checkpoint, "pca_variance_share", share, method="pca", **keys)
            for view, points in space.views.items():
                for axis, values in zip("12", points.T, strict=True):
                    recorder.rows(checkpoint, view, values, [None] * n, number, axis=axis, **keys)
    return {}


def _grid(context: Context, body: str, size: int) -> Grid:
    """The places of a body, enough of them for what is asked."""
    settings: MapSettings = context.settings

    def make() -> Grid:
        return grid_of(context.world, body, settings.grid, size, context.suite.seed)

    grid = context.once(("map grid", body, size), make)
    places, k = len(grid.places), settings.neighbours
    if 2 * k >= places or settings.perplexity >= places:
        raise UsageError(
            f"{context.world.name} accepts {places} places of '{body}' on a grid of "
            f"{settings.grid}, too few for {k} neighbours (more than {2 * k} places) and a "
            f"perplexity of {settings.perplexity:g} (more than as many). Raise --grid, or lower "
            "--neighbours or --perplexity."
        )
    return grid


def _spaces(
    checkpoint: Checkpoint, context: Context, recorder: ResultRecorder, grid: Grid
) -> Iterator[tuple[str | None, Space]]:
    """Control (None: the model itself) and the space that places lie in."""
    k, n = context.settings.neighbours, len(grid.places)
    own = _space(_latents(checkpoint, grid, context), context)
    if not own.views:
        recorder.note(
            f"{checkpoint.label}: its latents are the same for all places of {grid.body} up to "
            "rounding, so that there are no views of them and neighbours are what chance has."
        )
    yield None, own
    # All images at once, as one trajectory: batch norms see every place.
    baseline = random_weights(checkpoint.model, grid.pixels[None], seed=context.suite.seed)
    if baseline is None:
        recorder.cannot_reinitialise(checkpoint, "the control random_weights")
    else:
        other = checkpoint.at(baseline)
        yield (
            "random_weights",
            context.once(
                ("map random", grid.body, baseline.fingerprint),
                lambda: _space(_latents(other, grid, context), context),
            ),
        )
    yield (
        "pixel_space",
        context.once(
            ("map pixels", grid.body, checkpoint.model.spec.image_size),
            lambda: _space(grid.pixels.reshape(n, -1), context),
        ),
    )
    yield "chance", Space({None: anyone(n, k)}, {}, None)


def _space(points: np.ndarray, context: Context) -> Space:
    """Neighbours and views of points (N, D)."""
    settings: MapSettings = context.settings
    k = settings.neighbours
    if collapsed(points):
        return Space({None: anyone(len(points), k)}, {}, None)
    seed = torch_seed(context.suite.seed, "map views")
    flat, share = components(points, 2, seed)
    if flat.shape[1] < 2:  # latents of width 1
        flat = np.pad(flat, ((0, 0), (0, 1)))
    views = {"pca": flat, "tsne": tsne(points, settings.perplexity, seed)}
    looked: list[tuple[str | None, np.ndarray]] = [(None, points), *views.items()]
    return Space({at: chances(distances(one), k) for at, one in looked}, views, share)


def _latents(checkpoint: Checkpoint, grid: Grid, context: Context) -> np.ndarray:
    """The view z of each place, (N, D).

    A recurrent model gets each image as the first of a sequence.
    """
    pixels = grid.pixels[:, None]  # (N, 1, H, W, C)
    still = np.zeros((len(pixels), 1, checkpoint.model.spec.action_width), np.float32)
    return pooled(checkpoint, encoded(checkpoint, pixels, still, context.cache)["z"])[:, 0]
