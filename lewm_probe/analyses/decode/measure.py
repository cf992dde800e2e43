"""Decoding: what would a picture of these latents look like, and what can be read off it?

A decoder (``models/nn/decoder``, LeWorldModel, arXiv 2603.19312, figures 7, 9 and 10) is trained on
latents and frames of the probe's training trajectories, and draws what it was never shown: frames
of clean trajectories, what the model imagines of them, and what it expected to see where a body was
then teleported. It draws what the latents determine about its training frames, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lewm_probe.analyses.controls.random_networks import random_weights
from lewm_probe.analyses.decode import names
from lewm_probe.analyses.decode.drawing import Artist, artist_of
from lewm_probe.analyses.decode.expected import violated, violation
from lewm_probe.analyses.decode.likeness import check_installed, psnr, ssim
from lewm_probe.analyses.decode.readers import Readers, fit_readers, r2_sample
from lewm_probe.analyses.decode.settings import DecodeSettings
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.earlier_checkpoints import at_checkpoint, earlier_checkpoints
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.features import encoded
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.readout.rows import error_rows
from lewm_probe.analyses.readout.scores import score
from lewm_probe.analyses.readout.targets import Target, check_quantities
from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.stats import bootstrap

FRAMES, PLACES = 4, 2
"""Frames of each clean trajectory that are drawn again, and contexts that rollouts start from,
evenly spaced; averaged before anything else."""


def measure(checkpoint: Checkpoint, context: Context, recorder: ResultRecorder) -> Samples:
    """How like held-out frames a checkpoint's decoded latents are, and what is read off them.

    Metrics without ``horizon`` of frames drawn from their own latents, with one of what was
    imagined so many blocks ahead: ``psnr`` (dB) and ``ssim``; ``r2`` of each quantity that is no
    velocity, ``method`` ``linear`` and ``mlp``, read off the pictures by probes of true ones.
    Controls: ``random_weights`` (a decoder of the same architecture's latents without training),
    ``mean`` (the mean training picture), ``true_pictures`` (what the probes read off those), and of
    rollouts ``copy_last`` (the last true frame again) and ``encoded`` (the frame itself, drawn from
    its own latent). ``psnr`` and ``ssim`` also at earlier checkpoints where
    ``decode.over_training`` asks for some. Raw rows: both of every trajectory, and the sums that R²
    follows from. Pictures: strips named by ``names``.

    Raises:
        UsageError: scikit-image is missing, patches that do not fill the image, or a quantity that
            the world does not know.
        UserError: latents that are not finite, or trajectories shorter than H + 1 frames.
    """
    check_installed()
    check_quantities(context.suite.probe.quantities, context.world.quantities)
    scene = _Scene(checkpoint, context, recorder, context.trajectories(checkpoint, "clean"), {})
    artist = artist_of(checkpoint, context)
    latents = _latents(checkpoint, scene.clean, context)
    _frames(scene, artist, latents)
    _rollouts(scene, artist, latents)
    _violations(scene, artist)
    _over_training(scene)
    return scene.samples


@dataclass(frozen=True)
class _Scene:
    """What all that is drawn of a checkpoint shares; samples are collected in it."""

    checkpoint: Checkpoint
    context: Context
    recorder: ResultRecorder
    clean: Trajectories
    samples: dict[Key, Sample]

    @property
    def settings(self) -> DecodeSettings:
        found: DecodeSettings = self.context.settings
        return found

    def readers(self) -> Readers:
        """Probes of true pictures at this size, fitted once for all checkpoints."""
        context, checkpoint = self.context, self.checkpoint

        def fit() -> Readers:
            train, validation = (
                context.trajectories(checkpoint, purpose)
                for purpose in ("probe-train", "probe-validation")
            )
            parts = self.settings.components
            return fit_readers(
                context.world, train, validation, context.suite, parts, context.device
            )

        return context.once(("decode readers", checkpoint.model.spec.image_size), fit)

    def like(
        self, drawn: np.ndarray, true: np.ndarray, of: Checkpoint | None = None, **keys: Any
    ) -> None:
        """Write down how alike pictures (N, E, H, W, C) are, by trajectory and on average."""
        own, confidence = of or self.checkpoint, self.context.suite.statistics.confidence
        keys = {"features": "z", **keys}
        for metric, measured in (("psnr", psnr), ("ssim", ssim)):
            values = measured(drawn, true).mean(axis=1)
            unit = "dB" if metric == "psnr" else None
            mean = bootstrap.mean(values, confidence)
            self.recorder.metric(own, metric, mean, unit=unit, **keys)
            self.recorder.rows(own, metric, values, self.clean.ids[: len(values)], **keys)
            if of is None and keys.get("control") is None:
                key = (*keys.items(), ("metric", metric))
                self.samples[key] = Sample.of(self.clean.ids, values, statistic="mean")

    def read(self, pictures: np.ndarray, frames: np.ndarray, **keys: Any) -> None:
        """Write down what is read off pictures (N, E, H, W, C) of the frames (E,)."""
        suite, readers, clean = self.context.suite, self.readers(), self.clean
        answers = readers.answers(self.context.world, clean)
        weights = self.context.resamples(len(clean))
        for (quantity, method), (guess, scaler) in readers.read(pictures).items():
            target = _at(answers[quantity], frames)
            scores = score(target, guess, scaler, weights, suite.statistics.confidence)
            what = {"subject": quantity, "features": "z", "method": method, **keys}
            self.recorder.metric(self.checkpoint, "r2", scores.estimates["r2"], **what)
            sums = scores.sums
            squares, product = sums.predicted_squared.mean(axis=0), sums.product.mean(axis=0)
            sums = sums._replace(predicted_squared=squares[None], product=product[None])
            error_rows(self.recorder, self.checkpoint, target, sums, clean.ids, **what)
            if keys.get("control") is None:
                wrong = sums.true_squared - 2 * product + squares  # (N, K), the mean over seeds
                sample = r2_sample(clean.ids, sums.frames, sums.true, sums.true_squared, wrong)
                self.samples[(*what.items(), ("metric", "r2"))] = sample

    def show(
        self, kind: str, strip: np.ndarray, case: int = 0, of: Checkpoint | None = None
    ) -> None:
        """Keep a strip uint8 (T, H, W, C) with the results."""
        who = (of or self.checkpoint).identity
        name = names.strip_name(
            kind, self.clean.world, who["model"], who["train_seed"], who["step"], case
        )
        self.recorder.images[name] = strip


def _frames(scene: _Scene, artist: Artist, latents: np.ndarray) -> None:
    """Held-out frames, drawn from their own latents."""
    clean = scene.clean
    at = _spread(clean.frames, FRAMES)
    true = clean.pixels[:, at]
    drawn = artist.draw(latents[:, at])
    scene.like(drawn, true)
    scene.read(drawn, at)
    scene.like(np.broadcast_to(artist.mean, true.shape), true, control="mean")
    scene.read(true, at, control="true_pictures")
    places = _shown(scene)
    scene.show(names.TRUE + names.FRAMES, clean.pixels[places])
    scene.show(names.FRAMES, artist.draw(latents[places][:, None])[:, 0])
    if not scene.settings.random_weights:
        return
    # The weights and batch norms of other analyses' random networks.
    train = scene.context.trajectories(scene.checkpoint, "probe-train")
    seed = scene.context.suite.seed
    baseline = random_weights(scene.checkpoint.model, train.pixels, seed=seed)
    if baseline is None:
        scene.recorder.cannot_reinitialise(scene.checkpoint, "the control random_weights")
        return
    other = scene.checkpoint.at(baseline)
    untrained = artist_of(other, scene.context, "random weights")
    theirs = _latents(other, clean, scene.context)
    drawn = untrained.draw(theirs[:, at])
    scene.like(drawn, true, control="random_weights")
    scene.read(drawn, at, control="random_weights")
    scene.show(names.FRAMES + "-random", untrained.draw(theirs[places][:, None])[:, 0])


def _rollouts(scene: _Scene, artist: Artist, latents: np.ndarray) -> None:
    """What is imagined so many blocks ahead."""
    clean, checkpoint = scene.clean, scene.checkpoint
    asked = sorted(set(scene.settings.horizons))
    longest = clean.frames - checkpoint.model.spec.history
    horizons = [k for k in asked if k <= longest] or asked[:1]
    if horizons != asked:
        scene.recorder.note(
            f"Decoded rollouts of {checkpoint.label} go up to {longest} blocks: trajectories of "
            f"{clean.frames} frames, of which it first sees {checkpoint.model.spec.history}, hold "
            "no more."
        )
    imagined = imagine(checkpoint, latents, clean.actions, max(horizons), PLACES)
    frames, ends = imagined.frames(), imagined.ends
    last = clean.pixels[:, ends]
    for k in horizons:
        there = frames[:, k - 1]
        true = clean.pixels[:, there]
        drawn = artist.draw(imagined.latents[:, :, k - 1])
        scene.like(drawn, true, horizon=k)
        scene.read(drawn, there, horizon=k)
        scene.like(last, true, horizon=k, control="copy_last")
        scene.read(last, there, horizon=k, control="copy_last")
        scene.like(artist.draw(latents[:, there]), true, horizon=k, control="encoded")
    steps = np.array(horizons) - 1
    for case in range(min(scene.settings.cases, len(clean))):
        seen = [int(ends[0]), *frames[0, steps]]
        begun = artist.draw(latents[case, None, ends[:1]])[0]
        ahead = artist.draw(imagined.latents[case, :1, steps][None, :, 0])[0]
        scene.show(names.TRUE + names.ROLLOUT, clean.pixels[case, seen], case)
        scene.show(names.ROLLOUT, np.concatenate([begun, ahead]), case)


def _violations(scene: _Scene, artist: Artist) -> None:
    """What was expected at the moment of a violation, and what came."""
    suite, checkpoint = scene.context.suite, scene.checkpoint
    condition = violation(suite)
    needed = 3 * max(2, checkpoint.model.spec.history) + 1
    if not scene.settings.cases:
        return
    if condition is None or scene.context.world.replays:
        scene.recorder.note(
            "No violation is shown beside what was expected: the suite asks for none that a "
            "simulator could make."
        )
        return
    if scene.clean.frames < needed:
        scene.recorder.note(
            f"{checkpoint.label}: no violation is shown, as that takes trajectories of {needed} "
            f"frames, and the suite's clean ones have {scene.clean.frames}."
        )
        return
    found = violated(
        checkpoint, condition, scene.clean, scene.settings.cases, suite.seed, scene.context.cache
    )
    for case, one in enumerate(found):
        expected, came = artist.draw(np.stack([one.expected, one.came])[None])[0]
        before, unperturbed, true = one.pixels
        strip = np.stack([before, unperturbed, expected, true, came])
        scene.show(names.VIOLATION, strip, case)


def _over_training(scene: _Scene) -> None:
    """The same frames, drawn from latents of earlier checkpoints by decoders of their own."""
    wanted, checkpoint = scene.settings.over_training, scene.checkpoint
    if not wanted:
        return
    paths = earlier_checkpoints(checkpoint, wanted)
    if not paths:
        scene.recorder.note(
            f"{checkpoint.label}: decoders over training were asked for, and there are no earlier "
            "checkpoints of its run. Give its run folder, without --no-curve."
        )
    at, places = _spread(scene.clean.frames, FRAMES), _shown(scene)
    for path in paths:
        earlier = at_checkpoint(checkpoint, path)
        artist = artist_of(earlier, scene.context)
        latents = _latents(earlier, scene.clean, scene.context)
        scene.like(artist.draw(latents[:, at]), scene.clean.pixels[:, at], of=earlier)
        strip = artist.draw(latents[places][:, None])[:, 0]
        scene.show(names.FRAMES, strip, of=earlier)


def _latents(checkpoint: Checkpoint, data: Trajectories, context: Context) -> np.ndarray:
    """(N, T, …)."""
    return encoded(checkpoint, data.pixels, data.actions, context.cache)["z"]


def _spread(frames: int, count: int) -> np.ndarray:
    """``count`` evenly spaced frames of a trajectory, without its ends."""
    return np.unique(np.linspace(0, frames - 1, count + 2).round().astype(int)[1:-1])


def _shown(scene: _Scene) -> tuple[np.ndarray, np.ndarray]:
    """Trajectory and frame of the pictures shown: one each of as many trajectories."""
    trajectories = np.arange(min(scene.settings.shown, len(scene.clean)))
    return trajectories, (trajectories * 7 + 3) % scene.clean.frames


def _at(target: Target, frames: np.ndarray) -> Target:
    """A target of some frames (E,) alone."""
    return replace(target, values=target.values[:, frames])
