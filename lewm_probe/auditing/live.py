"""Audit models that live in this process: in a notebook, or inside somebody's training loop.

Nothing of the model is changed: its place, modes, gradients and all random streams are as before
when it is over, so that training goes on as if nobody had looked.

>>> import lewm_probe
>>> result = lewm_probe.audit(model, world="two-room")  # doctest: +SKIP
>>> result.frame().query("metric == 'auroc' and window == 'onset'")  # doctest: +SKIP
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lewm_probe.analyses.engine.asked.checkpoint import (
    Checkpoint,
    checkpoint_from_model,
    load_checkpoints,
)
from lewm_probe.auditing.request import EvaluationRequest, settle
from lewm_probe.auditing.run import ask, by_default
from lewm_probe.auditing.sizes import whole
from lewm_probe.core.checks import kind
from lewm_probe.core.devices import resolve_device
from lewm_probe.core.errors import UsageError
from lewm_probe.core.progress import NoProgress, Progress
from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.results.analyses import ANALYSES, in_order
from lewm_probe.results.result import Result, merge

Audited = WorldModel | str | Path
"""A model in memory, or the path of a checkpoint."""


def audit(
    model: Audited | Mapping[str, Audited],
    world: str | None = None,
    *,
    suite: str | Path | None = None,
    trajectories: int | None = None,
    seed: int | None = None,
    analyses: Sequence[str] | str | None = None,
    step: int | None = None,
    out: Path | str | None = None,
    cache: Path | str | None = None,
    fast: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Ask everything of one or several models; what the command ``lewm-probe audit`` does.

    All of them compute where the first model in memory is; for checkpoints alone, on a GPU if there
    is one.

    Args:
        model: a model in memory or the path of a checkpoint, or several by name.
        world: where to ask (default: the world that the models say they were trained in).
        suite: file or name of a suite (default: the world's).
        trajectories: trajectories a condition, instead of the suite's number.
        seed: evaluation seed, instead of the suite's.
        analyses: one or some of ``probe``, ``voe``, ``straightness``, ``rollout``, ``geometry``,
            ``map``, ``decode`` and those that packages bring along (default: all that the command
            asks, which leaves out ``map`` and ``decode``).
        step: optimiser steps that the models in memory have taken, for curves over training.
        out: folder for results and report (default: none is written).
        cache: folder of latents (default: in memory, for this call).
        fast: a quick look: few trajectories and resamples, controls trained for fewer steps; every
            result says so.
        progress: shows how far it is.

    Returns:
        All metrics, raw rows and filmstrips. Checkpoints that failed are named in the provenance's
        notes.

    Raises:
        UsageError: no such analysis, suite or world; the world is not known; or an argument that is
            none, such as a module that is no ``WorldModel``.
        UserError: a model does not fit the world, or all of them fail in every analysis.
    """
    chosen = [analyses] if isinstance(analyses, str) else analyses
    for name in chosen or ():
        ANALYSES.get(name)
    if chosen is not None and not chosen:
        known = ", ".join(analysis.name for analysis in in_order())
        raise UsageError(f"No analysis was named. Choose some of {known}.")
    named = dict(model) if isinstance(model, Mapping) else {"model": model}
    if not named:
        raise UsageError("No model was given to audit. Give one, or several by name.")
    _check_models(named)
    step = None if step is None else whole("step", step)
    folder = Path(out) if out is not None else None
    with ExitStack() as stack:
        for one in named.values():
            if isinstance(one, WorldModel):
                stack.enter_context(untouched(one))
        checkpoints = [_subject(name, one, step) for name, one in named.items()]
        request = EvaluationRequest(
            cache=Path(cache) if cache is not None else None,
            world=world,
            suite=str(suite) if suite is not None else None,
            trajectories=trajectories,
            seed=seed,
            fast=fast,
        )
        device = _device([one for one in named.values() if isinstance(one, WorldModel)])
        evaluation = settle(request, checkpoints, device)
        results = ask(
            by_default(evaluation.suite) if chosen is None else list(chosen),
            evaluation,
            "lewm_probe.audit",
            lambda name: folder / "parts" / name if folder is not None else None,
            progress or NoProgress(),
        )
    if folder is not None:
        from lewm_probe.reports.page.write import write_report

        write_report(results, folder, progress=progress)
    return merge(results)


