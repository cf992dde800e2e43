"""Violation of expectation: is a world model surprised by what cannot be, and only by that?

LeWorldModel (arXiv 2603.19312) compares surprise on matched trajectories, unperturbed, recoloured
and teleported, by a paired t-test. Here every condition of the suite is one intervention on the
same cases (``matched_pairs``), shown to all checkpoints (``sweep``), scored (``scorer``,
``surprise``) beside baselines that notice a jump without any dynamics, and read by ranks, effect
sizes and tests (``metrics``). Models are compared in ``comparison``; whether a checkpoint was
fed what it expects is asked in ``preflight``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.differences import Measured
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import MeasurementCache, Samples
from lewm_probe.analyses.voe.comparison import compare, onset_samples
from lewm_probe.analyses.voe.doses import write_doses
from lewm_probe.analyses.voe.metrics import OFFSETS, Resamples, write_metrics
from lewm_probe.analyses.voe.preflight import preflight
from lewm_probe.analyses.voe.scorer import check_baselines
from lewm_probe.analyses.voe.scores import SurpriseScores
from lewm_probe.analyses.voe.surprise import MODEL, onset_values
from lewm_probe.analyses.voe.sweep import StimulusRecord, Sweep, steps, sweep
from lewm_probe.core.errors import unknown_name
from lewm_probe.results.schema import Metric
from lewm_probe.stats import paired
from lewm_probe.stats.bootstrap import Estimate


def measure_all(
    checkpoints: Sequence[Checkpoint], context: Context, recorder: ResultRecorder
) -> Measured:
    """Surprise of each checkpoint under every condition, with baselines and statistics.

    All checkpoints see the same cases, t0 included: it leaves room for the longest history among
    them, so that a further checkpoint with a longer one has all of them look again. Teleports are
    tested one-sidedly, all else two-sidedly.

    Raises:
        UsageError: a condition about a body that the world does not have.
        UserError: a checkpoint gives NaN or infinite numbers, or refuses the images; trajectories
            too short; the world fails the sham check.
    """
    suite = context.suite
    _check_names(suite)
    # Linear extrapolation needs two frames before t0 even where a model itself sees one.
    history = max(2, *(s.model.spec.history for s in checkpoints))
    measurements = context.measurements(recorder, history)
    new = [checkpoint for checkpoint in checkpoints if not measurements.known(checkpoint)]
    stimuli, swept = _screen(new, checkpoints, history, measurements, context)
    resamples = Resamples(suite)

    def write(checkpoint: Checkpoint, own: ResultRecorder) -> Samples:
        assert swept is not None
        return _write(own, swept, new.index(checkpoint), suite, resamples)

    failed = swept.failed if swept is not None else {}
    measured = [
        (checkpoint, measurements.of(checkpoint, partial(write, checkpoint)))
        for checkpoint in checkpoints
        if checkpoint not in new or new.index(checkpoint) not in failed
    ]
    for failure in failed.values():  # the others are remembered by now
        raise failure
    _note_left_out(recorder, stimuli)
    _note_moved(recorder, stimuli)
    recorder.images |= stimuli.clips
    return measured


def finish(measured: Measured, context: Context, recorder: ResultRecorder) -> None:
    """Compare the models, and correct their tests.

    Tests at onset of the suite's confirmatory conditions, over all checkpoints, form one Holm
    family (paired t-test of Δ = log s_pert − log s_ref).
    """
    compare(recorder, measured, context.suite, Resamples(context.suite))
    _correct(recorder, [checkpoint for checkpoint, _ in measured], context.suite)


def _screen(
    new: Sequence[Checkpoint],
    checkpoints: Sequence[Checkpoint],
    history: int,
    measurements: MeasurementCache,
    context: Context,
) -> tuple[StimulusRecord, Sweep | None]:
    """Show everything to the new checkpoints; scenes that are known and new to none are not made.

    Filmstrips are of the largest image among all ``checkpoints``.
    """
    suite, cache = context.suite, context.cache
    largest = max(s.model.spec.image_size for s in checkpoints)
    key = measurements.shared("scenes", largest)
    known = cache.recall(key)
    wanted = {s.model.spec.image_size for s in new} | ({largest} if known is None else set())
    sizes = sorted(wanted, reverse=True)
    swept = None
    if sizes:
        count = steps(suite, sizes, len(new))
        with context.progress.task("Violation of expectation", count) as task:
            swept = sweep(new, suite, sizes, history, cache, task)
    if known is not None:
        return StimulusRecord.unpacked(known), swept
    assert swept is not None
    cache.keep(key, swept.stimuli.packed())
    return swept.stimuli, swept


def _write(
    recorder: ResultRecorder, swept: Sweep, place: int, suite: Suite, resamples: Resamples
) -> Samples:
    """Everything about one checkpoint; its surprise at onset, for the differences."""
    evidence = swept.scores[place]
    recorder.take([], None, swept.notes[place])
    write_metrics(recorder, evidence, suite, resamples)
    add = partial(recorder.metric, evidence.checkpoint, features="z")
    for response in suite.voe.dose_response:
        write_doses(add, response, swept.doses[place][response.name], suite, resamples)
    preflight(recorder, evidence, suite, resamples)
    _write_rows(recorder, evidence)
    return onset_samples(evidence)


def _check_names(suite: Suite) -> None:
    check_baselines(suite.voe.baselines)
    names = [c.name for c in suite.voe.conditions]
    for name in suite.statistics.confirmatory:
        if name not in names:
            raise unknown_name("confirmatory condition", name, names)


def _note_left_out(recorder: ResultRecorder, stimuli: StimulusRecord) -> None:
    for name, there in stimuli.kept.items():
        missing = int((~there).sum())
        if missing:
            recorder.note(
                f"{name}: {missing} of {len(there)} cases were left out, as the intervention has "
                "no valid place there, or nothing would show of it at any moment."
            )


def _note_moved(recorder: ResultRecorder, stimuli: StimulusRecord) -> None:
    for name, moments in stimuli.onsets.items():
        kept = stimuli.kept[name]
        moved = int((moments != stimuli.onset)[kept].sum())
        if moved:
            recorder.note(
                f"{name}: {moved} of {int(kept.sum())} cases have another onset than in the "
                "other conditions, as nothing would show at their own."
            )


def _write_rows(recorder: ResultRecorder, evidence: SurpriseScores) -> None:
    """Surprise by trajectory: all offsets for the model, the onset alone for baselines.

    Before t0 every condition is its reference, so those offsets are stored for the reference only.
    Where a condition has an onset of its own, the reference is stored at that frame too, without an
    offset, so that every perturbed value has its twin.
    """
    ids = np.asarray(evidence.ids)
    parts: list[dict[str, np.ndarray]] = []
    everyone = np.ones(len(ids), bool)
    tables = {"reference": (evidence.clean, everyone, evidence.onset)}
    tables |= {
        name: (scores, evidence.kept[name], evidence.onsets[name])
        for name, scores in evidence.conditions.items()
    }
    for name, (scores, there, onsets) in tables.items():
        onset = onsets[there]
        for scorer in (MODEL, *evidence.baselines):
            for offset in OFFSETS if scorer == MODEL else (0,):
                if offset < 0 and name != "reference":
                    continue
                values = onset_values(scores[scorer][there], onset, offset)
                column = {
                    "value": values,
                    "trajectory_id": ids[there],
                    "frame": onset + offset,
                    "horizon": np.full(len(values), offset),
                    "subject": np.full(len(values), name, dtype=object),
                    "control": np.full(len(values), None if scorer == MODEL else scorer),
                }
                parts.append({key: of[np.isfinite(values)] for key, of in column.items()})
    case, frame = _moved(evidence)
    for scorer in (MODEL, *evidence.baselines):
        new = ~np.isin(frame - evidence.onset[case], OFFSETS if scorer == MODEL else (0,))
        values = evidence.clean[scorer][case, frame]
        column = {
            "value": values,
            "trajectory_id": ids[case],
            "frame": frame,
            "horizon": np.full(len(values), np.nan),
            "subject": np.full(len(values), "reference", dtype=object),
            "control": np.full(len(values), None if scorer == MODEL else scorer),
        }
        parts.append({key: of[new & np.isfinite(values)] for key, of in column.items()})
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    values, names = columns.pop("value"), columns.pop("trajectory_id").tolist()
    frames = columns.pop("frame")
    recorder.rows(evidence.checkpoint, "surprise", values, names, frames, features="z", **columns)


def _moved(evidence: SurpriseScores) -> tuple[np.ndarray, np.ndarray]:
    """Cases and frames at which some condition begins elsewhere than at the case's own t0."""
    found = {
        (int(case), int(onsets[case]))
        for name, onsets in evidence.onsets.items()
        for case in np.flatnonzero(evidence.kept[name] & (onsets != evidence.onset))
    }
    pairs = np.array(sorted(found), np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _correct(recorder: ResultRecorder, checkpoints: Sequence[Checkpoint], suite: Suite) -> None:
    """Holm over the confirmatory tests of all checkpoints, and the effect that is left to see."""
    tests = [
        m
        for m in recorder.metrics
        if m.metric == "p_ttest"
        and m.window == "onset"
        and m.versus is None
        and m.subject in suite.statistics.confirmatory
    ]
    for test, adjusted in zip(tests, paired.holm([t.value for t in tests]), strict=True):
        changed = {"metric": "p_holm", "value": adjusted}
        recorder.metrics.append(Metric(**(test.model_dump() | changed)))
    family, n = max(1, len(tests)), suite.voe.trajectories
    smallest = paired.smallest_detectable_d_z(n, family, suite.statistics.alpha)
    for checkpoint in checkpoints:
        recorder.metric(
            checkpoint, "smallest_detectable_d_z", Estimate(smallest, n=n), features="z"
        )
