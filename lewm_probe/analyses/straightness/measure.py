"""Straightness: do latents move along straight lines when the world moves on?

S = mean over trajectories and time of cos(v_t, v_{t+1}), v_t = z_{t+1} − z_t (LeWorldModel, arXiv
2603.19312, where it rises over training though no loss asks for it). Cosine ignores scale, so a
collapsed latent looks straight too: effective rank and what a linear probe reads stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lewm_probe.analyses.controls.random_networks import random_weights
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.earlier_checkpoints import (
    CURVE_TRAJECTORIES,
    at_checkpoint,
    earlier_checkpoints,
)
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded, pooled
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.readout.linear import fit_linear
from lewm_probe.analyses.readout.rows import error_rows
from lewm_probe.analyses.readout.scaling import Scaler
from lewm_probe.analyses.readout.scores import score
from lewm_probe.analyses.readout.targets import body_positions, targets_of, varying
from lewm_probe.analyses.straightness.paths import (
    Turns,
    noise_straightness,
    overall_sd,
    per_trajectory,
    turns,
)
from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.core.seeding import stream
from lewm_probe.stats import bootstrap
from lewm_probe.stats.bootstrap import Estimate
from lewm_probe.stats.paired import paired_t
from lewm_probe.stats.spectrum import rank_estimate
from lewm_probe.worlds import make_world

CONTACT = "contact"
"""A world that knows contact has a quantity of this name, above ½ while bodies touch."""

VERSUS = ("pixel_space", "random_weights", "state_space")
"""Controls whose straightness is taken off the model's own, trajectory by trajectory."""

BEATEN = ("pixel_space", "random_weights")
"""Those that straight paths must be straighter than."""


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """Straightness and local curvature of a checkpoint's latent paths, over training too.

    Paths are whole unperturbed trajectories: ``method`` ``encoded``, and ``imagined``: one
    open-loop rollout from the first H frames to the end, of which only the imagined latents count.
    Metrics for each stride: ``cosine`` (mean over time, then over trajectories),
    ``curvature_deg``, ``masked_share`` of turns whose steps are too short to have a direction;
    split by ``window`` ``contact`` and ``free`` where the world knows contact. Controls:
    ``random_weights``, ``time_shuffled`` (the same latents in random order), ``pixel_space``,
    ``state_space`` (positions of the bodies), ``iid_noise`` (the expected value for independent
    Gaussian noise of the latents' width). Beside them: ``effective_rank``, and ``r2`` of a linear
    probe of each body's position, trained on one half of the trajectories and tested on the other.
    At stride 1 ``cosine_over_<control>``, with ``versus`` that control: how much straighter than
    pixels, random weights and the true state; and the tests that verdicts rest on, one-sided and
    paired over trajectories: ``p_noticed`` (straighter than pixels), ``p_beyond`` (than random
    weights too). Compared between models: ``cosine``. Raw rows: what each number is the mean of,
    by trajectory; pseudo-values of the ranks; the sums that R² follows from.

    Raises:
        UserError: latents that are not finite.
    """
    whole = context.trajectories(checkpoint, "clean")
    spaces = context.once(("spaces", whole.size), lambda: _Spaces(whole, context))
    samples = _whole(recorder, checkpoint, whole, spaces, context)
    some = whole.take(range(min(CURVE_TRAJECTORIES, len(whole))))
    draws = stream(context.suite.seed, "straightness", "curve bootstrap")
    weights = bootstrap.resamples(len(some), context.suite.statistics.bootstrap, draws)
    paths = earlier_checkpoints(checkpoint)
    with context.progress.task(f"Earlier checkpoints of {checkpoint.label}", len(paths)) as bar:
        for path in paths:
            earlier = at_checkpoint(checkpoint, path)
            _, view = _paths(recorder, earlier, some, context, whole=False)
            _beside(recorder, earlier, view, some, spaces.positions, weights, whole=False)
            bar.advance()
    return samples