class AuditCallback:
    """Audits a model every so many steps of somebody's training loop.

    Args:
        world: where to ask.
        every: steps between two audits.
        name: of the model in results.
        out: folder; each audit's results go below it, and a report with curves over training.
        analyses: what to ask; probes and surprise are the slow ones, minutes on a CPU.
        trajectories: trajectories a condition, few by default.
        suite: file or name of a suite (default: the world's).
        seed: evaluation seed, instead of the suite's.

    Attributes:
        results: by step.

    >>> from lewm_probe import AuditCallback
    >>> audit = AuditCallback("two-room", every=1000, out="runs/audits")  # doctest: +SKIP
    >>> for step in range(100_000):  # doctest: +SKIP
    ...     loss = train_on_a_batch(model)
    ...     audit(model, step)
    """

    def __init__(
        self,
        world: str | None = None,
        *,
        every: int = 1000,
        name: str = "model",
        out: Path | str | None = None,
        analyses: Sequence[str] | str = ("probe", "voe", "straightness", "geometry"),
        trajectories: int | None = 50,
        suite: str | Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.every = whole("every", every, least=1)
        self.results: dict[int, Result] = {}
        self._world, self._name, self._suite, self._seed = world, name, suite, seed
        self._out = Path(out) if out is not None else None
        self._analyses = analyses if isinstance(analyses, str) else tuple(analyses)
        self._trajectories = trajectories

    def __call__(self, model: WorldModel, step: int) -> Result | None:
        """Audit ``model`` if it is time; None if it is not, or in another process than the first.

        Raises:
            UsageError, UserError: as ``audit``.
        """
        step = whole("step", step)
        if step % self.every or not _first_process():
            return None
        result = audit(
            {self._name: model},
            self._world,
            suite=self._suite,
            trajectories=self._trajectories,
            seed=self._seed,
            analyses=self._analyses,
            step=step,
        )
        self.results[step] = result
        if self._out is not None:
            from lewm_probe.reports.page.write import write_report

            result.save(self._out / f"step_{step:07d}")
            write_report(self.result, self._out)
        return result

    @property
    def result(self) -> Result:
        """All audits so far as one result, with curves over training."""
        return merge(self.results.values())


@contextmanager
def untouched(model: WorldModel) -> Iterator[None]:
    """Give the model back as it was: place, modes, gradients; and all random streams."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    parameters = list(model.parameters()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    wanted = [parameter.requires_grad for parameter in parameters]
    device = device_of(model)
    # An untrusted model or world may draw from these two.
    drawn, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            if isinstance(model, nn.Module) and device_of(model) != device:
                model.to(device)
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode
            for parameter, want in zip(parameters, wanted, strict=True):
                parameter.requires_grad_(want)
            random.setstate(drawn)
            np.random.set_state(of_numpy)  # noqa: NPY002


def _check_models(named: Mapping[str, Audited]) -> None:
    """Refuse what is neither a model nor a path, and names that results cannot have.

    Raises:
        UsageError: with what came.
    """
    for name, model in named.items():
        given: object = name
        if not isinstance(given, str) or not given.strip() or "=" in given:
            raise UsageError(
                f"A model is named {given!r}; a name is a string that is not empty and has no '='."
            )
        what: object = model
        if not isinstance(what, WorldModel | str | os.PathLike):
            raise UsageError(
                f"'{name}' is {kind(what)}, neither a lewm_probe.models.WorldModel nor the path of "
                "a checkpoint. Give its class that base and the methods encode and predict; 'Your "
                "own model' in lewm_probe/models/README.md has examples."
            )


def _subject(name: str, model: Audited, step: int | None) -> Checkpoint:
    if not isinstance(model, WorldModel):
        (checkpoint,) = load_checkpoints([f"{name}={model}"])
        return checkpoint
    checkpoint = checkpoint_from_model(name, model)
    if step is None:
        return checkpoint
    return replace(checkpoint, entry=checkpoint.entry.model_copy(update={"step": step}))


def _device(models: Sequence[WorldModel]) -> str:
    """Where models in memory are; for checkpoints alone, a GPU if there is one."""
    return str(device_of(models[0])) if models else resolve_device("auto")


def _first_process() -> bool:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return True
    return distributed.get_rank() == 0
