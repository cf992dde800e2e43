"""Ask questions of checkpoints, each once: a finished analysis with the same inputs is read back.

Shared by the commands of single analyses, by ``audit`` and ``demo``, and by ``lewm_probe.audit`` in
a notebook or in somebody's training loop. A checkpoint that fails is left out and named; the others
go on without it.
"""

from __future__ import annotations

import contextlib
import importlib
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.errors import UsageError, UserError, unknown_name

if TYPE_CHECKING:
    from lewm_probe.analyses.latents import LatentCache
    from lewm_probe.analyses.portions import SubjectFailed
    from lewm_probe.analyses.subjects import Subject
    from lewm_probe.analyses.suite import Suite
    from lewm_probe.models.load import LoadOptions
    from lewm_probe.progress import Progress
    from lewm_probe.results import Result
    from lewm_probe.worlds import World

ANALYSES = {
    "probe": "probing",
    "voe": "voe",
    "straightness": "straightness",
    "rollout": "rollout",
    "geometry": "geometry",
}
"""Each analysis and its module in ``lewm_probe.analyses``; the function has the analysis' name."""


@dataclass(frozen=True)
class Question:
    """What is asked of which checkpoints.

    Attributes:
        checkpoints: ``name=path`` or ``path``.
        cache: folder of latents.
        models: further models, as ``lewm_probe.models.registry.make_model`` takes them.
        options: how checkpoints are loaded; None: as they are.
        world: None: the checkpoints' own. The path of a data set: its recorded episodes.
        suite: file or name; None: the world's.
        trajectories: instead of the suite's number; the probe's sets are scaled alike.
        seed: evaluation seed instead of the suite's.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        curve: follow probes and straightness over a run folder's checkpoints.
    """

    checkpoints: Sequence[str]
    cache: Path
    models: Sequence[str] = ()
    options: LoadOptions | None = None
    world: str | None = None
    suite: str | None = None
    trajectories: int | None = None
    seed: int | None = None
    device: str = "auto"
    curve: bool = True


@dataclass(frozen=True)
class Failure:
    """A checkpoint that was left out.

    Attributes:
        label: the checkpoint.
        stage: ``loading``, or the analysis that it failed in.
        why: a paragraph.
    """

    label: str
    stage: str
    why: str

    def __str__(self) -> str:
        return f"{self.label} was left out of {self.stage}: {self.why}"


@dataclass(frozen=True)
class Prepared:
    """A question with its checkpoints loaded and its suite read.

    Attributes:
        subjects: the checkpoints, on ``device``.
        failures: those left out; more are added while analyses run.
        notes: what a reader of every result must know.
    """

    subjects: list[Subject]
    suite: Suite
    device: str
    cache: LatentCache
    failures: list[Failure] = field(default_factory=list)
    notes: Sequence[str] = ()


def prepare(question: Question, say: Callable[[str], None] = lambda _: None) -> Prepared:
    """Load the checkpoints, find the world and its suite, and check that they fit.

    Args:
        question: what is asked.
        say: told at once of a checkpoint that is left out.

    Raises:
        UsageError: no world is known, worlds differ, no such suite.
        UserError: not one of the checkpoints could be loaded and fits the world.
    """
    from lewm_probe.analyses.latents import LatentCache
    from lewm_probe.analyses.subjects import check_fits
    from lewm_probe.devices import resolve_device
    from lewm_probe.worlds import make_world

    device = resolve_device(question.device)
    failures: list[Failure] = []

    def leave_out(label: str, error: UserError) -> None:
        failures.append(Failure(label, "all analyses", str(error)))
        say(str(failures[-1]))

    subjects = _load(question, device, leave_out)
    suite = find_suite_for(question, subjects)
    world = make_world(suite.world)
    fitting = []
    for subject in subjects:
        try:
            check_fits(subject, world)
        except UserError as error:
            if len(subjects) == 1:
                raise
            leave_out(subject.label, error)
        else:
            fitting.append(subject)
    if not fitting:
        report_failures(failures, None)
    notes = notes_on(fitting, world)
    return Prepared(fitting, suite, device, LatentCache(question.cache), failures, notes)


