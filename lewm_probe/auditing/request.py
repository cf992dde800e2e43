"""What is asked of which checkpoints: found, loaded, and set before the world and suite that fit.

A checkpoint that cannot be loaded or does not fit the world is left out and named; the others go on
without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lewm_probe.auditing.sizes import fast_note, shortened_training, with_numbers
from lewm_probe.core.addresses.address import place
from lewm_probe.core.errors import UsageError, UserError, unknown_name

if TYPE_CHECKING:
    from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
    from lewm_probe.models.checkpoints.load import LoadOptions
    from lewm_probe.worlds import World


@dataclass(frozen=True)
class EvaluationRequest:
    """What is asked of which checkpoints.

    Attributes:
        checkpoints: ``name=path`` or ``path``.
        cache: folder of latents; None keeps them in memory.
        models: further models, as ``lewm_probe.models.user_models.make_model`` takes them.
        options: how checkpoints are loaded; None: as they are.
        world: None: the checkpoints' own. The path of a data set: its recorded episodes.
        suite: file or name; None: the world's.
        trajectories: instead of the suite's number; the probe's sets are scaled alike.
        seed: evaluation seed instead of the suite's.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        curve: follow probes and straightness over a run folder's checkpoints.
        fast: a quick look: few trajectories and resamples, controls trained for fewer steps, no
            curve; every result says so.
        settings: analysis → keys of its section of the suite that are asked otherwise.
    """

    checkpoints: Sequence[str] = ()
    cache: Path | None = None
    models: Sequence[str] = ()
    options: LoadOptions | None = None
    world: str | None = None
    suite: str | None = None
    trajectories: int | None = None
    seed: int | None = None
    device: str = "auto"
    curve: bool = True
    fast: bool = False
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def asking(self, analysis: str, settings: Mapping[str, Any]) -> EvaluationRequest:
        """The same with other settings of one analysis."""
        return replace(self, settings={**self.settings, analysis: settings})


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
class Evaluation:
    """A request with its checkpoints loaded and its suite read.

    Attributes:
        checkpoints: the checkpoints, on ``device``.
        failures: those left out; more are added while analyses run.
        notes: what a reader of every result must know.
        notes_of: analysis → what a reader of its result must know beside.
        fast: a quick look was asked for.
        asked: how the request names each of ``checkpoints``; empty where they came otherwise.
    """

    checkpoints: list[Checkpoint]
    suite: Suite
    device: str
    cache: LatentCache
    failures: list[Failure] = field(default_factory=list)
    notes: Sequence[str] = ()
    notes_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fast: bool = False
    asked: Sequence[str] = ()


def prepare(request: EvaluationRequest, say: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Load the checkpoints, find the world and its suite, and check that they fit.

    Args:
        request: what is asked.
        say: told at once of a checkpoint that is left out.

    Raises:
        UsageError: no world is known, worlds differ, no such suite.
        UserError: not one of the checkpoints could be loaded and fits the world.
    """
    from lewm_probe.core.devices import resolve_device

    device = resolve_device(request.device)
    failures: list[Failure] = []

    def leave_out(label: str, error: UserError) -> None:
        failures.append(Failure(label, "all analyses", str(error)))
        say(str(failures[-1]))

    checkpoints = _load(request, device, leave_out)
    lost = {failure.label for failure in failures}
    named = [text for text in (*request.checkpoints, *request.models) if text not in lost]
    evaluation = settle(request, checkpoints, device, leave_out)
    if not evaluation.checkpoints:
        report_failures(failures, None)
    fitting = {id(checkpoint) for checkpoint in evaluation.checkpoints}
    both = zip(named, checkpoints, strict=True)
    asked = [text for text, checkpoint in both if id(checkpoint) in fitting]
    return replace(evaluation, failures=failures, asked=asked)


