"""One checkpoint, and its baselines, looking at the matched cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from lewm_probe.analyses.controls.random_networks import pixel_difference
from lewm_probe.analyses.controls.trained_predictors import (
    TrainedPredictor,
    action_blind,
    random_encoders,
)
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories, suite_trajectories
from lewm_probe.analyses.engine.features import check_finite, encoded, pooled
from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.engine.preflight import action_scale
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.voe.directions import FLIPPED
from lewm_probe.analyses.voe.scores import SEED, OnsetScores, SurpriseScores
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, Stimuli
from lewm_probe.analyses.voe.shown.matching import pixel_change
from lewm_probe.analyses.voe.surprise import (
    MODEL,
    WHITENED,
    Whitening,
    latent_baselines,
)
from lewm_probe.core.errors import unknown_name
from lewm_probe.core.progress import NoProgress, Progress, Task
from lewm_probe.models.base import WorldModel
from lewm_probe.stats.spectrum import rank_estimate

BASELINES = (
    "copy_last",
    "linear_extrapolation",
    "pixel_difference",
    "random_encoder",
    "action_blind",
)
"""Copy-last is always scored: preflight and the headline difference need it."""

WHOLE_CASES = 32
"""Trajectories whose images are put together at once for a recurrent model; bounds memory."""


def trained_networks(suite: Suite) -> int:
    """How many control predictors are trained for a checkpoint of a suite, at most."""
    wanted = suite.voe.baselines
    encoders = suite.random_encoder.seeds if "random_encoder" in wanted else 0
    return encoders + ("action_blind" in wanted)


def check_baselines(names: Iterable[str]) -> None:
    """Refuse a baseline that does not exist.

    Raises:
        UsageError: it does not; the nearest name is told.
    """
    for name in names:
        if name not in BASELINES:
            raise unknown_name("baseline", name, BASELINES)


class ImageChanges:
    """Matched cases that checkpoints of one image size look at, and how much their images change.

    Attributes:
        cases: matched cases.
        clean_differences: squared grey-level change at each frame, (N, T); NaN at the first.
    """

    def __init__(self, cases: MatchedPairs) -> None:
        self.cases = cases
        self.clean_differences = _differences(cases.reference.pixels)

    def pixel_change(self, changed: Stimuli) -> np.ndarray:
        """Squared grey-level change at t0 against the unperturbed twin, of cases kept, (n,)."""
        return pixel_change(changed, self.cases.reference.pixels)

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


@dataclass(frozen=True)
class Seen:
    """Matched cases as one checkpoint and its baselines see them unperturbed.

    Attributes:
        shown: the cases.
        latents: of the model (key ``model``) and of each random encoder, (N, T, …).
        clean: scorer → surprise (N, T).
    """

    shown: ImageChanges
    latents: dict[str, np.ndarray]
    clean: dict[str, np.ndarray]


class SurpriseScorer:
    """The surprise of one checkpoint and its baselines, gathered condition by condition.

    Args:
        checkpoint: who looks.
        shown: the matched cases.
        apart: the disjoint trajectories as matched cases.
        suite: what is asked.
        cache: of latents.
        recorder: takes notes.
        progress: shows how far the training of controls is.

    Raises:
        UserError: latents or predictions are NaN or infinite.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        shown: ImageChanges,
        apart: ImageChanges,
        suite: Suite,
        cache: LatentCache,
        recorder: ResultRecorder,
        progress: Progress | None = None,
    ) -> None:
        self._checkpoint, self._suite, self._cache = checkpoint, suite, cache
        model = checkpoint.model
        self._encoders, self._blind = self._train(recorder, progress or NoProgress())
        latents = [self._encode_all(one.cases.reference) for one in (shown, apart)]
        own, disjoint = latents[1][MODEL], apart.cases.reference
        self._whitening: Whitening | None = None
        if own.ndim == 3:
            predicted = self._predict(model, own, disjoint.actions)
            self._whitening = Whitening.fit(predicted - own)
        self._cases, self._apart = (
            Seen(
                one,
                here,
                self._score(here, one.cases.reference.actions, one.clean_differences),
            )
            for one, here in zip((shown, apart), latents, strict=True)
        )
        self._conditions: dict[str, dict[str, np.ndarray]] = {}
        self._pixel_changes: dict[str, np.ndarray] = {}
        self._doses: dict[str, dict[float, OnsetScores]] = {}
        self._signs: dict[tuple[str, float | None], OnsetScores] = {}
        self._baseline_copy: np.ndarray | None = None
        for name, encoder in list(self._encoders.items())[:1]:
            copied = latent_baselines(encoder, latents[1][name], ("copy_last",))
            self._baseline_copy = copied["copy_last"]
        axes = own.reshape(-1, own[0, 0].size).astype(np.float64)  # (N·T, D)
        self._trace_cov, self._width = float(axes.var(axis=0).sum()), axes.shape[1]
        self._rank = rank_estimate(pooled(checkpoint, own))[0].value or 1.0
        self._action_scale = action_scale(model, disjoint.actions)
        seen, actions = self._cases.latents[MODEL], shown.cases.swapped_actions()
        if model.spec.recurrent:
            seen = self._encode(shown.cases.reference.pixels, actions)
        self._swapped = _stored(surprise(model, self._predict(model, seen, actions), seen))

    def look_at(
        self, name: str, changed: Stimuli, differences: np.ndarray, whole: bool = True
    ) -> None:
        """Score one condition; ``differences``: its grey-level changes, (N, T).

        The model sees all frames, and baselines t0 alone. Without ``whole`` there is nothing but
        the model at t0.
        """
        shape = differences.shape
        self._pixel_changes[name] = self._cases.shown.pixel_change(changed)
        at_onset = self.at_onset(changed, differences, baselines=whole)
        found = {}
        for scorer, (perturbed, _) in at_onset.scores.items():
            found[scorer] = np.full(shape, np.nan)
            found[scorer][at_onset.case, at_onset.frame] = perturbed
        if whole:
            latents = {MODEL: self._seen(self._cases, changed)}
            found |= self._score(latents, changed.actions, None)
        self._conditions[name] = found

    def look_at_dose(
        self, response: str, dose: float, changed: Stimuli, differences: np.ndarray
    ) -> None:
        """Score one dose at t0 alone."""
        found = self.at_onset(changed, differences)
        self._doses.setdefault(response, {})[dose] = found

    def choose_direction(
        self, subject: str, dose: float | None, changed: Stimuli, differences: np.ndarray
    ) -> None:
        """Score the baselines that may be flipped at t0 of perturbed disjoint trajectories."""
        found = self.at_onset(changed, differences, apart=True)
        trivial = {name: pair for name, pair in found.scores.items() if name in FLIPPED}
        self._signs[subject, dose] = OnsetScores(found.case, found.frame, trivial)

    def at_onset(
        self,
        changed: Stimuli,
        differences: np.ndarray,
        *,
        baselines: bool = True,
        apart: bool = False,
    ) -> OnsetScores:
        """Surprise at t0 alone of the cases that could be made: perturbed, reference by scorer.

        Only the frames that a prediction of t0 needs are scored. Of ``apart``, the disjoint
        trajectories, learned baselines are left out.
        """
        seen = self._apart if apart else self._cases
        cases = np.flatnonzero(changed.kept)
        onset = changed.onset[cases]
        reach = max(2, self._checkpoint.model.spec.history)  # linear extrapolation needs two frames
        rows = cases[:, None], onset[:, None] + np.arange(-reach, 1)  # (n, reach + 1)
        if not len(cases):
            return OnsetScores(cases, onset, {name: (np.zeros(0),) * 2 for name in seen.clean})
        latents = {MODEL: self._seen(seen, changed)[rows]}
        if baselines and not apart:
            first = changed.frame == changed.onset[changed.case]
            for name, encoder in self._encoders.items():
                by = partial(self._encode_by, encoder)
                latents[name] = self._replaced(seen, name, changed, first, by)[rows]
        given = differences[rows] if baselines else None
        scores = self._score(latents, changed.actions[rows], given, blind=not apart)
        found = {
            name: (values[:, -1], seen.clean[name][cases, onset]) for name, values in scores.items()
        }
        return OnsetScores(cases, onset, found)

    def gathered(
        self,
        kept: Mapping[str, np.ndarray],
        onsets: Mapping[str, np.ndarray],
        disjoint_onsets: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        matches: Mapping[str, tuple[float, float]] | None = None,
    ) -> SurpriseScores:
        """All that was gathered.

        Args:
            kept: which cases each condition could be made in, bool (N,).
            onsets: t0 of each case under each condition, (N,).
            disjoint_onsets: the same two of the disjoint trajectories, where events are needed.
            matches: strengths of matched conditions, and the shares that they reached.
        """
        cases, apart = self._cases.shown.cases, self._apart.shown.cases
        return SurpriseScores(
            checkpoint=self._checkpoint,
            clean=self._cases.clean,
            disjoint=self._apart.clean,
            conditions=self._conditions,
            onset=cases.onset,
            onsets=onsets,
            kept=kept,
            ids=cases.reference.ids,
            swapped=self._swapped,
            disjoint_ids=apart.reference.ids,
            disjoint_onset=apart.onset,
            baseline_copy=self._baseline_copy,
            trace_cov=self._trace_cov,
            rank=self._rank,
            width=self._width,
            action_scale=self._action_scale,
            disjoint_onsets=disjoint_onsets or {},
            signs=self._signs,
            doses=self._doses,
            pixel_changes=self._pixel_changes,
            matches=matches or {},
        )

    # ---- latents

    def _encode(self, pixels: np.ndarray, actions: np.ndarray | None = None) -> np.ndarray:
        return encoded(self._checkpoint, pixels, actions, self._cache)["z"]

    def _encode_by(self, baseline: TrainedPredictor, pixels: np.ndarray) -> np.ndarray:
        return baseline.scaled(self._cache.encode(baseline.encoder, pixels)["z"])

    def _encode_all(self, reference: Trajectories) -> dict[str, np.ndarray]:
        """Latents of unperturbed trajectories, of the model and of each random encoder."""
        found = {MODEL: self._encode(reference.pixels, reference.actions)}
        for name, encoder in self._encoders.items():
            found[name] = self._encode_by(encoder, reference.pixels)
        return found

    def _seen(self, seen: Seen, changed: Stimuli) -> np.ndarray:
        """The model's latents of a condition, (N, T, …)."""
        if self._checkpoint.model.spec.recurrent:
            return self._followed(seen, changed)
        every = np.ones(len(changed.case), bool)
        return self._replaced(seen, MODEL, changed, every, self._encode)

    def _followed(self, seen: Seen, changed: Stimuli) -> np.ndarray:
        """Latents of a recurrent model: whole trajectories anew, where anything differs in them.

        Until something differs they are those of the reference, so that ties are exact.
        """
        reference = seen.shown.cases.reference
        first = np.full(len(reference), reference.frames)  # frame whose latent can differ first
        differs = _differs(changed, reference.pixels)
        np.minimum.at(first, changed.case[differs], changed.frame[differs])
        case, block = np.nonzero((changed.actions != reference.actions).any(axis=-1))
        np.minimum.at(first, case, block + 1)
        latents = seen.latents[MODEL].copy()
        concerned = np.flatnonzero(first < reference.frames)
        for begin in range(0, len(concerned), WHOLE_CASES):
            some = concerned[begin : begin + WHOLE_CASES]
            pixels = reference.pixels[some]
            there = np.isin(changed.case, some)
            pixels[np.searchsorted(some, changed.case[there]), changed.frame[there]] = (
                changed.pixels[there]
            )
            fresh = self._encode(pixels, changed.actions[some])
            for number, place in enumerate(some):
                latents[place, first[place] :] = fresh[number, first[place] :]
        return latents

    def _replaced(
        self,
        seen: Seen,
        who: str,
        changed: Stimuli,
        wanted: np.ndarray,
        encode: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Latents of a condition: those of the reference, and anew where a wanted image differs."""
        differs = wanted & _differs(changed, seen.shown.cases.reference.pixels)
        if not differs.any():
            return seen.latents[who]
        fresh = encode(changed.pixels[differs][:, None])  # (M, 1, …)
        replaced = seen.latents[who].copy()
        replaced[changed.case[differs], changed.frame[differs]] = fresh[:, 0]
        return replaced

    # ---- scores

    def _train(
        self, recorder: ResultRecorder, progress: Progress
    ) -> tuple[dict[str, TrainedPredictor], TrainedPredictor | None]:
        """The baselines that are trained here, as far as this model can have them."""
        suite, checkpoint = self._suite, self._checkpoint
        if not trained_networks(suite):
            return {}, None
        name = f"Training controls of {checkpoint.label}"
        with progress.task(name, trained_networks(suite) * suite.random_encoder.steps) as task:
            return self._trained(recorder, task)

    def _trained(
        self, recorder: ResultRecorder, task: Task
    ) -> tuple[dict[str, TrainedPredictor], TrainedPredictor | None]:
        suite, checkpoint = self._suite, self._checkpoint
        wanted, model = suite.voe.baselines, checkpoint.model
        train = suite_trajectories(suite, model.spec.image_size, "probe-train")
        encoders: dict[str, TrainedPredictor] = {}
        settings, seed, cache = suite.random_encoder, suite.seed, self._cache
        if "random_encoder" in wanted:
            made = random_encoders(model, train, settings, seed=seed, cache=cache, task=task)
            if made is None:
                recorder.cannot_reinitialise(checkpoint, "the baseline random_encoder")
            encoders = {f"random_encoder{SEED}{i}": one for i, one in enumerate(made or [])}
        blind = None
        if "action_blind" in wanted and model.spec.action_kind == "none":
            recorder.note(
                f"{checkpoint.label}: the baseline action_blind is missing, because this model "
                "takes no actions: it is its own."
            )
        elif "action_blind" in wanted:
            blind = action_blind(model, train, settings, seed=seed, cache=cache, task=task)
            if blind is None:
                recorder.cannot_reinitialise(checkpoint, "the baseline action_blind")
        return encoders, blind

    def _score(
        self,
        latents: Mapping[str, np.ndarray],
        actions: np.ndarray,
        differences: np.ndarray | None,
        blind: bool = True,
    ) -> dict[str, np.ndarray]:
        """Surprise by each scorer, (N, T); NaN in the first H frames.

        Without ``differences``, grey-level changes (N, T), there are no baselines; random encoders
        are scored where ``latents`` holds theirs.
        """
        model, wanted, own = self._checkpoint.model, self._suite.voe.baselines, latents[MODEL]
        predicted = self._predict(model, own, actions)
        scores = {MODEL: surprise(model, predicted, own)}
        check_finite(self._checkpoint, "surprise values", scores[MODEL][:, model.spec.history :])
        if self._whitening is not None:
            scores[WHITENED] = self._whitening.surprise(predicted - own)
        if differences is not None:
            names = ("copy_last", *(n for n in wanted if n != "copy_last"))
            scores |= latent_baselines(model, own, names)
            if "pixel_difference" in wanted:
                scores["pixel_difference"] = differences.copy()
                scores["pixel_difference"][:, : model.spec.history] = np.nan
            for name, encoder in self._encoders.items():
                if name in latents:
                    guess = self._predict(encoder, latents[name], actions)
                    scores[name] = surprise(encoder, guess, latents[name])
            if self._blind is not None and blind:
                scaled = self._blind.scaled(own)
                guess = self._predict(self._blind, scaled, actions)
                scores["action_blind"] = surprise(self._blind, guess, scaled)
        return {name: _stored(values) for name, values in scores.items()}

    def _predict(self, model: WorldModel, latents: np.ndarray, actions: np.ndarray) -> np.ndarray:
        predicted = teacher_forced(model, latents, actions)
        check_finite(self._checkpoint, "predicted latents", predicted[:, model.spec.history :])
        return predicted


def _differences(pixels: np.ndarray) -> np.ndarray:
    """Squared grey-level change since the frame before: (N, T, H, W, C) → (N, T), NaN at t = 0."""
    scores = np.full(pixels.shape[:2], np.nan)
    for frame in range(1, pixels.shape[1]):
        scores[:, frame] = pixel_difference(pixels[:, frame], pixels[:, frame - 1])
    return scores


def _differs(changed: Stimuli, reference: np.ndarray) -> np.ndarray:
    """Which of a condition's images are others than the reference's, bool (M,)."""
    placed = zip(changed.pixels, changed.case, changed.frame, strict=True)
    return np.array(
        [not np.array_equal(image, reference[case, frame]) for image, case, frame in placed],
        dtype=bool,
    )


def _stored(values: np.ndarray) -> np.ndarray:
    """As rows store them, so that ranks and ties can be computed from those again."""
    return values.astype(np.float32).astype(np.float64)
