"""Ask one question of some checkpoints: what all analyses have in common.

>>> from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
>>> result = run("voe", checkpoints, suite, cache=LatentCache())  # doctest: +SKIP
>>> onset = result.frame().query("metric == 'auroc' and window == 'onset'")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from threadpoolctl import threadpool_limits

from lewm_probe.analyses.engine import preflight
from lewm_probe.analyses.engine.asked.checkpoint import (
    Checkpoint,
    check_all_fit,
    check_names_differ,
    freeze,
)
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.cards import cards_of
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.differences import Measured, write_differences
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.core.progress import Progress
from lewm_probe.results.analyses import ANALYSES, Analysis
from lewm_probe.results.result import Result


def run(
    analysis: str | Analysis,
    checkpoints: Sequence[Checkpoint],
    suite: Suite,
    *,
    cache: LatentCache,
    device: str = "cpu",
    progress: Progress | None = None,
    curve: bool = True,
) -> Result:
    """Measure each checkpoint, or remember having done so, and compare every two names.

    Args:
        analysis: the question, by name; its ``measure`` says which numbers it gives.
        checkpoints: models with their names; those of one name with several training seeds count as
            one method in the differences.
        suite: what to ask.
        cache: of latents and measurements.
        device: where models compute.
        progress: shows how far it is.
        curve: also look at the earlier checkpoints of each run, where the analysis does so.

    Raises:
        UsageError: no such analysis, the suite asks for what does not exist, or one name stands
            for what results could not tell apart.
        CheckpointFailed: a checkpoint failed; measurements of those before it are remembered.
        UserError: a model that does not fit the world.
    """
    if isinstance(analysis, str):
        analysis = ANALYSES.get(analysis)
    if not curve:
        checkpoints = [replace(checkpoint, earlier_checkpoints=()) for checkpoint in checkpoints]
    check_names_differ(checkpoints)
    context = Context(analysis, suite, cache, device, progress)
    check_all_fit(checkpoints, context.world)
    for checkpoint in checkpoints:
        freeze(checkpoint.model, device)
    recorder = ResultRecorder(analysis.name, suite)
    measure_all = analysis.load("measure_all") if analysis.measure_all else _one_by_one
    finish = analysis.load("finish") if analysis.finish else write_differences
    # One thread for BLAS: most products are small, where threads mostly wait for each other, and
    # sums come out the same on any number of cores.
    with threadpool_limits(1, user_api="blas"):
        measured = measure_all(checkpoints, context, recorder)
        for checkpoint in checkpoints:  # after them: latents are known by now
            for note in preflight.notes(checkpoint, context):
                recorder.note(note)
        finish(measured, context, recorder)
    settings = {"analysis": analysis.name, "suite": suite.model_dump(mode="json")}
    return recorder.result(checkpoints, settings, cards_of(context, checkpoints))


def _one_by_one(
    checkpoints: Sequence[Checkpoint], context: Context, recorder: ResultRecorder
) -> Measured:
    measure = context.analysis.load("measure")
    measurements = context.measurements(recorder)
    measured = []
    with context.progress.task(context.analysis.name, len(checkpoints)) as bar:
        for checkpoint in checkpoints:
            compute = partial(measure, checkpoint, context)
            measured.append((checkpoint, measurements.of(checkpoint, compute)))
            bar.advance()
    return measured
