"""One checkpoint, and its baselines, looking at the matched cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch

from lewm_probe.analyses.controls.random_networks import (
    RandomEncoder,
    Rebuildable,
    pixel_difference,
    random_encoder,
)
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories, suite_trajectories
from lewm_probe.analyses.engine.features import check_finite, encoded, pooled
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.voe.doses import AtOnset
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, Stimuli
from lewm_probe.analyses.voe.surprise import (
    MODEL,
    WHITENED,
    Whitening,
    latent_baselines,
    surprise,
    teacher_forced,
)
from lewm_probe.core.errors import unknown_name
from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.stats.spectrum import effective_rank

BASELINES = ("copy_last", "linear_extrapolation", "pixel_difference", "random_encoder")
"""Copy-last is always scored: preflight and the headline difference need it."""

WHOLE_CASES = 32
"""Trajectories whose images are put together at once for a recurrent model; bounds memory."""


def check_baselines(names: Iterable[str]) -> None:
    """Refuse a baseline that does not exist.

    Raises:
        UsageError: it does not; the nearest name is told.
    """
    for name in names:
        if name not in BASELINES:
            raise unknown_name("baseline", name, BASELINES)


class ImageChanges:
    """The images that checkpoints of one image size look at, and how much they change.

    Attributes:
        cases: matched cases.
        disjoint: unperturbed trajectories that are never compared.
        clean_differences, disjoint_differences: squared grey-level change at each frame, (N, T);
            NaN at the first.
    """

    def __init__(self, cases: MatchedPairs, disjoint: Trajectories) -> None:
        self.cases, self.disjoint = cases, disjoint
        self.clean_differences = _differences(cases.reference.pixels)
        self.disjoint_differences = _differences(disjoint.pixels)

    def changed_differences(self, changed: Stimuli) -> np.ndarray:
        """Squared grey-level change at each frame under a condition, (N, T)."""
        scores = self.clean_differences.copy()
        if not len(changed.case):
            return scores
        reference = self.cases.reference.pixels
        first = changed.frame == changed.onset[changed.case]
        for begin in range(0, len(first), 1024):  # bounds memory: a frame is compared with a copy
            rows = np.arange(begin, min(begin + 1024, len(first)))
            before = changed.pixels[np.maximum(rows - 1, 0)]
            case, frame = changed.case[rows], changed.frame[rows]
            fresh = first[rows]
            before[fresh] = reference[case[fresh], frame[fresh] - 1]
            scores[case, frame] = pixel_difference(changed.pixels[rows], before)
        return scores


class SurpriseScorer:
    """The surprise of one checkpoint and its baselines, gathered condition by condition.

    Raises:
        UserError: latents or predictions are NaN or infinite.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        shown: ImageChanges,
        suite: Suite,
        cache: LatentCache,
        recorder: ResultRecorder,
    ) -> None:
        self._checkpoint, self._shown, self._suite, self._cache = checkpoint, shown, suite, cache
        reference, disjoint = shown.cases.reference, shown.disjoint
        self._baseline = self._make_baseline(recorder)
        self._latents = self._encode(reference.pixels, reference.actions)
        self._baseline_latents = self._encode_baseline(reference.pixels)
        apart = self._encode(disjoint.pixels, disjoint.actions)
        baseline_apart = self._encode_baseline(disjoint.pixels)
        self._whitening: Whitening | None = None
        if apart.ndim == 3:
            predicted = self._predict(checkpoint.model, apart, disjoint.actions)
            self._whitening = Whitening.fit(predicted - apart)
        self._clean = self._score(
            self._latents, self._baseline_latents, reference.actions, shown.clean_differences
        )
        self._disjoint = self._score(
            apart, baseline_apart, disjoint.actions, shown.disjoint_differences
        )
        self._conditions: dict[str, dict[str, np.ndarray]] = {}
        self._baseline_copy: np.ndarray | None = None
        if self._baseline is not None and baseline_apart is not None:
            copied = latent_baselines(self._baseline, baseline_apart, ("copy_last",))
            self._baseline_copy = copied["copy_last"]
        axes = apart.reshape(-1, apart[0, 0].size).astype(np.float64)  # (N·T, D)
        self._trace_cov, self._width = float(axes.var(axis=0).sum()), axes.shape[1]
        self._rank = effective_rank(pooled(checkpoint, apart))
        self._action_scale = action_scale(checkpoint.model, disjoint.actions)
        seen = self._latents
        actions = shown.cases.swapped_actions()
        if checkpoint.model.spec.recurrent:
            seen = self._encode(reference.pixels, actions)
        self._swapped = surprise(
            checkpoint.model, self._predict(checkpoint.model, seen, actions), seen
        )

    def look_at(self, name: str, changed: Stimuli, differences: np.ndarray) -> None:
        """Score one condition; ``differences``: its grey-level changes, (N, T)."""
        latents = self._seen(changed)
        baseline = self._baseline_latents
        if baseline is not None:
            baseline = self._replaced(baseline, changed, self._encode_baseline)
        self._conditions[name] = self._score(latents, baseline, changed.actions, differences)

    def at_onset(self, changed: Stimuli, differences: np.ndarray) -> AtOnset:
        """Surprise at t0 alone of the cases that could be made: perturbed, reference by scorer.

        Only the frames that a prediction of t0 needs are scored.
        """
        cases = np.flatnonzero(changed.kept)
        onset = changed.onset[cases]
        reach = max(2, self._checkpoint.model.spec.history)  # linear extrapolation needs two frames
        rows = cases[:, None], onset[:, None] + np.arange(-reach, 1)  # (n, reach + 1)
        latents = self._seen(changed)[rows]
        baseline = self._baseline_latents
        if baseline is not None:
            baseline = self._replaced(baseline, changed, self._encode_baseline)[rows]
        scores = self._score(latents, baseline, changed.actions[rows], differences[rows])
        clean = self._clean
        return {name: (values[:, -1], clean[name][cases, onset]) for name, values in scores.items()}

    def gathered(
        self, kept: Mapping[str, np.ndarray], onsets: Mapping[str, np.ndarray]
    ) -> SurpriseScores:
        """All that was gathered.

        Args:
            kept: which cases each condition could be made in, bool (N,).
            onsets: t0 of each case under each condition, (N,).
        """
        return SurpriseScores(
            checkpoint=self._checkpoint,
            clean=self._clean,
            disjoint=self._disjoint,
            conditions=self._conditions,
            onset=self._shown.cases.onset,
            onsets=onsets,
            kept=kept,
            ids=self._shown.cases.reference.ids,
            swapped=self._swapped,
            baseline_copy=self._baseline_copy,
            trace_cov=self._trace_cov,
            rank=self._rank,
            width=self._width,
            action_scale=self._action_scale,
        )

    # ---- latents

    def _encode(self, pixels: np.ndarray, actions: np.ndarray | None = None) -> np.ndarray:
        return encoded(self._checkpoint, pixels, actions, self._cache)["z"]

    def _seen(self, changed: Stimuli) -> np.ndarray:
        """The model's latents of a condition, (N, T, …)."""
        if self._checkpoint.model.spec.recurrent:
            return self._followed(changed)
        return self._replaced(self._latents, changed, self._encode)

    def _followed(self, changed: Stimuli) -> np.ndarray:
        """Latents of a recurrent model: whole trajectories anew, where anything differs in them.

        Until something differs they are those of the reference, so that ties are exact.
        """
        reference = self._shown.cases.reference
        first = np.full(len(reference), reference.frames)  # frame whose latent can differ first
        differs = self._differs(changed)
        np.minimum.at(first, changed.case[differs], changed.frame[differs])
        case, block = np.nonzero((changed.actions != reference.actions).any(axis=-1))
        np.minimum.at(first, case, block + 1)
        latents = self._latents.copy()
        concerned = np.flatnonzero(first < reference.frames)
        for begin in range(0, len(concerned), WHOLE_CASES):
            some = concerned[begin : begin + WHOLE_CASES]
            pixels = reference.pixels[some]
            shown = np.isin(changed.case, some)
            pixels[np.searchsorted(some, changed.case[shown]), changed.frame[shown]] = (
                changed.pixels[shown]
            )
            fresh = self._encode(pixels, changed.actions[some])
            for number, place in enumerate(some):
                latents[place, first[place] :] = fresh[number, first[place] :]
        return latents

    def _differs(self, changed: Stimuli) -> np.ndarray:
        """Which of a condition's images are others than the reference's, bool (M,)."""
        reference = self._shown.cases.reference.pixels
        return np.array(
            [
                not np.array_equal(image, reference[case, frame])
                for image, case, frame in zip(
                    changed.pixels, changed.case, changed.frame, strict=True
                )
            ],
            dtype=bool,
        )

    def _encode_baseline(self, pixels: np.ndarray) -> np.ndarray | None:
        if self._baseline is None:
            return None
        return self._baseline.scaled(self._cache.encode(self._baseline.encoder, pixels)["z"])

    def _replaced(
        self,
        latents: np.ndarray,
        changed: Stimuli,
        encode: Callable[[np.ndarray], np.ndarray | None],
    ) -> np.ndarray:
        """Latents of a condition: those of the reference, and anew where the image differs."""
        differs = self._differs(changed)
        if not differs.any():
            return latents
        fresh = encode(changed.pixels[differs][:, None])  # (M, 1, …)
        assert fresh is not None
        replaced = latents.copy()
        replaced[changed.case[differs], changed.frame[differs]] = fresh[:, 0]
        return replaced

    # ---- scores

    def _make_baseline(self, recorder: ResultRecorder) -> RandomEncoder | None:
        if "random_encoder" not in self._suite.voe.baselines:
            return None
        suite, model = self._suite, self._checkpoint.model
        train = suite_trajectories(suite, model.spec.image_size, "probe-train")
        baseline = random_encoder(
            model, train, suite.random_encoder, seed=suite.seed, cache=self._cache
        )
        if baseline is None:
            recorder.cannot_reinitialise(self._checkpoint, "the baseline random_encoder")
        return baseline

    def _score(
        self,
        latents: np.ndarray,
        baseline_latents: np.ndarray | None,
        actions: np.ndarray,
        differences: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Surprise by each scorer, (N, T); NaN in the first H frames."""
        model, wanted = self._checkpoint.model, self._suite.voe.baselines
        predicted = self._predict(model, latents, actions)
        scores = {MODEL: surprise(model, predicted, latents)}
        check_finite(self._checkpoint, "surprise values", scores[MODEL][:, model.spec.history :])
        if self._whitening is not None:
            scores[WHITENED] = self._whitening.surprise(predicted - latents)
        scores |= latent_baselines(
            model, latents, ("copy_last", *(n for n in wanted if n != "copy_last"))
        )
        if "pixel_difference" in wanted:
            scores["pixel_difference"] = differences.copy()
            scores["pixel_difference"][:, : model.spec.history] = np.nan
        if self._baseline is not None and baseline_latents is not None:
            guess = self._predict(self._baseline, baseline_latents, actions)
            scores["random_encoder"] = surprise(self._baseline, guess, baseline_latents)
        return scores

    def _predict(self, model: WorldModel, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
        predicted = teacher_forced(model, latents, actions)
        check_finite(self._checkpoint, "predicted latents", predicted[:, model.spec.history :])
        return predicted


def action_scale(model: WorldModel, actions: np.ndarray) -> np.ndarray | None:
    """Mean and SD of raw blocks (N, T, A) as the model's predictor gets them, (2, A).

    None for a model that does not say how it scales actions.
    """
    if not isinstance(model, Rebuildable):
        return None
    scaled = model.scale_actions(torch.tensor(actions, device=device_of(model))).cpu().numpy()
    flat = scaled.reshape(-1, scaled.shape[-1]).astype(np.float64)
    return np.stack([flat.mean(axis=0), flat.std(axis=0)])


def _differences(pixels: np.ndarray) -> np.ndarray:
    """Squared grey-level change since the frame before: (N, T, H, W, C) → (N, T), NaN at t = 0."""
    scores = np.full(pixels.shape[:2], np.nan)
    for frame in range(1, pixels.shape[1]):
        scores[:, frame] = pixel_difference(pixels[:, frame], pixels[:, frame - 1])
    return scores
