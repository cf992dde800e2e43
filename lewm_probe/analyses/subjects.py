"""The checkpoints under analysis: found by name and path, loaded, and checked against a world."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import nn

from lewm_probe.errors import UsageError, UserError
from lewm_probe.models.base import WorldModel
from lewm_probe.results import ModelEntry
from lewm_probe.worlds.base import World, are_choices

CURVE_POINTS = 400
"""Most points kept of a training curve: twice what a figure a column wide can show."""


class Identity(TypedDict):
    """The keys by which a metric or a row names its checkpoint."""

    model: str
    family: str
    train_seed: int | None
    step: int | None


@dataclass(frozen=True)
class Subject:
    """A model to be analysed, under the name it has in reports.

    Attributes:
        name: label in reports; several training seeds of one method share it.
        model: the frozen model, in eval mode.
        entry: what the results say about it.
        source: file it was loaded from, if any.
        history: all checkpoints of its run in step order (empty without a run folder).
    """

    name: str
    model: WorldModel
    entry: ModelEntry
    source: Path | None = None
    history: tuple[Path, ...] = ()

    @property
    def identity(self) -> Identity:
        """Keys that name this checkpoint in ``Metric`` and in rows (rows have no family)."""
        spec = self.model.spec
        return Identity(
            model=self.name, family=spec.family, train_seed=spec.train_seed, step=spec.step
        )

    @property
    def label(self) -> str:
        """Name with training seed and step, for messages."""
        spec = self.model.spec
        parts = [self.name]
        if spec.train_seed is not None:
            parts.append(f"training seed {spec.train_seed}")
        if spec.step is not None:
            parts.append(f"step {spec.step}")
        return ", ".join(parts)

    def at(self, model: WorldModel) -> Subject:
        """The same subject at another checkpoint of its run."""
        changed = {"step": model.spec.step, "fingerprint": model.fingerprint}
        return replace(self, model=freeze(model), entry=self.entry.model_copy(update=changed))


def subject_from_model(
    name: str,
    model: WorldModel,
    *,
    source: Path | None = None,
    history: Sequence[Path] = (),
    curves: dict[str, list[float | None]] | None = None,
    data_fingerprint: str | None = None,
) -> Subject:
    """A subject of a model in memory: anyone's ``WorldModel`` can be analysed this way."""
    spec = model.spec
    config: Any = getattr(model, "config", None)
    told = config.model_dump(mode="json") if hasattr(config, "model_dump") else {}
    if data_fingerprint is not None:
        told["data_fingerprint"] = data_fingerprint
    entry = ModelEntry(
        name=name,
        family=spec.family,
        train_seed=spec.train_seed,
        step=spec.step,
        world=spec.world,
        fingerprint=model.fingerprint,
        parameters=sum(p.numel() for p in model.parameters())
        if isinstance(model, nn.Module)
        else None,
        source=str(source) if source else None,
        config=told,
        curves=curves or {},
    )
    return Subject(name, freeze(model), entry, source, tuple(history))


def load_subjects(
    specs: Sequence[str], device: str | torch.device = "cpu", world: World | None = None
) -> list[Subject]:
    """Load ``name=path`` or ``path`` arguments.

    A path is a ``.safetensors`` checkpoint or a run folder (its final model, else its last
    checkpoint). A bare path is named after its folder. The same name may come several times with
    different training seeds or steps.

    Raises:
        UsageError: nothing given, an empty name, or twice the same checkpoint under one name.
        UserError: nothing there, no checkpoint in the folder, or (given ``world``) a misfit.
    """
    if not specs:
        raise UsageError(
            "No checkpoint was given. Name at least one, for example "
            "`lewm-probe voe lewm=runs/lewm pldm=runs/pldm`."
        )
    subjects: list[Subject] = []
    for spec in specs:
        name, path = _parse(spec)
        subject = _load(name, path, device)
        for other in subjects:
            if other.identity == subject.identity:
                raise UsageError(
                    f"{other.source} and {subject.source} are both called {subject.label}. "
                    "Results could not tell them apart: give one of them another name, as in "
                    "name=path."
                )
        if world is not None:
            check_fits(subject, world)
        subjects.append(subject)
    return subjects


