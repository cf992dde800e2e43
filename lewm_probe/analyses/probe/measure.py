"""Probing: which physical quantities can be read from a frozen latent, and how simply.

A probe is a small regression from latents to a quantity, trained on some trajectories and tested on
others (LeWorldModel, arXiv 2603.19312). What a linear probe reads, the latent lays out along
directions; what only an MLP reads is there but folded. Neither means much without its controls: the
mean, the time, principal components of the pictures, the same architecture with random weights,
and, for the MLP, a random function of the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lewm_probe.analyses.controls.random_networks import PixelPca, random_weights
from lewm_probe.analyses.engine.asked.checkpoint import Subject, check_all_fit, freeze
from lewm_probe.analyses.engine.asked.earlier_checkpoints import at_checkpoint, earlier_checkpoints
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.features import TokenPCA, encoded, pooled
from lewm_probe.analyses.engine.recorder import Ledger
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import Keys, Portions, Values
from lewm_probe.analyses.probe.extras import held_out_region, imagined_features, learning_curve
from lewm_probe.analyses.probe.fits import Fitter, Reading
from lewm_probe.analyses.probe.tasks import (
    Questions,
    Splits,
    Task,
    probe_trajectories,
    questions,
    tasks_of,
)
from lewm_probe.comparison.difference import write_differences
from lewm_probe.core.errors import unknown_name
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.results.result import Result
from lewm_probe.stats import bootstrap
from lewm_probe.worlds import World, make_world

CONTROLS = ("mean", "time_index", "pixel_pca", "random_weights")
"""Names that ``probe.controls`` may hold."""

SCATTER_POINTS = 400
"""Test frames whose true and predicted values are kept for figures, a quantity and model."""

CURVE_TRAIN, CURVE_TEST = 100, 60
"""Trajectories for each earlier checkpoint of a run: a curve needs a shape, not a last digit."""


def probe(
    subjects: Sequence[Subject],
    suite: Suite,
    *,
    cache: LatentCache,
    device: str = "cpu",
    progress: Progress | None = None,
    curve: bool = True,
) -> Result:
    """Read the suite's quantities from each subject's latents, linearly and with an MLP.

    Metrics, per quantity and features (``z``; ``cls`` where offered; ``z_pca`` for patch tokens;
    ``z_triplet`` for velocities; ``dz`` for ``<quantity>_change``): ``mse`` on z-scored targets,
    ``mse_sample_sd`` and, for MLPs, ``mse_seed_sd``; ``pearson_r``, ``r2``, ``rmse`` (root of the
    mean square over frames and axes) in the quantity's unit, or ``angle_error_deg``;
    ``selectivity`` of MLPs. Controls ``pixel_pca`` and ``random_weights`` stand in for ``z`` under
    the same features, ``random_cells`` for the quantity; ``mean`` and ``time_index`` have no
    features. Differences between models: ``mse`` with ``versus``. Raw rows: ``mse`` of every test
    trajectory; ``true`` and ``predicted`` of linear ``z`` on some test frames.

    Args:
        subjects: models with their names; those of one name with several training seeds count as
            one method in the differences.
        suite: what to ask.
        cache: of latents.
        device: where models and MLPs compute.
        progress: shows how far it is.
        curve: also read the earlier checkpoints of each run, linearly and on fewer trajectories.

    Raises:
        UsageError: a quantity or control that does not exist.
        UserError: a model that does not fit the world, or whose latents are not finite.
    """
    settings = suite.probe
    for control in settings.controls:
        if control not in CONTROLS:
            raise unknown_name("probe control", control, CONTROLS)
    world = make_world(suite.world)
    for name in settings.quantities:
        if name not in world.quantities:
            raise unknown_name("quantity", name, world.quantities)
    check_all_fit(subjects, world)
    for subject in subjects:
        freeze(subject.model, device)

    if not curve:
        subjects = [replace(subject, history=()) for subject in subjects]
    ledger = Ledger("probe", suite)
    portions = Portions(ledger, cache, device)
    draws = stream(suite.seed, "probe", "bootstrap")
    weights = bootstrap.resamples(settings.test, suite.statistics.bootstrap, draws)
    fitter = Fitter(suite, weights, device)
    shared: dict[tuple[object, ...], list[Reading]] = {}

    def read(own: Ledger, subject: Subject) -> Values:
        values = _read(own, subject, world, fitter, cache, shared)
        _curve(own, subject, earlier_checkpoints(subject), suite, cache)
        return values

    # One thread for BLAS: probes are many small products, where threads mostly wait for each
    # other, and sums come out the same on any number of cores.
    with (
        threadpool_limits(1, user_api="blas"),
        (progress or NoProgress()).task("probe", len(subjects)) as bar,
    ):
        values = []
        for subject in subjects:
            values.append(portions.of(subject, partial(read, subject=subject)))
            bar.advance()
        write_differences(ledger, "mse", subjects, values, weights)
    return ledger.result(subjects, settings.model_dump(mode="json"))


def _read(
    ledger: Ledger,
    subject: Subject,
    world: World,
    fitter: Fitter,
    cache: LatentCache,
    shared: dict[tuple[object, ...], list[Reading]],
) -> Values:
    """Everything about a checkpoint at its own step; its errors, for the differences."""
    suite = fitter.suite
    data = probe_trajectories(suite, subject.model.spec.image_size)
    asked = questions(data.map(lambda t: t.state), world.quantities, suite.probe.quantities)
    for sentence in asked.left_out:
        ledger.note(sentence)
    views = _views(subject, data, cache, suite.seed)
    readings = []
    for task in tasks_of(views, asked):
        readings += fitter.linear(task) + fitter.mlp(task)
    for reading in [*readings, *_controls(ledger, subject, data, asked, fitter, cache, shared)]:
        _write(ledger, subject, reading, data.test.ids)
    for reading in readings:
        if reading.features == "z" and reading.method == "linear":
            _write_scatter(ledger, subject, reading, data.test.ids)
    for reading, keys in (
        *imagined_features(subject, data, asked, fitter, cache),
        *learning_curve(views["z"], asked, fitter),
        *held_out_region(views["z"], asked, fitter),
    ):
        _write(ledger, subject, reading, data.test.ids, **keys)
    own = [r for r in readings if r.control is None]  # the others read random cells
    return {_key(r): r.scores.trajectory_mse for r in own}


def _views(
    subject: Subject, data: Splits[Trajectories], cache: LatentCache, seed: int
) -> dict[str, Splits[np.ndarray]]:
    """The model's own features of all splits, (N, T, D) each, ``z`` first."""
    latents = data.map(lambda t: encoded(subject, t.pixels, t.actions, cache))
    raw = latents.map(lambda found: found["z"])
    views = {"z": raw.map(lambda z: pooled(subject, z))}
    if raw.train.ndim == 4:
        views["z_pca"] = raw.map(TokenPCA(raw.train, torch_seed(seed, "token pca") % 2**32))
    if "cls" in latents.train:
        views["cls"] = latents.map(lambda found: found["cls"])
    return views


