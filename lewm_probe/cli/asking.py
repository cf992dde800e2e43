"""Run analyses of checkpoints, each once: a finished one with the same inputs is read back.

Shared by ``probe``, ``voe``, ``straightness``, ``rollout``, ``geometry``, ``audit`` and ``demo``.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lewm_probe.cli.console import Bars, Console
from lewm_probe.errors import UsageError

if TYPE_CHECKING:
    from lewm_probe.analyses.latents import LatentCache
    from lewm_probe.analyses.subjects import Subject
    from lewm_probe.analyses.suite import Suite
    from lewm_probe.results import Result

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
        world: None: the checkpoints' own.
        suite: file or name; None: the world's.
        trajectories: instead of the suite's number; the probe's sets are scaled alike.
        seed: evaluation seed instead of the suite's.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        cache: folder of latents.
        curve: follow probes and straightness over a run folder's checkpoints.
    """

    checkpoints: Sequence[str]
    cache: Path
    world: str | None = None
    suite: str | None = None
    trajectories: int | None = None
    seed: int | None = None
    device: str = "auto"
    curve: bool = True


@dataclass(frozen=True)
class Prepared:
    """A question with its checkpoints loaded and its suite read."""

    question: Question
    subjects: list[Subject]
    suite: Suite
    device: str
    cache: LatentCache


def prepare(question: Question) -> Prepared:
    """Load the checkpoints, find the world and its suite, and check that they fit.

    Raises:
        UsageError: no world is known, worlds differ, no such suite.
        UserError: a checkpoint that is not there, broken, or does not fit the world.
    """
    from lewm_probe.analyses.latents import LatentCache
    from lewm_probe.analyses.subjects import check_all_fit, load_subjects
    from lewm_probe.devices import resolve_device
    from lewm_probe.worlds import make_world

    device = resolve_device(question.device)
    subjects = load_subjects(question.checkpoints, device)
    if not question.curve:
        subjects = [replace(subject, history=()) for subject in subjects]
    suite = find(question, subjects)
    check_all_fit(subjects, make_world(suite.world))
    return Prepared(question, subjects, suite, device, LatentCache(question.cache))


def find(question: Question, subjects: Sequence[Subject]) -> Suite:
    """The suite asked for, with the command line's numbers in it."""
    from lewm_probe.analyses.suite import Suite
    from lewm_probe.configs import load_yaml
    from lewm_probe.resources import find_suite

    known = {subject.model.spec.world for subject in subjects} - {None}
    name = question.suite or question.world
    if name is None:
        if len(known) != 1:
            worlds = ", ".join(sorted(str(w) for w in known))
            why = f"come from several worlds ({worlds})" if known else "do not say their world"
            raise UsageError(f"The checkpoints {why}. Name the one to ask in with --world.")
        name = str(known.pop())
    suite = load_yaml(find_suite(name), Suite, "suite")
    if question.world is not None and suite.world != question.world:
        raise UsageError(
            f"The suite {name} asks in the world {suite.world}, but --world says "
            f"{question.world}. Give only one of --suite and --world."
        )
    return with_numbers(suite, question.trajectories, question.seed)


def with_numbers(suite: Suite, trajectories: int | None, seed: int | None) -> Suite:
    """The suite with n trajectories a condition, the probe's sets in proportion, and a seed."""
    if seed is not None:
        suite = suite.model_copy(update={"seed": seed})
    if trajectories is None:
        return suite
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


def ask(
    names: Sequence[str],
    prepared: Prepared,
    console: Console,
    command: str,
    folder: Callable[[str], Path],
) -> list[Result]:
    """Run the analyses ``names`` one after the other, each saved to ``folder(name)`` when done.

    An analysis whose folder holds the result of the same checkpoints, suite and code is not
    repeated.
    """
    with console.progress() as bars, bars.task("Analyses", len(names)) as task:
        results = []
        for name in names:
            results.append(_ask_one(name, prepared, command, folder(name), bars))
            task.advance()
    return results


def function(name: str) -> Callable[..., Result]:
    """The analysis of that name."""
    module = importlib.import_module(f"lewm_probe.analyses.{ANALYSES[name]}")
    analysis: Callable[..., Result] = getattr(module, name)
    return analysis


def _ask_one(name: str, prepared: Prepared, command: str, folder: Path, bars: Bars) -> Result:
    from lewm_probe.errors import UserError
    from lewm_probe.provenance import provenance, stamped
    from lewm_probe.results import Result

    suite, question = prepared.suite, prepared.question
    key = _key(name, prepared)
    if (folder / "results.json").is_file():
        try:
            old = Result.load(folder)
        except UserError:
            pass  # cut short or of another version: made again below
        else:
            if len(old.provenance) == 1 and old.provenance[0].fingerprints.get("inputs") == key:
                return old
    started = time.monotonic()
    result = function(name)(
        prepared.subjects,
        suite,
        cache=prepared.cache,
        device=prepared.device,
        progress=bars,
    )
    entry = provenance(
        command,
        seeds={"evaluation": suite.seed},
        fingerprints={"inputs": key, **{s.label: s.model.fingerprint for s in prepared.subjects}},
        settings={
            "analysis": name,
            "curve": question.curve,
            "suite": suite.model_dump(mode="json"),
        },
        wall_seconds=time.monotonic() - started,
    )
    result = stamped(result, entry)
    result.save(folder)
    return result


def _key(name: str, prepared: Prepared) -> str:
    """A hash of all that a result follows from: checkpoints, their runs, suite and code."""
    from lewm_probe.files import content_hash
    from lewm_probe.provenance import code_version

    subjects = [
        (
            subject.entry.model_dump_json(),
            [content_hash(path.read_bytes()) for path in subject.history],
        )
        for subject in prepared.subjects
    ]
    return content_hash(name, subjects, prepared.suite.model_dump_json(), code_version())