def check_fits(subject: Subject, world: World) -> None:
    """Refuse a model whose actions or frame-skip are not the world's.

    Raises:
        UserError: continuous actions of another width, another frame-skip, or another kind.
    """
    spec = subject.model.spec
    if spec.action_kind == "none":
        return
    shape = world.action_space.shape
    per_step = int(np.prod(shape)) if shape else 1
    expected = world.frame_skip * per_step
    advice = (
        f"Give a checkpoint that was trained on {world.name} episodes with frame_skip "
        f"{world.frame_skip}, or name the world it was trained on with --world."
    )
    kind = "discrete" if are_choices(world.action_space) else "continuous"
    if spec.action_kind != kind:
        raise UserError(
            f"The checkpoint {subject.label} takes {spec.action_kind} actions, but those of the "
            f"world {world.name} are {kind}. {advice}"
        )
    if spec.frame_skip != world.frame_skip:
        raise UserError(
            f"The checkpoint {subject.label} was trained with frame-skip {spec.frame_skip}, but "
            f"the world {world.name} has frame-skip {world.frame_skip}. {advice}"
        )
    if spec.action_width != expected:
        raise UserError(
            f"The checkpoint {subject.label} takes action blocks of width {spec.action_width}, but "
            f"the world {world.name} gives blocks of width {expected} ({world.frame_skip} steps of "
            f"{per_step} numbers). {advice}"
        )


def check_all_fit(subjects: Iterable[Subject], world: World) -> None:
    """``check_fits`` for each subject."""
    for subject in subjects:
        check_fits(subject, world)


def freeze(model: WorldModel, device: str | torch.device | None = None) -> WorldModel:
    """Put a model in eval mode without gradients, and on ``device`` if one is given."""
    if isinstance(model, nn.Module):
        model.eval().requires_grad_(False)
        if device is not None:
            model.to(device)
    return model


def device_of(model: WorldModel) -> torch.device:
    """Where a model computes; the CPU for one without parameters."""
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return parameter.device if parameter is not None else torch.device("cpu")


def training_curves(run: Path) -> dict[str, list[float | None]]:
    """Curves of a run folder's ``metrics.jsonl``: ``step`` and every number logged at it.

    Training values keep their name; validation values get the prefix ``validation_``. Where a name
    was not logged at a step, or was not finite, its value is None. A last line that was cut short
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
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # cut short by a kill: the run logs this step again when it is resumed
        prefix = "" if split == "train" else f"{split}_"
        if prefix:
            validated.add(step)
        values = by_step.setdefault(step, {})
        for key, value in record.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and math.isfinite(value):
                values[prefix + key] = float(value)
    steps = sorted(by_step)
    thinned = set(steps[:: max(1, math.ceil(len(steps) / CURVE_POINTS))]) | validated
    steps = [s for s in steps if s in thinned or s == steps[-1]]
    names = dict.fromkeys(key for step in steps for key in by_step[step])
    curves: dict[str, list[float | None]] = {"step": [float(s) for s in steps]}
    for name in names:
        curves[name] = [by_step[step].get(name) for step in steps]
    return curves


def _parse(spec: str) -> tuple[str, Path]:
    name, equals, path = spec.partition("=")
    if not equals:
        target = Path(spec)
        folder = target.parent if target.suffix == ".safetensors" else target
        if folder.name == "checkpoints":
            folder = folder.parent
        return folder.resolve().name, target
    if not name.strip() or not path.strip():
        raise UsageError(
            f"'{spec}' names no checkpoint. Write name=path, for example lewm=runs/lewm."
        )
    return name.strip(), Path(path.strip())


def _load(name: str, path: Path, device: str | torch.device) -> Subject:
    # Imported here so that analyses of models in memory do not need the checkpoint format.
    from lewm_probe.models.checkpoint import load_checkpoint, read_header, run_checkpoints

    if not path.exists():
        near = _nearest(path)
        hint = f" Did you mean {near}?" if near else ""
        raise UserError(
            f"There is no checkpoint at {path} (given for '{name}').{hint} Give a run folder or a "
            ".safetensors file."
        )
    history: list[Path] = []
    if path.is_file():
        source, run = path, _run_of(path)
    else:
        run = path
        if any((path / "checkpoints").glob("step_*.safetensors")):
            history = run_checkpoints(path)
        final = path / "model.safetensors"
        if not final.is_file() and not history:
            raise UserError(
                f"The folder {path} (given for '{name}') holds no checkpoint: neither "
                "model.safetensors nor checkpoints/step_*.safetensors. Give a folder that "
                "`lewm-probe train` wrote, or a .safetensors file."
            )
        source = final if final.is_file() else history[-1]
    return subject_from_model(
        name,
        load_checkpoint(source, device),
        source=source,
        history=history,
        curves=training_curves(run) if run is not None else {},
        data_fingerprint=read_header(source).meta.data_fingerprint,
    )


def _run_of(checkpoint: Path) -> Path | None:
    folder = checkpoint.parent
    if folder.name == "checkpoints":
        folder = folder.parent
    return folder if (folder / "metrics.jsonl").is_file() else None


def _nearest(path: Path) -> Path | None:
    parent = path.parent
    if not parent.is_dir():
        return None
    known = [p.name for p in parent.iterdir() if p.is_dir() or p.suffix == ".safetensors"]
    near = difflib.get_close_matches(path.name, known, n=1)
    return parent / near[0] if near else None