def _view(subject: Subject, trajectories: Trajectories, cache: LatentCache) -> np.ndarray:
    """The model's view ``z`` alone, (N, T, D)."""
    found = encoded(subject, trajectories.pixels, trajectories.actions, cache)
    return pooled(subject, found["z"])


def _controls(
    ledger: Ledger,
    subject: Subject,
    data: Splits[Trajectories],
    asked: Questions,
    fitter: Fitter,
    cache: LatentCache,
    shared: dict[tuple[object, ...], list[Reading]],
) -> list[Reading]:
    """Readings of the controls; what does not depend on a model's weights is fitted once."""
    suite = fitter.suite
    size, width = subject.model.spec.image_size, subject.model.spec.latent_width
    readings: list[Reading] = []

    def add(key: tuple[object, ...], make: Callable[[], list[Reading]]) -> None:
        if key not in shared:
            shared[key] = make()
        readings.extend(shared[key])

    def read(views: Splits[np.ndarray], control: str) -> list[Reading]:
        tasks = tasks_of({"z": views}, asked)
        return [r for t in tasks for r in (*fitter.linear(t, control), *fitter.mlp(t, control))]

    def pixels() -> list[Reading]:
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
            rival = random_weights(subject.model, data.train.pixels, seed=suite.seed)
            if rival is None:
                ledger.cannot_rebuild(subject, "the control random_weights")
                continue
            other = subject.at(rival)
            add(
                ("random_weights", rival.fingerprint),
                lambda other=other: read(  # type: ignore[misc]
                    data.map(lambda t: _view(other, t, cache)),
                    "random_weights",
                ),
            )
    return readings


