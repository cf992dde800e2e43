"""The checkpoints under analysis: found by name and path, loaded, and checked against a world."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import nn

from lewm_probe.core.config import LARGEST, LONGEST_NAME, split_name
from lewm_probe.core.errors import LONGEST, NotThere, UsageError, UserError, brief, short
from lewm_probe.models.base import WorldModel, spec_fault
from lewm_probe.models.checkpoints.action_source import CHECKPOINT
from lewm_probe.models.checkpoints.load import LoadOptions, load_located, origin_of
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.results.identity import conflict
from lewm_probe.results.schema import ModelEntry
from lewm_probe.results.speed import SPEED
from lewm_probe.training.short import is_shortened
from lewm_probe.worlds.base import World, are_choices

CURVE_POINTS = 400
"""Most points kept of a training curve: twice what a figure a column wide can show."""


_RENAMED = {"effective_rank": "centered_effective_rank"}
"""What runs of earlier versions logged under another name: records without the name of today."""


class CheckpointKeys(TypedDict):
    """The keys by which a metric or a row names its checkpoint."""

    model: str
    family: str
    train_seed: int | None
    step: int | None


@dataclass(frozen=True)
class Checkpoint:
    """A model to be analysed, under the name it has in reports.

    Attributes:
        name: label in reports; several training seeds of one method share it.
        model: the frozen model, in eval mode.
        entry: what the results say about it.
        source: file it was loaded from, if any.
        earlier_checkpoints: all checkpoints of its run in step order (empty without a run folder).
        options: how it was loaded; its earlier checkpoints are loaded alike.
    """

    name: str
    model: WorldModel
    entry: ModelEntry
    source: Path | None = None
    earlier_checkpoints: tuple[Path, ...] = ()
    options: LoadOptions = LoadOptions()

    @property
    def identity(self) -> CheckpointKeys:
        """Keys that name this checkpoint in ``Metric`` and in rows (rows have no family)."""
        entry = self.entry
        return CheckpointKeys(
            model=self.name, family=entry.family, train_seed=entry.train_seed, step=entry.step
        )

    @property
    def label(self) -> str:
        """Name with training seed and step, for messages."""
        return self.entry.label

    def at(self, model: WorldModel) -> Checkpoint:
        """The same checkpoint at another checkpoint of its run."""
        changed = {"step": model.spec.step, "fingerprint": model.fingerprint}
        return replace(self, model=freeze(model), entry=self.entry.model_copy(update=changed))


def checkpoint_from_model(
    name: str,
    model: WorldModel,
    *,
    source: Path | None = None,
    earlier_checkpoints: Sequence[Path] = (),
    curves: dict[str, list[float | None]] | None = None,
    data_fingerprint: str | None = None,
    recipe: str | None = None,
    options: LoadOptions = LoadOptions(),  # noqa: B008  # frozen
) -> Checkpoint:
    """A checkpoint of a model in memory: anyone's ``WorldModel`` can be analysed this way.

    Raises:
        UserError: its spec says what cannot be, or it has no fingerprint.
    """
    spec = model.spec
    if fault := spec_fault(spec):
        raise UserError(f"The model '{name}' cannot be analysed: its {fault}. Fix its spec.")
    config: Any = getattr(model, "config", None)
    reported = config.model_dump(mode="json") if hasattr(config, "model_dump") else {}
    if data_fingerprint is not None:
        reported["data_fingerprint"] = data_fingerprint
    if is_shortened(recipe):
        reported["recipe"] = recipe
    if (statistics := getattr(model, "statistics_source", None)) is not None:
        reported["action_statistics"] = statistics
    entry = ModelEntry(
        name=name,
        family=spec.family,
        train_seed=spec.train_seed,
        step=spec.step,
        world=spec.world,
        fingerprint=_fingerprint(name, model),
        parameters=sum(p.numel() for p in model.parameters())
        if isinstance(model, nn.Module)
        else None,
        source=str(source) if source else None,
        config=reported,
        curves=curves or {},
    )
    return Checkpoint(name, freeze(model), entry, source, tuple(earlier_checkpoints), options)


def _fingerprint(name: str, model: WorldModel) -> str:
    why: Exception | None = None
    try:
        found: object = model.fingerprint
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 an untrusted property may raise anything
        why, reported = error, brief(error)
    else:
        if isinstance(found, str):
            return found
        reported = repr(found)
    raise UserError(
        f"The fingerprint of the model '{name}' is no string ({reported}). Let it be one that "
        "follows the weights, or leave it out: by default it is a hash of all that the model holds."
    ) from why


def load_checkpoints(
    specs: Sequence[str],
    device: str | torch.device = "cpu",
    world: World | None = None,
    options: LoadOptions = LoadOptions(),  # noqa: B008  # frozen
    left_out: Callable[[str, UserError], None] | None = None,
) -> list[Checkpoint]:
    """Load ``name=path`` or ``path`` arguments.

    A path is all that ``lewm_probe.load_model`` takes. A bare one is named after its folder or
    repository. The same name may come several times with different training seeds or steps.

    Args:
        specs: the arguments.
        device: where the models compute.
        world: where they are to be asked, if they must fit it.
        options: what holds for which checkpoint.
        left_out: told the argument of a checkpoint that cannot be loaded, and why; the others go
            on. Without it, the first failure is raised.

    Raises:
        UsageError: nothing given, an empty name, twice the same checkpoint under one name, or
            options for a name that is not there.
        UserError: nothing there, no checkpoint in the folder, or (given ``world``) a misfit.
    """
    if not specs:
        raise UsageError(
            "No checkpoint was given. Name at least one, for example "
            "`lewm-probe voe lewm=runs/lewm pldm=runs/pldm`."
        )
    if len(specs) == 1:
        options = options.meant()
    given = {name for name, _ in map(_parse, specs) if name is not None}
    if all(_parse(spec)[0] is not None for spec in specs):
        options.check_names(sorted(given))  # before a checkpoint lacks what went astray
    checkpoints: list[Checkpoint] = []
    for spec in specs:
        try:
            checkpoint = load_named(spec, device, options)
        except (UsageError, NotThere):
            raise
        except UserError as error:
            if left_out is None:
                raise
            left_out(spec, error)
            continue
        check_names_differ([*checkpoints, checkpoint])
        if world is not None:
            check_fits(checkpoint, world)
        checkpoints.append(checkpoint)
    options.check_names(sorted(given | {checkpoint.name for checkpoint in checkpoints}))
    unused = next((v for v in options.action_stats if split_name(v)[0] is None), None)
    carried = [getattr(s.model, "statistics_source", None) == CHECKPOINT for s in checkpoints]
    if unused is not None and not options.insist and checkpoints and all(carried):
        raise UsageError(
            f"The action statistics '{unused}' are for checkpoints that carry none, but all of "
            "these carry their own. Leave them out."
        )
    return checkpoints


def check_names_differ(checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse checkpoints that results could not tell apart (``results.identity``).

    Raises:
        UsageError: same name, training seed and step; one name for two families, architectures or
            runs, or the same weights as two training seeds; names that look the same.
    """
    for i, checkpoint in enumerate(checkpoints):
        for other in checkpoints[:i]:
            if other.identity == checkpoint.identity:
                which = [str(s.source) if s.source else "A model" for s in (other, checkpoint)]
                raise UsageError(
                    f"{which[0]} and {which[1]} are both called {checkpoint.label}. Results could "
                    "not tell them apart: give one of them another name, as in name=path."
                )
    if (why := conflict([checkpoint.entry for checkpoint in checkpoints])) is not None:
        raise UsageError(
            f"One name was given to checkpoints that do not belong together: {why}. Reports "
            "average the training seeds of a name and draw its steps as one curve. Give one of "
            "them another name, as in name=path."
        )


