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

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite, check_measures
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.differences import Measured, by_name
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import MeasurementCache, Samples
from lewm_probe.analyses.voe.comparison import compare, onset_samples
from lewm_probe.analyses.voe.doses import write_doses
from lewm_probe.analyses.voe.metrics import Resamples, write_metrics
from lewm_probe.analyses.voe.preflight import preflight
from lewm_probe.analyses.voe.rows import write_rows
from lewm_probe.analyses.voe.scorer import check_baselines
from lewm_probe.analyses.voe.sweep import StimulusRecord, Sweep, sweep, work
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
    """Compare the models, and tell which effects their tests could find.

    Tests are corrected where a result is made (``results/family``).
    """
    _last_steps_alone(recorder, measured)
    compare(recorder, measured, context.suite, Resamples(context.suite))
    _smallest_effects(recorder, [checkpoint for checkpoint, _ in measured])


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
        units = work(suite, sizes, new)
        with context.progress.task("voe", units) as task:
            swept = sweep(new, suite, sizes, history, cache, task, context.progress)
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
    write_metrics(recorder, evidence, suite)
    add = partial(recorder.metric, evidence.checkpoint, features="z")
    for response in suite.voe.dose_response:
        found = evidence.doses.get(response.name, {})
        write_doses(add, response, found, evidence.signs, suite)
    preflight(recorder, evidence, suite, resamples)
    write_rows(recorder, evidence)
    return onset_samples(evidence)


def _check_names(suite: Suite) -> None:
    check_baselines(suite.voe.baselines)
    check_measures(suite)


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


def _smallest_effects(recorder: ResultRecorder, checkpoints: Sequence[Checkpoint]) -> None:
    """The d_z that a test of each condition finds with a power of 0.8.

    With the condition's own n and sidedness, at Holm's strictest step over the tests ``p_noticed``
    that this run makes; a report of more models has a larger family.
    """
    suite = recorder.suite
    tests = [m for m in recorder.metrics if m.metric == "p_noticed" and m.dose is None]
    sides = {c.name: c.how.alternative == "greater" for c in suite.voe.conditions}
    for checkpoint in checkpoints:
        mine = {key: checkpoint.identity[key] for key in ("model", "train_seed", "step")}
        for test in tests:
            if test.subject not in sides or test.versus is not None:
                continue
            if any(getattr(test, key) != value for key, value in mine.items()) or test.n is None:
                continue
            smallest = paired.smallest_detectable_d_z(
                test.n, len(tests), suite.statistics.alpha, one_sided=sides[test.subject]
            )
            keys = {"subject": test.subject, "window": "onset", "features": "z"}
            found = Estimate(smallest, n=test.n)
            recorder.metric(checkpoint, "smallest_detectable_d_z", found, **keys)


def _last_steps_alone(recorder: ResultRecorder, measured: Measured) -> None:
    """Drop tests of earlier steps: verdicts are about what training ended with."""
    last = {
        (one.entry.name, one.entry.train_seed, one.entry.step)
        for group in by_name(measured).values()
        for one, _ in group
    }
    recorder.metrics[:] = [
        m
        for m in recorder.metrics
        if m.metric not in ("p_noticed", "p_beyond") or (m.model, m.train_seed, m.step) in last
    ]
