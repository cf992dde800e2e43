"""Probing: which physical quantities can be read from a frozen latent, and how simply.

A probe is a small regression from latents to a quantity, trained on some trajectories and tested on
others (LeWorldModel, arXiv 2603.19312). What a linear probe reads, the latent lays out along
directions; what only an MLP reads is there but folded. Neither means much without its controls: the
mean, the time, principal components of the images, the same architecture with random weights,
and, for the MLP, a random function of the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lewm_probe.analyses.controls.random_networks import PixelPca, random_weights
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.earlier_checkpoints import at_checkpoint, earlier_checkpoints
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import TokenPCA, encoded, pooled
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.probe.extras import held_out_region, imagined_features, learning_curve
from lewm_probe.analyses.probe.fits import ProbeFitter, ProbeResult
from lewm_probe.analyses.probe.sums import sum_rows, target_rows
from lewm_probe.analyses.probe.tasks import (
    ProbeTargets,
    ProbeTask,
    Splits,
    probe_trajectories,
    questions,
    tasks_of,
)
from lewm_probe.analyses.probe.verdict_tests import write_tests
from lewm_probe.analyses.readout.targets import check_quantities
from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.core.errors import unknown_name
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.stats import bootstrap

CONTROLS = ("mean", "time_index", "pixel_pca", "random_weights")
"""Names that ``probe.controls`` may hold."""

SCATTER_POINTS = 400
"""Test frames whose true and predicted values are kept for figures, a quantity and model."""

CURVE_TRAIN, CURVE_TEST = 100, 60
"""Trajectories for each earlier checkpoint of a run: a curve needs a shape, not a last digit."""


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """Read the suite's quantities from a checkpoint's latents, linearly and with an MLP.

    Metrics, per quantity and features (``z``; ``cls`` where offered; ``z_pca`` for patch tokens;
    ``z_triplet`` for velocities; ``dz`` for ``<quantity>_change``): ``mse`` on z-scored targets,
    ``mse_sample_sd`` and, for MLPs, ``mse_seed_sd``; ``pearson_r``, ``r2``, ``rmse`` (root of the
    mean square over frames and axes) in the quantity's unit, or ``angle_error_deg``;
    ``selectivity`` of MLPs. Controls ``pixel_pca`` and ``random_weights`` stand in for ``z`` under
    the same features, ``random_cells`` for the quantity; ``mean`` and ``time_index`` have no
    features. Tests that verdicts rest on: ``probe.verdict_tests``. Compared between models:
    ``mse``. Raw rows: ``mse`` of every test trajectory and the sums that all scores follow from
    (``probe.sums``); ``true`` and ``predicted`` of linear ``z`` on some test frames. Earlier
    checkpoints of the run are read linearly and on fewer trajectories.

    Raises:
        UsageError: a quantity or control that does not exist.
        UserError: latents that are not finite.
    """
    for control in context.settings.controls:
        if control not in CONTROLS:
            raise unknown_name("probe control", control, CONTROLS)
    check_quantities(context.settings.quantities, context.world.quantities)
    weights = context.resamples(context.settings.test)
    fitter = ProbeFitter(context.suite, weights, context.device)
    samples = _read(recorder, checkpoint, fitter, context)
    _curve(recorder, checkpoint, earlier_checkpoints(checkpoint), context)
    return samples


def _read(
    recorder: ResultRecorder, checkpoint: Checkpoint, fitter: ProbeFitter, context: Context
) -> Samples:
    """Everything about a checkpoint at its own step; its errors, for the differences."""
    suite, cache = context.suite, context.cache
    data = probe_trajectories(suite, checkpoint.model.spec.image_size)
    ids = data.test.ids
    quantities = context.world.quantities
    asked = questions(data.map(lambda t: t.state), quantities, suite.probe.quantities)
    for sentence in asked.left_out:
        recorder.note(sentence)
    views = _views(checkpoint, data, cache, suite.seed)
    tasks = tasks_of(views, asked)
    fits = len(tasks) + _control_fits(tasks, suite.probe.controls)
    epochs = fits * suite.probe.mlp.max_epochs
    readings = []
    with context.progress.task(f"Training probes of {checkpoint.label}", epochs) as bar:
        fitter = replace(fitter, told=bar.advance)
        for task in tasks:
            readings += fitter.linear(task) + fitter.mlp(task)
        controls = _controls(recorder, checkpoint, data, asked, fitter, context)
    told = set()
    for reading in [*readings, *controls]:
        _write(recorder, checkpoint, reading, ids)
        sums, target, what = reading.scores.sums, reading.target, _what(reading)
        sum_rows(recorder, checkpoint, sums, target, ids, **what)
        cells = "random_cells" if reading.control == "random_cells" else None
        if (target.name, cells) not in told:
            told.add((target.name, cells))
            target_rows(recorder, checkpoint, sums, target, ids, subject=target.name, control=cells)
    write_tests(recorder, checkpoint, readings, controls)
    for reading in readings:
        if reading.features == "z" and reading.method == "linear":
            _write_scatter(recorder, checkpoint, reading, ids)
    for reading, keys in (
        *imagined_features(checkpoint, data, asked, fitter, cache),
        *learning_curve(views["z"], asked, fitter),
        *held_out_region(views["z"], asked, fitter),
    ):
        _write(recorder, checkpoint, reading, ids, **keys)
    own = [r for r in readings if r.control is None]  # the others read random cells
    return {_key(r): Sample.of(ids, r.scores.trajectory_mse, statistic="mean") for r in own}


def _control_fits(tasks: Sequence[ProbeTask], controls: Sequence[str]) -> int:
    """How often controls fit the MLPs of a task, if none of them is known yet."""
    of_z = sum(task.features in ("z", "z_triplet", "dz") for task in tasks)
    return of_z * len({"pixel_pca", "random_weights"} & set(controls))


def _views(
    checkpoint: Checkpoint, data: Splits[Trajectories], cache: LatentCache, seed: int
) -> dict[str, Splits[np.ndarray]]:
    """The model's own features of all splits, (N, T, D) each, ``z`` first."""
    latents = data.map(lambda t: encoded(checkpoint, t.pixels, t.actions, cache))
    raw = latents.map(lambda found: found["z"])
    views = {"z": raw.map(lambda z: pooled(checkpoint, z))}
    if raw.train.ndim == 4:
        views["z_pca"] = raw.map(TokenPCA(raw.train, torch_seed(seed, "token pca") % 2**32))
    if "cls" in latents.train:
        views["cls"] = latents.map(lambda found: found["cls"])
    return views


