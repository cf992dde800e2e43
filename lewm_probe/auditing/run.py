"""Ask questions of checkpoints, each once: a finished analysis with the same inputs is read back.

Shared by the commands of single analyses, by ``audit`` and ``demo``, and by ``lewm_probe.audit`` in
a notebook or in somebody's training loop. A checkpoint that fails is left out and named; the others
go on without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.auditing.request import Evaluation, Failure
from lewm_probe.core.errors import UserError
from lewm_probe.core.progress import expect
from lewm_probe.results.analyses import ANALYSES, in_order
from lewm_probe.results.place import check_place

if TYPE_CHECKING:
    from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed
    from lewm_probe.core.progress import Progress
    from lewm_probe.results.result import Result


WORK = {"probe": 16.0, "voe": 12.0}
"""How much longer an analysis takes than those that are not named: measured on a CPU model."""


def by_default(suite: Suite, beside: Sequence[str] = ()) -> list[str]:
    """The analyses that an audit asks: those of which the suite says what to ask.

    Args:
        suite: of the audit.
        beside: others that are asked as well, by name.

    Raises:
        UsageError: no such analysis.
    """
    for name in beside:
        ANALYSES.get(name)
    asked = [a.name for a in in_order() if a.by_default or a.name in beside]
    return [name for name in asked if name in beside or getattr(suite, name, None) is not None]


def ask(
    names: Sequence[str],
    evaluation: Evaluation,
    command: str,
    folder: Callable[[str], Path | None],
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Run the analyses ``names`` one after the other, each saved to ``folder(name)`` when done.

    An analysis whose folder holds the result of the same checkpoints, suite and code is not
    repeated. A checkpoint that fails in an analysis is left out of that one, told to ``say`` and
    added to ``evaluation.failures``; an analysis in which all of them fail is missing, and
    the notes of the first result say so.

    Raises:
        UserError: every checkpoint fails in every analysis.
    """
    from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed

    results: list[Result] = []
    lost: list[str] = []
    last: CheckpointFailed | None = None
    for name in names:  # before the work, not after it
        if (place := folder(name)) is not None:
            check_place(place)
    work = {name: WORK.get(name, 1.0) for name in names}
    with progress.task("Analyses", sum(work.values())) as task:
        for name in names:
            expect(task, work[name])
            try:
                found = _without_failing(name, evaluation, command, folder(name), progress, say)
            except CheckpointFailed as failure:
                last = failure
                if len(names) > 1:
                    _leave_out(failure, name, evaluation, say)
                    lost.append(name)
            else:
                results.append(found)
            task.advance(work[name])
    if last is not None and not results:
        raise last
    if lost:
        reported = [str(failure) for failure in evaluation.failures if failure.stage in lost]
        results[0] = _noted(results[0], reported)
    return results


def _noted(result: Result, notes: Sequence[str]) -> Result:
    """The result with further notes."""
    from lewm_probe.results.result import Result

    first, *others = result.provenance
    reported = first.model_copy(update={"notes": [*first.notes, *notes]})
    return Result(
        [reported, *others],
        result.models,
        result.metrics,
        result.rows,
        result.images,
        result.cards,
    )


def _without_failing(
    name: str,
    evaluation: Evaluation,
    command: str,
    folder: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Result:
    """Ask; on a failure ask the others again, whose measurements are remembered by then."""
    from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed

    checkpoints = list(evaluation.checkpoints)
    failed: list[Failure] = []
    while True:
        try:
            return _ask_one(name, checkpoints, evaluation, command, folder, progress, failed)
        except CheckpointFailed as failure:
            if len(checkpoints) == 1:
                raise
            checkpoints.remove(failure.checkpoint)
            failed.append(_leave_out(failure, name, evaluation, say))


def _leave_out(
    failure: CheckpointFailed, name: str, evaluation: Evaluation, say: Callable[[str], None]
) -> Failure:
    reported = Failure(failure.checkpoint.label, name, str(failure))
    evaluation.failures.append(reported)
    say(str(reported))
    return reported


def _ask_one(
    name: str,
    checkpoints: Sequence[Checkpoint],
    evaluation: Evaluation,
    command: str,
    folder: Path | None,
    progress: Progress,
    failed: Sequence[Failure],
) -> Result:
    from lewm_probe.analyses.engine import run
    from lewm_probe.results.provenance import provenance, stamped

    suite = evaluation.suite
    notes = [*evaluation.notes, *evaluation.notes_of.get(name, ()), *map(str, failed)]
    key = _key(name, checkpoints, suite, evaluation.device, notes)
    known = _known(folder, key)
    if known is not None:
        return known
    started = time.monotonic()
    result = run.run(
        name,
        checkpoints,
        suite,
        cache=evaluation.cache,
        device=evaluation.device,
        progress=progress,
    )
    entry = provenance(
        command,
        seeds={"evaluation": suite.seed},
        fingerprints={"inputs": key, **{s.label: s.model.fingerprint for s in checkpoints}},
        settings={
            "analysis": name,
            "curve": any(checkpoint.earlier_checkpoints for checkpoint in checkpoints),
            "suite": suite.model_dump(mode="json"),
            **({"fast": True} if evaluation.fast else {}),
        },
        wall_seconds=time.monotonic() - started,
        notes=notes,
    )
    result = stamped(result, entry)
    if folder is not None:
        result.save(folder)
    return result


def _known(folder: Path | None, key: str) -> Result | None:
    """The result in a folder, if it is the answer to this very question."""
    from lewm_probe.results.result import Result

    if folder is None or not (folder / "results.json").is_file():
        return None
    try:
        old = Result.load(folder)
    except UserError:
        return None  # cut short or of another version: made again
    same = len(old.provenance) == 1 and old.provenance[0].fingerprints.get("inputs") == key
    return old if same else None


def _key(
    name: str, checkpoints: Sequence[Checkpoint], suite: Suite, device: str, notes: Sequence[str]
) -> str:
    """A hash of all that a result follows from.

    Checkpoints with their runs and code, world, suite, device, what is told beside the numbers, our
    code and the libraries.
    """
    from lewm_probe.analyses.engine.remembered.latent_cache import encode_code
    from lewm_probe.core.files import content_hash, file_hash
    from lewm_probe.results.provenance import code_version, packages
    from lewm_probe.worlds import make_world

    asked = [
        (
            checkpoint.entry.model_dump_json(),
            encode_code(checkpoint.model),
            [file_hash(path) for path in checkpoint.earlier_checkpoints],
        )
        for checkpoint in checkpoints
    ]
    world = make_world(suite.world).fingerprint
    libraries = sorted(packages().items())
    return content_hash(
        name,
        asked,
        world,
        suite.model_dump_json(),
        device,
        notes,
        code_version(),
        ANALYSES.get(name).code(),
        libraries,
    )