def settle(
    request: EvaluationRequest,
    checkpoints: Sequence[Checkpoint],
    device: str,
    leave_out: Callable[[str, UserError], None] | None = None,
) -> Evaluation:
    """Set loaded checkpoints before the world and suite that fit.

    Args:
        request: what is asked.
        checkpoints: of whom.
        device: where they compute.
        leave_out: told of one of several that does not fit the world; without it, it is an error.

    Raises:
        UsageError: no world is known, worlds differ, no such suite.
        UserError: a checkpoint does not fit the world.
    """
    from lewm_probe.analyses.engine.asked.checkpoint import check_fits
    from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
    from lewm_probe.worlds import make_world

    full = find_suite_for(replace(request, trajectories=None, fast=False), checkpoints)
    suite = with_numbers(full, request.trajectories, None, request.fast)
    world = make_world(suite.world)
    fitting = []
    for checkpoint in checkpoints:
        try:
            check_fits(checkpoint, world)
        except UserError as error:
            if len(checkpoints) == 1 or leave_out is None:
                raise
            leave_out(checkpoint.label, error)
        else:
            fitting.append(checkpoint)
    notes = [*([fast_note(suite)] if request.fast else []), *notes_on(fitting, world)]
    shortened = shortened_training(full, suite, fast=request.fast and request.trajectories is None)
    return Evaluation(
        fitting,
        suite,
        device,
        LatentCache(request.cache),
        notes=notes,
        notes_of={} if shortened is None else {"voe": [shortened]},
        fast=request.fast,
    )


def notes_on(checkpoints: Sequence[Checkpoint], world: World) -> list[str]:
    """What a reader of every result must know of these checkpoints and of where they are asked."""
    return [*_recorded(world), *(note for s in checkpoints for note in _origins(s, world))]


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


def _origins(checkpoint: Checkpoint, world: World) -> list[str]:
    """Where a checkpoint's action statistics are from, if not its own; what it sees, and saw."""
    from lewm_probe.data.recorded import RecordedWorld
    from lewm_probe.models.checkpoints.action_source import CHECKPOINT, GIVEN, IDENTITY
    from lewm_probe.training.short import is_shortened, shortened_note

    notes = []
    if is_shortened(checkpoint.entry.config.get("recipe")):
        notes.append(shortened_note(checkpoint.label))
    source = checkpoint.entry.config.get("action_statistics")
    if source == IDENTITY:
        notes.append(
            f"{checkpoint.label}: its actions are not scaled, as --action-stats identity says. If "
            "it was trained on scaled actions, what it predicts means nothing."
        )
    elif source not in (None, CHECKPOINT):
        whose = "were given in Python" if source == GIVEN else f"are of {source}"
        notes.append(f"{checkpoint.label}: its action statistics are not its own, but {whose}.")
    elif source == CHECKPOINT and (given := checkpoint.options.chosen(checkpoint.name).dataset):
        notes.append(
            f"{checkpoint.label}: the action statistics that it carries itself were used, not "
            f"those of the data set {Path(given).name}."
        )
    trained = checkpoint.model.spec.world
    # What was recorded by `data collect` says of which world it is; other data sets need not.
    asked = (
        world.recording.data.attrs.get("world") if isinstance(world, RecordedWorld) else world.name
    )
    if None not in (trained, asked) and trained != asked:
        notes.append(
            f"{checkpoint.label} was trained in {trained} and is asked in {asked}, another world: "
            "its numbers say how it does on images and physics that it has not seen. Leave --world "
            f"out, or say --world {trained}, to ask it where it was trained."
        )
    if not isinstance(world, RecordedWorld):
        return notes
    side, wanted = world.recording.side, checkpoint.model.spec.image_size
    if side != wanted:
        notes.append(
            f"{checkpoint.label}: images of {side} px were recorded, and resized by area to the "
            f"{wanted} px that it takes."
        )
    if checkpoint.entry.config.get("data_fingerprint") == world.recording.data.fingerprint:
        notes.append(
            f"{checkpoint.label} was trained on this very data set: its numbers here are of "
            "episodes that it has seen, and flatter it."
        )
    return notes