def _view(checkpoint: Checkpoint, trajectories: Trajectories, cache: LatentCache) -> np.ndarray:
    """The model's view ``z`` alone, (N, T, D)."""
    found = encoded(checkpoint, trajectories.pixels, trajectories.actions, cache)
    return pooled(checkpoint, found["z"])


def _controls(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    data: Splits[Trajectories],
    asked: ProbeTargets,
    fitter: ProbeFitter,
    context: Context,
) -> list[ProbeResult]:
    """Readings of the controls; what does not depend on a model's weights is fitted once."""
    suite = fitter.suite
    size, width = checkpoint.model.spec.image_size, checkpoint.model.spec.latent_width
    readings: list[ProbeResult] = []

    def add(key: tuple[object, ...], make: Callable[[], list[ProbeResult]]) -> None:
        readings.extend(context.once(("control", *key), make))

    def read(views: Splits[np.ndarray], control: str) -> list[ProbeResult]:
        tasks = tasks_of({"z": views}, asked)
        return [r for t in tasks for r in (*fitter.linear(t, control), *fitter.mlp(t, control))]

    def pixels() -> list[ProbeResult]:
        pca = PixelPca.fit(data.train.pixels, width, seed=suite.seed)
        return read(data.map(lambda t: pca(t.pixels)), "pixel_pca")

    for control in suite.probe.controls:
        if control == "mean":
            add(("mean",), lambda: fitter.mean(asked))
        elif control == "time_index":
            add(("time_index",), lambda: fitter.time_index(asked))
        elif control == "pixel_pca":
            add(("pixel_pca", size, width), pixels)
        else:
            baseline = random_weights(checkpoint.model, data.train.pixels, seed=suite.seed)
            if baseline is None:
                recorder.cannot_reinitialise(checkpoint, "the control random_weights")
                continue
            other = checkpoint.at(baseline)
            add(
                ("random_weights", baseline.fingerprint),
                lambda other=other: read(  # type: ignore[misc]
                    data.map(lambda t: _view(other, t, context.cache)),
                    "random_weights",
                ),
            )
    return readings


