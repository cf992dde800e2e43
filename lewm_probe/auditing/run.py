"""Ask questions of checkpoints, each once: a finished analysis with the same inputs is read back.

Shared by the commands of single analyses, by ``audit`` and ``demo``, and by ``lewm_probe.audit`` in
a notebook or in somebody's training loop. A checkpoint that fails is left out and named; the others
go on without it.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.auditing.request import Failure, Prepared
from lewm_probe.core.errors import UserError

if TYPE_CHECKING:
    from lewm_probe.analyses.engine.asked.checkpoint import Subject
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.analyses.engine.remembered.measurement_cache import SubjectFailed
    from lewm_probe.core.progress import Progress
    from lewm_probe.results.result import Result

ANALYSES = {
    "probe": "probe.measure",
    "voe": "voe.run",
    "straightness": "straightness.measure",
    "rollout": "rollout.measure",
    "geometry": "geometry.measure",
}
"""Each analysis and its module in ``lewm_probe.analyses``; the function has the analysis' name."""


def ask(
    names: Sequence[str],
    prepared: Prepared,
    command: str,
    folder: Callable[[str], Path | None],
    progress: Progress,
    say: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Run the analyses ``names`` one after the other, each saved to ``folder(name)`` when done.

    An analysis whose folder holds the result of the same checkpoints, suite and code is not
    repeated. A checkpoint that fails in an analysis is left out of that one, told to ``say`` and
    added to ``prepared.failures``; an analysis in which all of them fail is missing, and
    the notes of the first result say so.

    Raises:
        UserError: every checkpoint fails in every analysis.
    """
    from lewm_probe.analyses.engine.remembered.measurement_cache import SubjectFailed

    results: list[Result] = []
    lost: list[str] = []
    last: SubjectFailed | None = None
    with progress.task("Analyses", len(names)) as task:
        for name in names:
            try:
                found = _without_failing(name, prepared, command, folder(name), progress, say)
            except SubjectFailed as failure:
                last = failure
                if len(names) > 1:
                    _leave_out(failure, name, prepared, say)
                    lost.append(name)
            else:
                results.append(found)
            task.advance()
    if last is not None and not results:
        raise last
    if lost:
        told = [str(failure) for failure in prepared.failures if failure.stage in lost]
        results[0] = _noted(results[0], told)
    return results


def _noted(result: Result, notes: Sequence[str]) -> Result:
    """The result with further notes."""
    from lewm_probe.results.result import Result

    first, *others = result.provenance
    told = first.model_copy(update={"notes": [*first.notes, *notes]})
    return Result([told, *others], result.models, result.metrics, result.rows, result.pictures)


def function(name: str) -> Callable[..., Result]:
    """The analysis of that name."""
    module = importlib.import_module(f"lewm_probe.analyses.{ANALYSES[name]}")
    analysis: Callable[..., Result] = getattr(module, name)
    return analysis


def _without_failing(
    name: str,
    prepared: Prepared,
    command: str,
    folder: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Result:
    """Ask; on a failure ask the others again, whose portions are remembered by then."""
    from lewm_probe.analyses.engine.remembered.measurement_cache import SubjectFailed

    subjects = list(prepared.subjects)
    failed: list[Failure] = []
    while True:
        try:
            return _ask_one(name, subjects, prepared, command, folder, progress, failed)
        except SubjectFailed as failure:
            if len(subjects) == 1:
                raise
            subjects.remove(failure.subject)
            failed.append(_leave_out(failure, name, prepared, say))


def _leave_out(
    failure: SubjectFailed, name: str, prepared: Prepared, say: Callable[[str], None]
) -> Failure:
    told = Failure(failure.subject.label, name, str(failure))
    prepared.failures.append(told)
    say(str(told))
    return told


def _ask_one(
    name: str,
    subjects: Sequence[Subject],
    prepared: Prepared,
    command: str,
    folder: Path | None,
    progress: Progress,
    failed: Sequence[Failure],
) -> Result:
    from lewm_probe.results.provenance import provenance, stamped

    suite = prepared.suite
    notes = [*prepared.notes, *map(str, failed)]
    key = _key(name, subjects, suite, prepared.device, notes)
    known = _known(folder, key)
    if known is not None:
        return known
    started = time.monotonic()
    result = function(name)(
        subjects, suite, cache=prepared.cache, device=prepared.device, progress=progress
    )
    entry = provenance(
        command,
        seeds={"evaluation": suite.seed},
        fingerprints={"inputs": key, **{s.label: s.model.fingerprint for s in subjects}},
        settings={
            "analysis": name,
            "curve": any(subject.history for subject in subjects),
            "suite": suite.model_dump(mode="json"),
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
    name: str, subjects: Sequence[Subject], suite: Suite, device: str, notes: Sequence[str]
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
            subject.entry.model_dump_json(),
            encode_code(subject.model),
            [file_hash(path) for path in subject.history],
        )
        for subject in subjects
    ]
    world = make_world(suite.world).fingerprint
    libraries = sorted(packages().items())
    return content_hash(
        name, asked, world, suite.model_dump_json(), device, notes, code_version(), libraries
    )