class _Spaces:
    """What does not depend on the model: paths of pixels and of the true state."""

    def __init__(self, trajectories: Trajectories, context: Context) -> None:
        self.positions = body_positions(context.world)
        settings = context.settings
        strides = [s for s in settings.strides if trajectories.frames > 2 * s]
        self.turns: dict[str, dict[int, Turns]] = {"pixel_space": {}}
        flat = trajectories.pixels.reshape(len(trajectories), trajectories.frames, -1)
        scale = float(np.sqrt(flat.var(axis=(0, 1), dtype=np.float64).mean()))
        for stride in strides:
            # A trajectory at a time: images as floats are large.
            each = [turns(flat[[i]], stride, settings.epsilon, scale) for i in range(len(flat))]
            self.turns["pixel_space"][stride] = Turns(
                *(np.concatenate(parts) for parts in zip(*each, strict=True))
            )
        if self.positions:
            state = np.concatenate([trajectories.state[name] for name in self.positions], axis=-1)
            self.turns["state_space"] = {s: turns(state, s, settings.epsilon) for s in strides}


def _whole(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    trajectories: Trajectories,
    spaces: _Spaces,
    context: Context,
) -> Samples:
    """Everything about a checkpoint at its own step; its cosines, for the differences."""
    suite, weights = recorder.suite, context.resamples(len(trajectories))
    ids = trajectories.ids
    samples, view = _paths(recorder, checkpoint, trajectories, context)
    _beside(recorder, checkpoint, view, trajectories, spaces.positions, weights)
    controls: dict[str, np.ndarray] = {}  # S of each trajectory at stride 1
    for control, by_stride in spaces.turns.items():
        for stride, turned in by_stride.items():
            _write(recorder, checkpoint, turned, ids, stride=stride, control=control)
            if stride == 1:
                controls[control] = per_trajectory(turned.cosine)
    order = stream(suite.seed, "straightness", "shuffle").permuted(
        np.broadcast_to(np.arange(view.shape[1]), view.shape[:2]), axis=1
    )
    paths = {"time_shuffled": np.take_along_axis(view, order[..., None], axis=1)}
    baseline = random_weights(checkpoint.model, trajectories.pixels, seed=suite.seed)
    if baseline is None:
        recorder.cannot_reinitialise(checkpoint, "the control random_weights")
    else:
        other = checkpoint.at(baseline)
        found = encoded(other, trajectories.pixels, trajectories.actions, context.cache)
        paths["random_weights"] = pooled(other, found["z"])
    for control, path in paths.items():
        for stride in _strides(suite, path):
            turned = turns(path, stride, suite.straightness.epsilon)
            keys: dict[str, Any] = {"features": "z", "method": "encoded", "stride": stride}
            _write(recorder, checkpoint, turned, ids, control=control, **keys)
            if stride == 1:
                controls[control] = per_trajectory(turned.cosine)
    _compare(recorder, checkpoint, samples, controls)
    for stride in _strides(suite, view):
        level = Estimate(noise_straightness(view.shape[-1]))
        keys = {"features": "z", "method": "encoded", "stride": stride, "control": "iid_noise"}
        recorder.metric(checkpoint, "cosine", level, **keys)
    return samples


def _compare(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    samples: Samples,
    controls: Mapping[str, np.ndarray],
) -> None:
    """How much straighter encoded paths are than each control's, and whether that is shown."""
    keys: dict[str, Any] = {"features": "z", "method": "encoded", "stride": 1}
    own = samples.get((*keys.items(), ("metric", "cosine")))
    if own is None:
        return
    straightness = own.values[0].to_numpy()
    p_values: dict[str, float | None] = {}
    for control in VERSUS:
        if control not in controls:
            continue
        more = straightness - controls[control]
        estimate = bootstrap.mean(more, recorder.suite.statistics.confidence)
        recorder.metric(checkpoint, f"cosine_over_{control}", estimate, versus=control, **keys)
        if control in BEATEN:
            p_values[control] = paired_t(more[np.isfinite(more)], one_sided=True)
    n, every = int(np.isfinite(straightness).sum()), list(p_values.values())
    beyond = None if None in every else max((p for p in every if p is not None), default=None)
    for metric, p in (("p_noticed", p_values.get("pixel_space")), ("p_beyond", beyond)):
        recorder.metric(checkpoint, metric, Estimate(p, n=n), **keys)


