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
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed, blaming
from lewm_probe.analyses.voe.doses import AtOnset
from lewm_probe.analyses.voe.scorer import ImageChanges, SurpriseScorer
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.shown.filmstrips import Clips
from lewm_probe.analyses.voe.shown.matched_pairs import matched_pairs
from lewm_probe.core.progress import Task


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
        doses: its surprise at onset, dose-response → dose.
        failed: checkpoints that could not go on, and why.
    """

    stimuli: StimulusRecord
    notes: dict[int, list[str]] = field(default_factory=dict)
    scores: dict[int, SurpriseScores] = field(default_factory=dict)
    doses: dict[int, dict[str, dict[float, AtOnset]]] = field(default_factory=dict)
    failed: dict[int, CheckpointFailed] = field(default_factory=dict)


def steps(suite: Suite, sizes: Sequence[int], checkpoints: int) -> int:
    """How often ``sweep`` advances its task."""
    asked = len(suite.voe.conditions) + sum(len(r.doses) for r in suite.voe.dose_response)
    return len(sizes) * (1 + asked) + checkpoints


def sweep(
    checkpoints: Sequence[Checkpoint],
    suite: Suite,
    sizes: Sequence[int],
    history: int,
    cache: LatentCache,
    task: Task,
) -> Sweep:
    """Let checkpoints look at all conditions and doses of a suite.

    Args:
        checkpoints: the checkpoints; may be none, for the scenes alone.
        suite: what to show.
        sizes: image sizes, the one for filmstrips first.
        history: the longest of all models that are to be compared: t0 leaves room for it.
        cache: of latents.
        task: advanced ``steps`` times.

    Raises:
        UsageError: a condition about a body that the world does not have.
        UserError: trajectories too short, or the world fails the sham check.
    """
    cases = matched_pairs(suite, sizes[0], history)
    clips = Clips(cases)
    kept: dict[str, np.ndarray] = {}
    onsets: dict[str, np.ndarray] = {}
    found = Sweep(StimulusRecord(cases.onset, kept, onsets, {}))
    seen: dict[int, SurpriseScorer] = {}
    for size in sizes:
        cases = cases.at_size(size)
        here = [i for i, s in enumerate(checkpoints) if s.model.spec.image_size == size]
        shown = ImageChanges(cases, suite_trajectories(suite, size, "disjoint"))
        task.advance()
        for i in here:
            recorder = ResultRecorder("voe", suite)
            with _failing(found, i, checkpoints[i]):
                seen[i] = SurpriseScorer(checkpoints[i], shown, suite, cache, recorder)
            found.notes[i] = list(recorder.notes)
            task.advance()
        for condition in suite.voe.conditions:
            changed = cases.changed(condition.name)
            pixels = shown.changed_differences(changed)
            if size == sizes[0]:
                clips.add(condition.name, changed)
                kept[condition.name], onsets[condition.name] = changed.kept, changed.onset
            for i in _well(here, found):
                with _failing(found, i, checkpoints[i]):
                    seen[i].look_at(condition.name, changed, pixels)
            task.advance()
        for response in suite.voe.dose_response:
            for dose in response.doses:
                changed = cases.dosed(response.at(dose))
                pixels = shown.changed_differences(changed)
                for i in _well(here, found):
                    with _failing(found, i, checkpoints[i]):
                        at_onset = seen[i].at_onset(changed, pixels)
                        doses = found.doses.setdefault(i, {})
                        doses.setdefault(response.name, {})[dose] = at_onset
                task.advance()
    found.stimuli = StimulusRecord(cases.onset, kept, onsets, clips.images())
    for i in _well(list(seen), found):
        found.scores[i] = seen[i].gathered(kept, onsets)
    return found


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