def load_named(
    spec: str,
    device: str | torch.device = "cpu",
    options: LoadOptions = LoadOptions(),  # noqa: B008  # frozen
) -> Checkpoint:
    """Load one ``name=path`` or ``path`` argument; see ``load_checkpoints``.

    Raises:
        UsageError: an empty name or path, or options that contradict each other.
        UserError: nothing there, or a checkpoint that cannot be read.
    """
    try:
        return _load_named(spec, device, options)
    except OSError as error:
        if error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EISDIR,
            errno.ELOOP,
            errno.ENAMETOOLONG,
        ):
            why = os.strerror(error.errno)
            raise UserError(
                f"{_brief_path(error.filename or spec)} cannot be read ({why}). Check the path and "
                "its permissions."
            ) from error
        raise


def _load_named(spec: str, device: str | torch.device, options: LoadOptions) -> Checkpoint:
    name, path = _parse(spec)
    located = locate(path, hint=f" (given for '{name}')" if name else "")
    for earlier in located.run_checkpoints:
        earlier.open("rb").close()  # told now, of this checkpoint, and not in the middle of all
    name = name or located.name
    choice = options.chosen(name)
    checkpoint = checkpoint_from_model(
        name,
        load_located(located, choice, device),
        source=located.weights,
        earlier_checkpoints=located.run_checkpoints,
        curves=training_curves(located.run) if located.run is not None else {},
        data_fingerprint=origin_of(located).data_fingerprint,
        recipe=origin_of(located).recipe,
        options=options,
    )
    if located.shown is None:
        return checkpoint
    # A repository's name is worth more to readers than the place of this machine's cache.
    return replace(checkpoint, entry=checkpoint.entry.model_copy(update={"source": located.shown}))


