"""Show every condition to every checkpoint: the expensive pass of the violation protocol.

Conditions are simulated once for each picture size and seen by all checkpoints of that size, so
that only one of them is in memory at a time. ``Scenes`` is what does not depend on a checkpoint:
which cases could be made, when, and what they look like.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Subject
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import suite_trajectories
from lewm_probe.analyses.engine.recorder import Ledger
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import SubjectFailed, blaming
from lewm_probe.analyses.voe.doses import AtOnset
from lewm_probe.analyses.voe.filmstrips import Films
from lewm_probe.analyses.voe.matched_pairs import matched_cases
from lewm_probe.analyses.voe.metrics import Evidence
from lewm_probe.analyses.voe.scorer import Examination, Shown
from lewm_probe.core.progress import Task


@dataclass(frozen=True)
class Scenes:
    """What was shown, whoever looked.

    Attributes:
        onset: t0 of each case, (N,).
        kept: condition → which cases could be made, bool (N,).
        onsets: condition → t0 of each case under it, (N,).
        films: name → filmstrip uint8 (T, H, W, C).
    """

    onset: np.ndarray
    kept: Mapping[str, np.ndarray]
    onsets: Mapping[str, np.ndarray]
    films: Mapping[str, np.ndarray]

    def packed(self) -> dict[str, np.ndarray]:
        """As arrays, which the latent cache stores."""
        named = {"kept": self.kept, "onsets": self.onsets, "films": self.films}
        arrays = {f"{kind} {name}": a for kind, of in named.items() for name, a in of.items()}
        return arrays | {"onset": self.onset}

    @classmethod
    def unpacked(cls, arrays: Mapping[str, np.ndarray]) -> Scenes:
        """The scenes that ``packed`` gave."""
        found: dict[str, dict[str, np.ndarray]] = {"kept": {}, "onsets": {}, "films": {}}
        for key in sorted(arrays.keys() - {"onset"}):
            kind, name = key.split(" ", 1)
            found[kind][name] = arrays[key]
        return cls(arrays["onset"], **found)


@dataclass
class Screening:
    """What each checkpoint made of it.

    Attributes:
        scenes: what was shown.
        notes: by place among the checkpoints: what a reader must know of each.
        evidence: its surprise.
        doses: its surprise at onset, dose-response → dose.
        failed: checkpoints that could not go on, and why.
    """

    scenes: Scenes
    notes: dict[int, list[str]] = field(default_factory=dict)
    evidence: dict[int, Evidence] = field(default_factory=dict)
    doses: dict[int, dict[str, dict[float, AtOnset]]] = field(default_factory=dict)
    failed: dict[int, SubjectFailed] = field(default_factory=dict)


def steps(suite: Suite, sizes: Sequence[int], subjects: int) -> int:
    """How often ``screen`` advances its task."""
    asked = len(suite.voe.conditions) + sum(len(r.doses) for r in suite.voe.dose_response)
    return len(sizes) * (1 + asked) + subjects


def screen(
    subjects: Sequence[Subject],
    suite: Suite,
    sizes: Sequence[int],
    history: int,
    cache: LatentCache,
    task: Task,
) -> Screening:
    """Let checkpoints look at all conditions and doses of a suite.

    Args:
        subjects: the checkpoints; may be none, for the scenes alone.
        suite: what to show.
        sizes: picture sizes, the one for filmstrips first.
        history: the longest of all models that are to be compared: t0 leaves room for it.
        cache: of latents.
        task: advanced ``steps`` times.

    Raises:
        UsageError: a condition about a body that the world does not have.
        UserError: trajectories too short, or the world fails the sham check.
    """
    cases = matched_cases(suite, sizes[0], history)
    films = Films(cases)
    kept: dict[str, np.ndarray] = {}
    onsets: dict[str, np.ndarray] = {}
    found = Screening(Scenes(cases.onset, kept, onsets, {}))
    seen: dict[int, Examination] = {}
    for size in sizes:
        cases = cases.at_size(size)
        here = [i for i, s in enumerate(subjects) if s.model.spec.image_size == size]
        shown = Shown(cases, suite_trajectories(suite, size, "disjoint"))
        task.advance()
        for i in here:
            ledger = Ledger("voe", suite)
            with _failing(found, i, subjects[i]):
                seen[i] = Examination(subjects[i], shown, suite, cache, ledger)
            found.notes[i] = list(ledger.notes)
            task.advance()
        for condition in suite.voe.conditions:
            changed = cases.changed(condition.name)
            pixels = shown.changed_differences(changed)
            if size == sizes[0]:
                films.add(condition.name, changed)
                kept[condition.name], onsets[condition.name] = changed.kept, changed.onset
            for i in _well(here, found):
                with _failing(found, i, subjects[i]):
                    seen[i].look_at(condition.name, changed, pixels)
            task.advance()
        for response in suite.voe.dose_response:
            for dose in response.doses:
                changed = cases.dosed(response.at(dose))
                pixels = shown.changed_differences(changed)
                for i in _well(here, found):
                    with _failing(found, i, subjects[i]):
                        at_onset = seen[i].at_onset(changed, pixels)
                        doses = found.doses.setdefault(i, {})
                        doses.setdefault(response.name, {})[dose] = at_onset
                task.advance()
    found.scenes = Scenes(cases.onset, kept, onsets, films.pictures())
    for i in _well(list(seen), found):
        found.evidence[i] = seen[i].evidence(kept, onsets)
    return found


def _well(places: Sequence[int], found: Screening) -> list[int]:
    return [i for i in places if i not in found.failed]


@contextmanager
def _failing(found: Screening, place: int, subject: Subject) -> Iterator[None]:
    """Keep a checkpoint's failure; the others go on."""
    try:
        with blaming(subject):
            yield
    except SubjectFailed as failure:
        found.failed[place] = failure
