"""Raw rows: everything that the numbers of one checkpoint can be computed from again.

Subjects are the conditions, ``reference`` (unperturbed twins) and ``disjoint``. The model has a row
for each frame, baselines (``control``) at the frames that something begins at; ``method`` is the
seed of a random encoder, or says that a row is of the disjoint trajectories: ``disjoint`` at the
moments found for a condition, ``direction pairs`` and ``direction twins`` for what chose a
direction; these have no ``horizon``, so that nobody takes them for cases. Rows of doses carry
their ``dose``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.voe.scores import SEED, OnsetScores, SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL, WHITENED, onset_values


def write_rows(recorder: ResultRecorder, scores: SurpriseScores) -> None:
    """Surprise by trajectory and frame."""
    table = _Rows(recorder, scores)
    scorers = list(scores.clean)
    cases, frames = _grid(scores.clean[MODEL])
    swept = [found for by_dose in scores.doses.values() for found in by_dose.values()]
    moments = [_starts(scores.onset), *map(_starts, scores.onsets.values())]
    moments += [np.column_stack([found.case, found.frame]) for found in swept]
    starts = np.unique(np.concatenate(moments), axis=0)
    for scorer in scorers:
        case, frame = (cases, frames) if scorer == MODEL else starts.T
        table.add(scores.clean[scorer], case, frame, scorer, scores.onset, subject="reference")
    for name, by_scorer in scores.conditions.items():
        there, onset = np.flatnonzero(scores.kept[name]), scores.onsets[name]
        late = scores.kept[name][cases] & (frames >= onset[cases])
        for scorer, values in by_scorer.items():
            case, frame = there, onset[there]
            if scorer == MODEL:
                case, frame = cases[late], frames[late]
            table.add(values, case, frame, scorer, onset, subject=name)
    for name, by_dose in scores.doses.items():
        for dose, found in by_dose.items():
            for scorer, (perturbed, _) in found.scores.items():
                if scorer != WHITENED:
                    table.at_onset(perturbed, found, scorer, subject=name, dose=dose)
    _disjoint(table, scores, scorers)
    swapped = onset_values(scores.swapped, scores.onset)
    everyone = OnsetScores(np.arange(len(swapped)), scores.onset, {})
    table.at_onset(swapped, everyone, MODEL, subject="preflight", method="swapped actions")
    for name, change in scores.pixel_changes.items():
        there = np.flatnonzero(scores.kept[name])
        names = [scores.ids[i] for i in there]
        where = scores.onsets[name][there]
        recorder.rows(scores.checkpoint, "pixel_change", change, names, where, subject=name)


def _disjoint(table: _Rows, scores: SurpriseScores, scorers: Sequence[str]) -> None:
    cases, frames = _grid(scores.disjoint[MODEL])
    onset = scores.disjoint_onset
    everyone = np.arange(len(onset))
    for scorer in scorers:
        whole = scorer in (MODEL, "copy_last")  # preflight compares the two on all frames
        case, frame = (cases, frames) if whole else (everyone, onset)
        if scorer != WHITENED:
            table.add(
                scores.disjoint[scorer], case, frame, scorer, onset, apart=True, subject="disjoint"
            )
    for name, (there, moments) in scores.disjoint_onsets.items():
        case = np.flatnonzero(there)
        for scorer in scorers:
            if scorer != WHITENED:
                keys = {"subject": name, "method": "disjoint"}
                values = scores.disjoint[scorer]
                table.add(values, case, moments[case], scorer, moments, apart=True, **keys)
    for (subject, dose), found in scores.signs.items():
        for scorer, pair in found.scores.items():
            for values, what in zip(pair, ("pairs", "twins"), strict=True):
                keys = {"subject": subject, "method": f"direction {what}"}
                table.at_onset(values, found, scorer, apart=True, dose=dose, **keys)


class _Rows:
    """Writes cells of surprise down with what they have in common."""

    def __init__(self, recorder: ResultRecorder, scores: SurpriseScores) -> None:
        self._recorder, self._checkpoint = recorder, scores.checkpoint
        self._ids = {False: np.asarray(scores.ids), True: np.asarray(scores.disjoint_ids)}

    def add(
        self,
        values: np.ndarray,
        case: np.ndarray,
        frame: np.ndarray,
        scorer: str,
        onset: np.ndarray,
        *,
        apart: bool = False,
        method: str | None = None,
        **keys: str | float | None,
    ) -> None:
        """Some cells of surprise (N, T); ``horizon`` counts from ``onset``."""
        control, _, seed = scorer.partition(SEED)
        if seed:
            method = f"{method}, seed {seed}" if method else f"seed {seed}"
        horizon = None if method is not None and apart else frame - onset[case]
        self._recorder.rows(
            self._checkpoint,
            "surprise",
            values[case, frame],
            self._ids[apart][case],
            frame,
            features="z",
            control=None if scorer == MODEL else control,
            method=method,
            horizon=horizon,
            **keys,
        )

    def at_onset(
        self,
        values: np.ndarray,
        found: OnsetScores,
        scorer: str,
        *,
        apart: bool = False,
        method: str | None = None,
        **keys: str | float | None,
    ) -> None:
        """Values (n,) at t0."""
        where = np.full((len(self._ids[apart]), int(found.frame.max(initial=0)) + 1), np.nan)
        where[found.case, found.frame] = values
        onset = np.zeros(len(where), np.int64)
        onset[found.case] = found.frame
        case, frame = found.case, found.frame
        self.add(where, case, frame, scorer, onset, apart=apart, method=method, **keys)


def _grid(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cases, frames = np.indices(values.shape)
    return cases.ravel(), frames.ravel()


def _starts(onset: np.ndarray) -> np.ndarray:
    """(N,) → cases and frames, (N, 2)."""
    return np.column_stack([np.arange(len(onset)), onset])