def _brief_path(path: str) -> str:
    return path if len(path) <= LONGEST else f"{path[:LONGEST]} …"


def check_fits(checkpoint: Checkpoint, world: World) -> None:
    """Refuse a model whose actions or frame-skip are not the world's.

    Raises:
        UserError: actions of another width or kind, or another frame-skip. A model without actions
            has frames at distances that it was trained on all the same.
    """
    spec = checkpoint.model.spec
    shape = world.action_space.shape
    per_step = int(np.prod(shape)) if shape else 1
    expected = world.frame_skip * per_step
    advice = (
        f"Give a checkpoint that was trained on {world.name} episodes with frame_skip "
        f"{world.frame_skip}, or name the world it was trained on with --world."
    )
    kind = "discrete" if are_choices(world.action_space) else "continuous"
    if spec.action_kind not in (kind, "none"):
        raise UserError(
            f"The checkpoint {checkpoint.label} takes {spec.action_kind} actions, but those of the "
            f"world {world.name} are {kind}. {advice}"
        )
    if spec.frame_skip != world.frame_skip:
        raise UserError(
            f"The checkpoint {checkpoint.label} was trained with frame-skip {spec.frame_skip}, but "
            f"the world {world.name} has frame-skip {world.frame_skip}. {advice}"
        )
    if spec.action_kind != "none" and spec.action_width != expected:
        raise UserError(
            f"The checkpoint {checkpoint.label} takes action blocks of width {spec.action_width}, "
            f"but the world {world.name} gives blocks of width {expected} ({world.frame_skip} "
            f"steps of {per_step} numbers). {advice}"
        )


def check_all_fit(checkpoints: Iterable[Checkpoint], world: World) -> None:
    """``check_fits`` for each checkpoint."""
    for checkpoint in checkpoints:
        check_fits(checkpoint, world)


def freeze(model: WorldModel, device: str | torch.device | None = None) -> WorldModel:
    """Put a model in eval mode without gradients, and on ``device`` if one is given."""
    if isinstance(model, nn.Module):
        model.eval().requires_grad_(False)
        if device is not None:
            model.to(device)
    return model


def training_curves(run: Path) -> dict[str, list[float | None]]:
    """Curves of a run folder's ``metrics.jsonl``: ``step`` and every number logged at it.

    Training values keep their name; validation values get the prefix ``validation_``. Where a name
    was not logged at a step, or was not finite, its value is None; what it says of the machine
    (``SPEED``) is left out, so that equal runs have equal curves. A last line that was cut short
    is left out. Long curves are thinned evenly to ``CURVE_POINTS`` steps; steps with validation
    stay.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        return {}
    by_step: dict[int, dict[str, float]] = {}
    validated: set[int] = set()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            step, split = int(record.pop("step")), record.pop("split", "train")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue  # cut short by a kill: the run logs this step again when it is resumed
        if not 0 <= step <= LARGEST:
            continue  # a stranger's
        prefix = "" if split == "train" else f"{split}_"
        if prefix:
            validated.add(step)
        values = by_step.setdefault(step, {})
        for key, value in record.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if key in SPEED:
                continue
            if number and abs(value) <= sys.float_info.max:  # NaN is not; nor 10 to the 400th
                today = _RENAMED.get(key, key)
                values[prefix + (key if today in record else today)] = float(value)
    steps = sorted(by_step)
    thinned = set(steps[:: max(1, math.ceil(len(steps) / CURVE_POINTS))]) | validated
    steps = [s for s in steps if s in thinned or s == steps[-1]]
    names = dict.fromkeys(key for step in steps for key in by_step[step])
    curves: dict[str, list[float | None]] = {"step": [float(s) for s in steps]}
    for name in names:
        curves[name] = [by_step[step].get(name) for step in steps]
    return curves


def _parse(spec: str) -> tuple[str | None, str]:
    name, path = split_name(spec)
    if name == "" or (name is not None and not path):
        raise UsageError(
            f"'{spec}' names no checkpoint. Write name=path, for example lewm=runs/lewm."
        )
    if name is not None and not name.isprintable():
        raise UsageError(
            f"{name!r} is no name for a checkpoint: one line of printable text was expected. Write "
            "name=path, for example lewm=runs/lewm."
        )
    if name is not None and len(name) > LONGEST_NAME:
        raise UsageError(
            f"'{short(name)}' is no name for a checkpoint: it has {len(name)} letters, and at most "
            f"{LONGEST_NAME} were expected. Give a shorter one."
        )
    return name, path