def _write(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    reading: ProbeResult,
    ids: Sequence[str],
    **keys: Any,
) -> None:
    """The metrics of a reading, and its error on every test trajectory."""
    target = reading.target
    what = _what(reading)
    for metric, estimate in reading.scores.estimates.items():
        unit = {"rmse": target.unit, "angle_error_deg": "deg"}.get(metric)
        recorder.metric(checkpoint, metric, estimate, unit=unit, **what, **keys)
    if not keys:
        recorder.rows(checkpoint, "mse", reading.scores.trajectory_mse, ids, **what)


def _what(reading: ProbeResult) -> dict[str, Any]:
    return {
        "subject": reading.target.name,
        "features": reading.features,
        "method": reading.method,
        "control": reading.control,
    }


def _key(reading: ProbeResult) -> Key:
    """What a reading of the model itself is of, as keys of its metrics."""
    what = (reading.target.name, reading.features, reading.method, "mse")
    return tuple(zip(("subject", "features", "method", "metric"), what, strict=True))


def _write_scatter(
    recorder: ResultRecorder, checkpoint: Checkpoint, reading: ProbeResult, ids: Sequence[str]
) -> None:
    """True and predicted values of the same random test frames for every model and quantity."""
    true = reading.target.values  # (N, T, K)
    count, frames = true.shape[:2]
    rng = stream(recorder.suite.seed, "probe", "scatter")
    chosen = np.sort(rng.permutation(count * frames)[:SCATTER_POINTS])
    trajectory, frame = np.divmod(chosen, frames)
    names = [ids[i] for i in trajectory]
    guess = np.where(np.isfinite(true), reading.predicted.mean(axis=0), np.nan)
    what = {"subject": reading.target.name, "features": "z", "method": "linear"}
    for k, axis in enumerate(reading.target.axes):
        for metric, values in (("true", true), ("predicted", guess)):
            points = values[trajectory, frame, k]
            recorder.rows(checkpoint, metric, points, names, frame, axis=axis, **what)


def _curve(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    context: Context,
) -> None:
    """Linear probes of z at the earlier checkpoints of a run, on its first trajectories."""
    if not paths:
        return
    suite = context.suite
    whole = probe_trajectories(suite, checkpoint.model.spec.image_size)
    train = whole.train.take(range(min(CURVE_TRAIN, len(whole.train))))
    test = whole.test.take(range(min(CURVE_TEST, len(whole.test))))
    data = Splits(train, test, test)  # linear probes use no validation trajectories
    quantities = context.world.quantities
    asked = questions(data.map(lambda t: t.state), quantities, suite.probe.quantities)
    draws = stream(suite.seed, "probe", "curve bootstrap")
    weights = bootstrap.resamples(len(test), suite.statistics.bootstrap, draws)
    fitter = ProbeFitter(suite, weights)
    name = f"Earlier checkpoints of {checkpoint.label}"
    with context.progress.task(name, len(paths)) as bar:
        for path in paths:
            earlier = at_checkpoint(checkpoint, path)
            views = data.map(lambda t, at=earlier: _view(at, t, context.cache))  # type: ignore[misc]
            for reading in fitter.linear(ProbeTask("z", views, asked.single)):
                _write(recorder, earlier, reading, test.ids)
            bar.advance()
