"""Show every condition to every checkpoint: the expensive pass of the violation protocol.

Conditions are simulated once for each image size and seen by all checkpoints of that size, so
that only one of them is in memory at a time. ``StimulusRecord`` does not depend on a checkpoint:
which cases could be made, when, and what they look like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed, blaming
from lewm_probe.analyses.voe.scorer import ImageChanges, SurpriseScorer, trained_networks
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.filmstrips import Clips
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, disjoint_pairs, matched_pairs
from lewm_probe.analyses.voe.shown.matching import Match, match
from lewm_probe.core.progress import Progress, Task, expect

TOLERATED = 0.05
"""A matched change of image is told of where it falls short by more than this share."""


@dataclass(frozen=True)
class StimulusRecord:
    """What was shown, whoever looked.

    Attributes:
        onset: t0 of each case, (N,).
        kept: condition → which cases could be made, bool (N,).
        onsets: condition → t0 of each case under it, (N,).
        clips: name → filmstrip uint8 (T, H, W, C).
    """

    onset: np.ndarray
    kept: Mapping[str, np.ndarray]
    onsets: Mapping[str, np.ndarray]
    clips: Mapping[str, np.ndarray]

    def packed(self) -> dict[str, np.ndarray]:
        """As arrays, which the latent cache stores."""
        named = {"kept": self.kept, "onsets": self.onsets, "clips": self.clips}
        arrays = {f"{kind} {name}": a for kind, of in named.items() for name, a in of.items()}
        return arrays | {"onset": self.onset}

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray]) -> StimulusRecord:
        """The scenes that ``packed`` gave."""
        found: dict[str, dict[str, np.ndarray]] = {"kept": {}, "onsets": {}, "clips": {}}
        for key in sorted(arrays.keys() - {"onset"}):
            kind, name = key.split(" ", 1)
            found[kind][name] = arrays[key]
        return cls(arrays["onset"], **found)


@dataclass
class Sweep:
    """What each checkpoint made of it.

    Attributes:
        stimuli: what was shown.
        notes: by place among the checkpoints: what a reader must know of each.
        scores: its surprise.
        failed: checkpoints that could not go on, and why.
    """

    stimuli: StimulusRecord
    notes: dict[int, list[str]] = field(default_factory=dict)
    scores: dict[int, SurpriseScores] = field(default_factory=dict)
    failed: dict[int, CheckpointFailed] = field(default_factory=dict)


TRAINING = 1 / 30
"""Work of one training step of a control, in units of a condition of 200 trajectories."""

FIXED = 50
"""A condition of so many trajectories or fewer is not faster."""


def work(suite: Suite, sizes: Sequence[int], checkpoints: Sequence[Checkpoint]) -> float:
    """How far ``sweep`` advances its task: a unit is one condition seen by one checkpoint."""
    asked = len(suite.voe.conditions) + sum(len(r.doses) for r in suite.voe.dose_response)
    seen = [sum(c.model.spec.image_size == size for c in checkpoints) for size in sizes]
    shown = sum((1 + asked) * max(1, here) for here in seen)
    return shown + len(checkpoints) * _beginning(suite)


def _beginning(suite: Suite) -> float:
    """Work on a checkpoint before the first condition: above all, training its controls."""
    steps = trained_networks(suite) * suite.random_encoder.steps
    return 1 + TRAINING * steps * 200 / max(FIXED, suite.voe.trajectories)


def sweep(
    checkpoints: Sequence[Checkpoint],
    suite: Suite,
    sizes: Sequence[int],
    history: int,
    cache: LatentCache,
    task: Task,
    progress: Progress | None = None,
) -> Sweep:
    """Let checkpoints look at all conditions and doses of a suite.

    Args:
        checkpoints: the checkpoints; may be none, for the scenes alone.
        suite: what to show.
        sizes: image sizes, the one for filmstrips first.
        history: the longest of all models that are to be compared: t0 leaves room for it.
        cache: of latents.
        task: advanced by ``work`` in all.
        progress: where the training of controls is shown, inside that task.

    Raises:
        UsageError: a condition about a body that the world does not have.
        UserError: trajectories too short, or the world fails the sham check.
    """
    cases = matched_pairs(suite, sizes[0], history)
    apart = disjoint_pairs(suite, sizes[0], history)
    clips = Clips(cases)
    kept: dict[str, np.ndarray] = {}
    onsets: dict[str, np.ndarray] = {}
    moments = {
        c.name: apart.moments(c) for c in suite.voe.conditions if c.how.needs_event and checkpoints
    }
    found = Sweep(StimulusRecord(cases.onset, kept, onsets, {}))
    for size in sizes:
        cases, apart = cases.at_size(size), apart.at_size(size)
        here = [i for i, s in enumerate(checkpoints) if s.model.spec.image_size == size]
        shown, beside = ImageChanges(cases), ImageChanges(apart)
        matches = _matches(suite, apart) if here else {}
        each = max(1, len(here))
        task.advance(each)
        seen: dict[int, SurpriseScorer] = {}
        for i in here:
            recorder = ResultRecorder("voe", suite)
            expect(task, _beginning(suite))
            with _failing(found, i, checkpoints[i]):
                seen[i] = SurpriseScorer(
                    checkpoints[i], shown, beside, suite, cache, recorder, progress
                )
            for one in matches.values():
                _note_match(recorder, one)
            found.notes[i] = list(recorder.notes)
            task.advance(_beginning(suite))

        def choose_directions(
            condition: Condition,
            subject: str,
            dose: float | None,
            beside: ImageChanges = beside,
            here: Sequence[int] = here,
            seen: Mapping[int, SurpriseScorer] = seen,
        ) -> None:
            if condition.expected == "appearance" or not suite.voe.sign_pairs:
                return
            changed = beside.cases.dosed(condition, suite.voe.sign_pairs)
            pixels = beside.changed_differences(changed)
            for i in _well(here, found):
                with _failing(found, i, checkpoints[i]):
                    seen[i].choose_direction(subject, dose, changed, pixels)

        for condition in suite.voe.conditions:
            whole = condition.matched_to is None
            if not whole and not here:  # nobody looks; which cases can be made is known
                every = np.ones(len(cases), bool)
                kept[condition.name], onsets[condition.name] = every, cases.onset
                task.advance(each)
                continue
            if whole:
                changed = cases.changed(condition.name)
            else:
                changed = cases.dosed(matches[condition.name].condition)
            pixels = shown.changed_differences(changed)
            if size == sizes[0]:
                kept[condition.name], onsets[condition.name] = changed.kept, changed.onset
                if whole:
                    clips.add(condition.name, changed)
            for i in _well(here, found):
                with _failing(found, i, checkpoints[i]):
                    seen[i].look_at(condition.name, changed, pixels, whole)
            choose_directions(condition, condition.name, None)
            task.advance(each)
        for response in suite.voe.dose_response:
            for dose in response.doses:
                changed = cases.dosed(response.at(dose))
                pixels = shown.changed_differences(changed)
                for i in _well(here, found):
                    with _failing(found, i, checkpoints[i]):
                        seen[i].look_at_dose(response.name, dose, changed, pixels)
                choose_directions(response.at(dose), response.name, dose)
                task.advance(each)
        strengths = {name: (one.strength, one.reached) for name, one in matches.items()}
        for i in _well(list(seen), found):
            found.scores[i] = seen[i].gathered(kept, onsets, moments, strengths)
    found.stimuli = StimulusRecord(cases.onset, kept, onsets, clips.images())
    return found


def _matches(suite: Suite, apart: MatchedPairs) -> dict[str, Match]:
    """Strengths of all matched conditions at this image size."""
    named = {c.name: c for c in suite.voe.conditions}
    first = suite.voe.sign_pairs or len(apart)
    return {
        name: match(condition, named[condition.matched_to], apart, first)
        for name, condition in named.items()
        if condition.matched_to is not None
    }


def _note_match(recorder: ResultRecorder, one: Match) -> None:
    if one.reached < 1 - TOLERATED:
        recorder.note(
            f"{one.condition.name}: even at its strongest the image changes {one.reached:.2f} "
            "times as much as under the violation that it is matched to."
        )


def _well(places: Sequence[int], found: Sweep) -> list[int]:
    return [i for i in places if i not in found.failed]


@contextmanager
def _failing(found: Sweep, place: int, checkpoint: Checkpoint) -> Iterator[None]:
    """Keep a checkpoint's failure; the others go on."""
    try:
        with blaming(checkpoint):
            yield
    except CheckpointFailed as failure:
        found.failed[place] = failure