def _load(
    request: EvaluationRequest, device: str, leave_out: Callable[[str, UserError], None]
) -> list[Checkpoint]:
    """The checkpoints and models of a request.

    Raises:
        UsageError: none is named, or two under one name.
        UserError: the only one cannot be loaded, or none of them can.
    """
    from lewm_probe.analyses.engine.asked.checkpoint import (
        check_names_differ,
        checkpoint_from_model,
        load_checkpoints,
    )
    from lewm_probe.models.checkpoints.load import LoadOptions
    from lewm_probe.models.user_models import make_model

    alone = len(request.checkpoints) + len(request.models) == 1
    failed: list[tuple[str, UserError]] = []

    def left_out(label: str, error: UserError) -> None:
        if alone:
            raise error
        failed.append((label, error))
        leave_out(label, error)

    checkpoints = []
    if request.checkpoints or not request.models:
        checkpoints = load_checkpoints(
            request.checkpoints,
            device,
            options=request.options or LoadOptions(),
            left_out=left_out,
        )
    for text in request.models:
        try:
            name, model = make_model(text)
            checkpoints.append(checkpoint_from_model(name or _module(text), model))
        except UsageError:
            raise
        except UserError as error:
            left_out(text, error)
    check_names_differ(checkpoints)
    if not checkpoints:
        raise UserError(
            "None of the checkpoints could be loaded. "
            + " ".join(f"{label}: {error}" for label, error in failed)
        )
    if request.fast or not request.curve:
        checkpoints = [replace(checkpoint, earlier_checkpoints=()) for checkpoint in checkpoints]
    return checkpoints


def _module(text: str) -> str:
    """What a model is called that the user gave no name: the last part of its module's.

    >>> _module("my_package.dreamers:load@weights.pt")
    'dreamers'
    """
    return text.partition("@")[0].partition(":")[0].rpartition(".")[2].strip()


def find_suite_for(request: EvaluationRequest, checkpoints: Sequence[Checkpoint]) -> Suite:
    """The suite asked for, with the request's numbers in it."""
    from lewm_probe.analyses.engine.asked.recorded_suite import recorded_suite
    from lewm_probe.analyses.engine.asked.suite import Suite
    from lewm_probe.core.config import load_yaml
    from lewm_probe.core.resources import find_suite, suite_names, suite_of
    from lewm_probe.worlds import world_names

    known = {checkpoint.model.spec.world for checkpoint in checkpoints} - {None}
    world = request.world
    # A simulated world goes by its name, whatever lies in this folder; ./two-room is a path.
    if world is not None and world not in world_names() and place(world).exists():
        from lewm_probe.data.recorded import register_recorded

        world = register_recorded(world, frame_skip=checkpoints[0].model.spec.frame_skip)
        if request.suite is None:
            seed = {} if request.seed is None else {"seed": request.seed}
            return _as_asked(recorded_suite(world, **seed), request)
    name = request.suite or world
    if request.suite is None and name not in (None, *world_names(), *suite_names()):
        raise unknown_name("world or data set", str(name), {*world_names(), *suite_names()})
    if name is None:
        if len(known) != 1:
            worlds = ", ".join(sorted(str(w) for w in known))
            why = f"come from several worlds ({worlds})" if known else "do not say their world"
            raise UsageError(f"The checkpoints {why}. Name the one to ask in with --world.")
        (name,) = known
    if request.suite is not None:
        path = find_suite(request.suite)
    else:  # a name, also where a file of that name lies in this folder
        path = suite_of(str(name), "--world names" if world is not None else "The checkpoints name")
    suite = load_yaml(path, Suite, "suite")
    if world is not None and suite.world != world:
        raise UsageError(
            f"The suite {name} asks in the world {suite.world}, but --world says {world}. Give "
            "only one of --suite and --world."
        )
    return _as_asked(suite, request)


def _as_asked(suite: Suite, request: EvaluationRequest) -> Suite:
    for analysis, settings in request.settings.items():
        suite = suite.changed(analysis, settings)
    return with_numbers(suite, request.trajectories, request.seed, request.fast)


def report_failures(failures: Sequence[Failure], where: Path | None) -> None:
    """Say at the end which checkpoints were left out.

    Raises:
        UserError: some were.
    """
    if not failures:
        return
    left = list(dict.fromkeys(failure.label for failure in failures))
    written = f" What was found is in {where}." if where is not None else ""
    reported = " ".join(str(failure) for failure in failures)
    count = f"{len(left)} checkpoint{'s were' if len(left) > 1 else ' was'}"
    raise UserError(f"{count} left out ({', '.join(left)}).{written} {reported}")