def notes_on(subjects: Sequence[Subject], world: World) -> list[str]:
    """What a reader of every result must know of these checkpoints and of where they are asked."""
    return [*_recorded(world), *(note for s in subjects for note in _origins(s, world))]


def _recorded(world: World) -> list[str]:
    """What of a data set is not exact or cannot be asked for."""
    from lewm_probe.data.recorded import RecordedWorld

    if not isinstance(world, RecordedWorld):
        return []
    recording = world.recording
    inexact = recording.data.attrs.get("note")
    return [
        *([f"{world.name}: {inexact}."] if inexact else []),
        *(
            f"{world.name}: the quantity {name} was left out, as it is {why}."
            for name, why in recording.left_out.items()
        ),
    ]


def _origins(subject: Subject, world: World) -> list[str]:
    """Where a checkpoint's action statistics are from, if not its own; what it sees, and saw."""
    from lewm_probe.data.recorded import RecordedWorld
    from lewm_probe.models.action_source import CHECKPOINT, GIVEN, IDENTITY

    notes = []
    source = subject.entry.config.get("action_statistics")
    if source == IDENTITY:
        notes.append(
            f"{subject.label}: its actions are not scaled, as --action-stats identity says. If it "
            "was trained on scaled actions, what it predicts means nothing."
        )
    elif source not in (None, CHECKPOINT):
        whose = "were given in Python" if source == GIVEN else f"are of {source}"
        notes.append(f"{subject.label}: its action statistics are not its own, but {whose}.")
    if not isinstance(world, RecordedWorld):
        return notes
    side, wanted = world.recording.side, subject.model.spec.image_size
    if side != wanted:
        notes.append(
            f"{subject.label}: pictures of {side} px were recorded, and resized by area to the "
            f"{wanted} px that it takes."
        )
    if subject.entry.config.get("data_fingerprint") == world.recording.data.fingerprint:
        notes.append(
            f"{subject.label} was trained on this very data set: its numbers here are of episodes "
            "that it has seen, and flatter it."
        )
    return notes


def _load(
    question: Question, device: str, leave_out: Callable[[str, UserError], None]
) -> list[Subject]:
    """The checkpoints and models of a question.

    Raises:
        UsageError: none is named, or two under one name.
        UserError: the only one cannot be loaded, or none of them can.
    """
    from lewm_probe.analyses.subjects import check_names_differ, load_subjects, subject_from_model
    from lewm_probe.models.load import LoadOptions
    from lewm_probe.models.registry import make_model

    alone = len(question.checkpoints) + len(question.models) == 1
    failed: list[tuple[str, UserError]] = []

    def left_out(label: str, error: UserError) -> None:
        if alone:
            raise error
        failed.append((label, error))
        leave_out(label, error)

    subjects = []
    if question.checkpoints or not question.models:
        subjects = load_subjects(
            question.checkpoints,
            device,
            options=question.options or LoadOptions(),
            left_out=left_out,
        )
    for text in question.models:
        try:
            name, model = make_model(text)
            subjects.append(subject_from_model(name or _module(text), model))
        except UsageError:
            raise
        except UserError as error:
            left_out(text, error)
    check_names_differ(subjects)
    if not subjects:
        raise UserError(
            "None of the checkpoints could be loaded. "
            + " ".join(f"{label}: {error}" for label, error in failed)
        )
    if not question.curve:
        subjects = [replace(subject, history=()) for subject in subjects]
    return subjects


def _module(text: str) -> str:
    """What a model is called that the user gave no name: the last part of its module's.

    >>> _module("my_package.dreamers:load@weights.pt")
    'dreamers'
    """
    return text.partition("@")[0].partition(":")[0].rpartition(".")[2].strip()