def _paths(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    trajectories: Trajectories,
    context: Context,
    *,
    whole: bool = True,
) -> tuple[Samples, np.ndarray]:
    """Write encoded and imagined paths down; their cosines and the encoded view (N, T, D).

    Of a curve over training (not ``whole``), cosines alone have rows.
    """
    suite = recorder.suite
    pixels, actions = trajectories.pixels, trajectories.actions
    latents = encoded(checkpoint, pixels, actions, context.cache)["z"]
    view = pooled(checkpoint, latents)
    paths = {"encoded": view}
    first = {"encoded": 0}
    horizon = trajectories.frames - checkpoint.model.spec.history
    if horizon >= 3:  # two steps make a turn
        imagined = imagine(checkpoint, latents, actions, horizon, places=1)
        paths["imagined"] = pooled(checkpoint, imagined.latents[:, 0])
        first["imagined"] = int(imagined.frames()[0, 0])
    contact = trajectories.state.get(CONTACT)
    scale = overall_sd(view)
    ids = trajectories.ids
    samples: dict[Key, Sample] = {}
    for method, path in paths.items():
        for stride in _strides(suite, path):
            turned = turns(path, stride, suite.straightness.epsilon, scale)
            keys: dict[str, Any] = {"features": "z", "method": method, "stride": stride}
            cosines = per_trajectory(turned.cosine)
            key = (*keys.items(), ("metric", "cosine"))
            samples[key] = Sample.of(ids, cosines, statistic="mean")
            _write(recorder, checkpoint, turned, ids if whole else None, **keys)
            if not whole:
                recorder.rows(checkpoint, "cosine", cosines, ids, **keys)
            if contact is None:
                continue
            begin = first[method] + stride  # the frame of the first turn
            touching = contact[:, begin : begin + turned.cosine.shape[1], 0] > 0.5
            for window, chosen in (("contact", touching), ("free", ~touching)):
                part = Turns(*(np.where(chosen, angle, np.nan) for angle in turned))
                kept = ids if whole else None
                _write(recorder, checkpoint, part, kept, chosen, window=window, **keys)
    return samples, view


def _write(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    turned: Turns,
    ids: Sequence[str] | None,
    counted: np.ndarray | None = None,
    **keys: Any,
) -> None:
    """Cosine, curvature and masked share; ``counted`` says which turns are asked about, (N, T).

    With ``ids`` of the trajectories also their rows.
    """
    confidence = recorder.suite.statistics.confidence
    masked = np.isnan(turned.cosine).astype(float)
    if counted is not None:
        masked = np.where(counted, masked, np.nan)
    for metric, values in (
        ("cosine", turned.cosine),
        ("curvature_deg", turned.degrees),
        ("masked_share", masked),
    ):
        each = per_trajectory(values)
        unit = "deg" if metric == "curvature_deg" else None
        estimate = bootstrap.mean(each, confidence)
        recorder.metric(checkpoint, metric, estimate, unit=unit, **keys)
        if ids is not None:
            recorder.rows(checkpoint, metric, each, ids, **keys)


def _beside(
    recorder: ResultRecorder,
    checkpoint: Checkpoint,
    view: np.ndarray,
    trajectories: Trajectories,
    positions: Sequence[str],
    weights: np.ndarray,
    *,
    whole: bool = True,
) -> None:
    """Effective rank, and what a linear probe trained on half of the trajectories reads."""
    confidence = recorder.suite.statistics.confidence
    rank, pseudo = rank_estimate(view, confidence)
    recorder.metric(checkpoint, "effective_rank", rank, features="z")
    if whole:
        ids = trajectories.ids
        recorder.rows(checkpoint, "reciprocal_effective_rank", pseudo, ids, features="z")
    half = len(view) // 2
    quantities = make_world(recorder.suite.world).quantities
    for target in targets_of(trajectories.state, quantities, positions):
        train, _ = varying(target.of(slice(None, half)))
        if train is None or len(train.axes) < len(target.axes):
            continue
        fitted = fit_linear(view[:half], train.values, recorder.suite.probe.linear)
        test = target.of(slice(half, None))
        predicted = fitted.predict(view[half:])[None]
        scaler = Scaler.fit(train.values.reshape(-1, train.values.shape[-1]))
        later = weights[:, half:]
        total = later.sum(axis=1, keepdims=True)
        shares = np.divide(later, total, out=np.zeros_like(later), where=total > 0)
        scores = score(test, predicted, scaler, shares, confidence)
        keys = {"subject": target.name, "features": "z", "method": "linear"}
        recorder.metric(checkpoint, "r2", scores.estimates["r2"], **keys)
        if whole:
            tested = trajectories.ids[half:]
            error_rows(recorder, checkpoint, test, scores.sums, tested, **keys)


def _strides(suite: Suite, path: np.ndarray) -> list[int]:
    """The suite's strides of which a path (N, T, D) holds at least one turn."""
    return [stride for stride in suite.straightness.strides if path.shape[1] > 2 * stride]
