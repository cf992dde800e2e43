"""One checkpoint, and its rivals, looking at the matched cases."""

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
from lewm_probe.analyses.engine.asked.checkpoint import Subject
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories, suite_trajectories
from lewm_probe.analyses.engine.features import check_finite, encoded, pooled
from lewm_probe.analyses.engine.recorder import Ledger
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.voe.doses import AtOnset
from lewm_probe.analyses.voe.matched_pairs import Changed, MatchedCases
from lewm_probe.analyses.voe.metrics import Evidence
from lewm_probe.analyses.voe.surprise import (
    MODEL,
    WHITENED,
    Scores,
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
"""Trajectories whose pictures are put together at once for a recurrent model; bounds memory."""


def check_baselines(names: Iterable[str]) -> None:
    """Refuse a baseline that does not exist.

    Raises:
        UsageError: it does not; the nearest name is told.
    """
    for name in names:
        if name not in BASELINES:
            raise unknown_name("baseline", name, BASELINES)


class Shown:
    """The pictures that checkpoints of one picture size look at, and how much they change.

    Attributes:
        cases: matched cases.
        disjoint: unperturbed trajectories that are never compared.
        clean_differences, disjoint_differences: squared grey-level change at each frame, (N, T);
            NaN at the first.
    """

    def __init__(self, cases: MatchedCases, disjoint: Trajectories) -> None:
        self.cases, self.disjoint = cases, disjoint
        self.clean_differences = _differences(cases.reference.pixels)
        self.disjoint_differences = _differences(disjoint.pixels)

    def changed_differences(self, changed: Changed) -> np.ndarray:
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


class Examination:
    """The surprise of one checkpoint and its rivals, gathered condition by condition.

    Raises:
        UserError: latents or predictions are NaN or infinite.
    """

    def __init__(
        self, subject: Subject, shown: Shown, suite: Suite, cache: LatentCache, ledger: Ledger
    ) -> None:
        self._subject, self._shown, self._suite, self._cache = subject, shown, suite, cache
        reference, disjoint = shown.cases.reference, shown.disjoint
        self._rival = self._make_rival(ledger)
        self._latents = self._encode(reference.pixels, reference.actions)
        self._rival_latents = self._encode_rival(reference.pixels)
        apart = self._encode(disjoint.pixels, disjoint.actions)
        rival_apart = self._encode_rival(disjoint.pixels)
        self._whitening: Whitening | None = None
        if apart.ndim == 3:
            predicted = self._predict(subject.model, apart, disjoint.actions)
            self._whitening = Whitening.fit(predicted - apart)
        self._scores = Scores(
            clean=self._score(
                self._latents, self._rival_latents, reference.actions, shown.clean_differences
            ),
            disjoint=self._score(apart, rival_apart, disjoint.actions, shown.disjoint_differences),
        )
        self._rival_copy: np.ndarray | None = None
        if self._rival is not None and rival_apart is not None:
            copied = latent_baselines(self._rival, rival_apart, ("copy_last",))
            self._rival_copy = copied["copy_last"]
        axes = apart.reshape(-1, apart[0, 0].size).astype(np.float64)  # (N·T, D)
        self._trace_cov, self._width = float(axes.var(axis=0).sum()), axes.shape[1]
        self._rank = effective_rank(pooled(subject, apart))
        self._action_scale = action_scale(subject.model, disjoint.actions)
        seen = self._latents
        actions = shown.cases.swapped_actions()
        if subject.model.spec.recurrent:
            seen = self._encode(reference.pixels, actions)
        self._swapped = surprise(subject.model, self._predict(subject.model, seen, actions), seen)

    def look_at(self, name: str, changed: Changed, differences: np.ndarray) -> None:
        """Score one condition; ``differences``: its grey-level changes, (N, T)."""
        latents = self._seen(changed)
        rival = self._rival_latents
        if rival is not None:
            rival = self._replaced(rival, changed, self._encode_rival)
        self._scores.conditions[name] = self._score(latents, rival, changed.actions, differences)

    def at_onset(self, changed: Changed, differences: np.ndarray) -> AtOnset:
        """Surprise at t0 alone of the cases that could be made: perturbed, reference by scorer.

        Only the frames that a prediction of t0 needs are scored.
        """
        cases = np.flatnonzero(changed.kept)
        onset = changed.onset[cases]
        reach = max(2, self._subject.model.spec.history)  # linear extrapolation needs two frames
        rows = cases[:, None], onset[:, None] + np.arange(-reach, 1)  # (n, reach + 1)
        latents = self._seen(changed)[rows]
        rival = self._rival_latents
        if rival is not None:
            rival = self._replaced(rival, changed, self._encode_rival)[rows]
        scores = self._score(latents, rival, changed.actions[rows], differences[rows])
        clean = self._scores.clean
        return {name: (values[:, -1], clean[name][cases, onset]) for name, values in scores.items()}

    def evidence(
        self, kept: Mapping[str, np.ndarray], onsets: Mapping[str, np.ndarray]
    ) -> Evidence:
        """All that was gathered.

        Args:
            kept: which cases each condition could be made in, bool (N,).
            onsets: t0 of each case under each condition, (N,).
        """
        return Evidence(
            subject=self._subject,
            scores=self._scores,
            onset=self._shown.cases.onset,
            onsets=onsets,
            kept=kept,
            ids=self._shown.cases.reference.ids,
            swapped=self._swapped,
            rival_copy=self._rival_copy,
            trace_cov=self._trace_cov,
            rank=self._rank,
            width=self._width,
            action_scale=self._action_scale,
        )

    # ---- latents

    def _encode(self, pixels: np.ndarray, actions: np.ndarray | None = None) -> np.ndarray:
        return encoded(self._subject, pixels, actions, self._cache)["z"]

    def _seen(self, changed: Changed) -> np.ndarray:
        """The model's latents of a condition, (N, T, …)."""
        if self._subject.model.spec.recurrent:
            return self._followed(changed)
        return self._replaced(self._latents, changed, self._encode)

    def _followed(self, changed: Changed) -> np.ndarray:
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

    def _differs(self, changed: Changed) -> np.ndarray:
        """Which of a condition's pictures are others than the reference's, bool (M,)."""
        reference = self._shown.cases.reference.pixels
        return np.array(
            [
                not np.array_equal(picture, reference[case, frame])
                for picture, case, frame in zip(
                    changed.pixels, changed.case, changed.frame, strict=True
                )
            ],
            dtype=bool,
        )

    def _encode_rival(self, pixels: np.ndarray) -> np.ndarray | None:
        if self._rival is None:
            return None
        return self._rival.scaled(self._cache.encode(self._rival.encoder, pixels)["z"])

    def _replaced(
        self,
        latents: np.ndarray,
        changed: Changed,
        encode: Callable[[np.ndarray], np.ndarray | None],
    ) -> np.ndarray:
        """Latents of a condition: those of the reference, and anew where the picture differs."""
        differs = self._differs(changed)
        if not differs.any():
            return latents
        fresh = encode(changed.pixels[differs][:, None])  # (M, 1, …)
        assert fresh is not None
        replaced = latents.copy()
        replaced[changed.case[differs], changed.frame[differs]] = fresh[:, 0]
        return replaced

    # ---- scores

    def _make_rival(self, ledger: Ledger) -> RandomEncoder | None:
        if "random_encoder" not in self._suite.voe.baselines:
            return None
        suite, model = self._suite, self._subject.model
        train = suite_trajectories(suite, model.spec.image_size, "probe-train")
        rival = random_encoder(
            model, train, suite.random_encoder, seed=suite.seed, cache=self._cache
        )
        if rival is None:
            ledger.cannot_rebuild(self._subject, "the baseline random_encoder")
        return rival

    def _score(
        self,
        latents: np.ndarray,
        rival_latents: np.ndarray | None,
        actions: np.ndarray,
        differences: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Surprise by each scorer, (N, T); NaN in the first H frames."""
        model, wanted = self._subject.model, self._suite.voe.baselines
        predicted = self._predict(model, latents, actions)
        scores = {MODEL: surprise(model, predicted, latents)}
        check_finite(self._subject, "surprise values", scores[MODEL][:, model.spec.history :])
        if self._whitening is not None:
            scores[WHITENED] = self._whitening.surprise(predicted - latents)
        scores |= latent_baselines(
            model, latents, ("copy_last", *(n for n in wanted if n != "copy_last"))
        )
        if "pixel_difference" in wanted:
            scores["pixel_difference"] = differences.copy()
            scores["pixel_difference"][:, : model.spec.history] = np.nan
        if self._rival is not None and rival_latents is not None:
            guess = self._predict(self._rival, rival_latents, actions)
            scores["random_encoder"] = surprise(self._rival, guess, rival_latents)
        return scores

    def _predict(self, model: WorldModel, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
        predicted = teacher_forced(model, latents, actions)
        check_finite(self._subject, "predicted latents", predicted[:, model.spec.history :])
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