def _write(
    ledger: Ledger, subject: Subject, reading: Reading, ids: Sequence[str], **keys: Any
) -> None:
    """The metrics of a reading, and its error on every test trajectory."""
    target = reading.target
    what: dict[str, Any] = {
        "subject": target.name,
        "features": reading.features,
        "method": reading.method,
        "control": reading.control,
    }
    for metric, estimate in reading.scores.estimates.items():
        unit = {"rmse": target.unit, "angle_error_deg": "deg"}.get(metric)
        ledger.metric(subject, metric, estimate, unit=unit, **what, **keys)
    if not keys:
        ledger.rows(subject, "mse", reading.scores.trajectory_mse, ids, **what)


def _key(reading: Reading) -> Keys:
    """What a reading of the model itself is of, as keys of its metrics."""
    what = (reading.target.name, reading.features, reading.method)
    return tuple(zip(("subject", "features", "method"), what, strict=True))


def _write_scatter(ledger: Ledger, subject: Subject, reading: Reading, ids: Sequence[str]) -> None:
    """True and predicted values of the same random test frames for every model and quantity."""
    true = reading.target.values  # (N, T, K)
    count, frames = true.shape[:2]
    rng = stream(ledger.suite.seed, "probe", "scatter")
    chosen = np.sort(rng.permutation(count * frames)[:SCATTER_POINTS])
    trajectory, frame = np.divmod(chosen, frames)
    names = [ids[i] for i in trajectory]
    guess = np.where(np.isfinite(true), reading.predicted.mean(axis=0), np.nan)
    what = {"subject": reading.target.name, "features": "z", "method": "linear"}
    for k, axis in enumerate(reading.target.axes):
        for metric, values in (("true", true), ("predicted", guess)):
            points = values[trajectory, frame, k]
            ledger.rows(subject, metric, points, names, frame, axis=axis, **what)


def _curve(
    ledger: Ledger,
    subject: Subject,
    history: Sequence[Path],
    suite: Suite,
    cache: LatentCache,
) -> None:
    """Linear probes of z at the earlier checkpoints of a run, on its first trajectories."""
    if not history:
        return
    whole = probe_trajectories(suite, subject.model.spec.image_size)
    train = whole.train.take(range(min(CURVE_TRAIN, len(whole.train))))
    test = whole.test.take(range(min(CURVE_TEST, len(whole.test))))
    data = Splits(train, test, test)  # linear probes use no validation trajectories
    quantities = make_world(suite.world).quantities
    asked = questions(data.map(lambda t: t.state), quantities, suite.probe.quantities)
    draws = stream(suite.seed, "probe", "curve bootstrap")
    weights = bootstrap.resamples(len(test), suite.statistics.bootstrap, draws)
    fitter = Fitter(suite, weights)
    for path in history:
        earlier = at_checkpoint(subject, path)
        views = data.map(lambda t, at=earlier: _view(at, t, cache))  # type: ignore[misc]
        for reading in fitter.linear(Task("z", views, asked.single)):
            _write(ledger, earlier, reading, test.ids)