def find_suite_for(question: Question, subjects: Sequence[Subject]) -> Suite:
    """The suite asked for, with the question's numbers in it."""
    from lewm_probe.analyses.recorded_suite import recorded_suite
    from lewm_probe.analyses.suite import Suite
    from lewm_probe.configs import load_yaml
    from lewm_probe.resources import find_suite, suite_names
    from lewm_probe.worlds import world_names

    known = {subject.model.spec.world for subject in subjects} - {None}
    world = question.world
    # A simulated world goes by its name, whatever lies in this folder; ./two-room is a path.
    if world is not None and world not in world_names() and Path(world).exists():
        from lewm_probe.data.recorded import register_recorded

        world = register_recorded(world, frame_skip=subjects[0].model.spec.frame_skip)
        if question.suite is None:
            seed = {} if question.seed is None else {"seed": question.seed}
            return with_numbers(recorded_suite(world, **seed), question.trajectories, None)
    name = question.suite or world
    if question.suite is None and name not in (None, *world_names(), *suite_names()):
        raise unknown_name("world or data set", str(name), {*world_names(), *suite_names()})
    if name is None:
        if len(known) != 1:
            worlds = ", ".join(sorted(str(w) for w in known))
            why = f"come from several worlds ({worlds})" if known else "do not say their world"
            raise UsageError(f"The checkpoints {why}. Name the one to ask in with --world.")
        name = str(known.pop())
    suite = load_yaml(find_suite(name), Suite, "suite")
    if world is not None and suite.world != world:
        raise UsageError(
            f"The suite {name} asks in the world {suite.world}, but --world says {world}. Give "
            "only one of --suite and --world."
        )
    return with_numbers(suite, question.trajectories, question.seed)


def with_numbers(suite: Suite, trajectories: int | None, seed: int | None) -> Suite:
    """The suite with n trajectories a condition, the probe's sets in proportion, and a seed.

    Raises:
        UsageError: fewer than 4 trajectories, a seed below 0, or no whole numbers.
    """
    if seed is not None:
        seed = whole("seed", seed)
        suite = suite.model_copy(update={"seed": seed})
    if trajectories is None:
        return suite
    trajectories = whole("trajectories", trajectories, least=4)
    share = trajectories / suite.voe.trajectories
    probe = suite.probe
    sizes = {
        # Never below what the schema takes as the least.
        "train": max(10, round(probe.train * share)),
        "validation": max(5, round(probe.validation * share)),
        "test": max(5, round(probe.test * share)),
    }
    voe = {"trajectories": trajectories, "disjoint": max(4, round(suite.voe.disjoint * share))}
    return suite.model_copy(
        update={
            "probe": probe.model_copy(update=sizes),
            "voe": suite.voe.model_copy(update=voe),
        }
    )


def whole(name: str, value: object, least: int = 0) -> int:
    """A whole number, of Python, numpy or torch.

    Raises:
        UsageError: it is none, or too small.
    """
    with contextlib.suppress(TypeError, ValueError):
        number = operator.index(value)  # type: ignore[arg-type]  # that is the question
        if number >= least:
            return number
    raise UsageError(f"{name} is {value!r}; expected a whole number from {least} up.")


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
    from lewm_probe.analyses.portions import SubjectFailed

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
    from lewm_probe.results import Result

    first, *others = result.provenance
    told = first.model_copy(update={"notes": [*first.notes, *notes]})
    return Result([told, *others], result.models, result.metrics, result.rows, result.pictures)


def function(name: str) -> Callable[..., Result]:
    """The analysis of that name."""
    module = importlib.import_module(f"lewm_probe.analyses.{ANALYSES[name]}")
    analysis: Callable[..., Result] = getattr(module, name)
    return analysis


def report_failures(failures: Sequence[Failure], where: Path | None) -> None:
    """Say at the end which checkpoints were left out.

    Raises:
        UserError: some were.
    """
    if not failures:
        return
    left = list(dict.fromkeys(failure.label for failure in failures))
    written = f" What was found is in {where}." if where is not None else ""
    told = " ".join(str(failure) for failure in failures)
    count = f"{len(left)} checkpoint{'s were' if len(left) > 1 else ' was'}"
    raise UserError(f"{count} left out ({', '.join(left)}).{written} {told}")


def _without_failing(
    name: str,
    prepared: Prepared,
    command: str,
    folder: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Result:
    """Ask; on a failure ask the others again, whose portions are remembered by then."""
    from lewm_probe.analyses.portions import SubjectFailed

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
    from lewm_probe.provenance import provenance, stamped

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
    from lewm_probe.results import Result

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
    from lewm_probe.analyses.latents import encode_code
    from lewm_probe.files import content_hash, file_hash
    from lewm_probe.provenance import code_version, packages
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
