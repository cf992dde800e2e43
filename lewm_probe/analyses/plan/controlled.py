"""Who tries the pairs: the model, floors that it has to beat, oracles that say what limits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from lewm_probe.analyses.controls.random_networks import random_weights
from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.plan.pixel_model import PixelModel
from lewm_probe.analyses.plan.settings import PlanSettings
from lewm_probe.core.errors import UsageError
from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.planning.agents import (
    CopyAction,
    DoNothing,
    OtherGoal,
    Planner,
    RandomPolicy,
    RecordedActions,
)
from lewm_probe.planning.control import Agent
from lewm_probe.planning.costs import Imagined, Judge, TrueDynamics, TrueState
from lewm_probe.planning.pairs import Pair
from lewm_probe.planning.solvers import SOLVERS
from lewm_probe.planning.solvers.solver import Solver, SolverSettings
from lewm_probe.planning.space import PlanSpace
from lewm_probe.worlds.base import are_choices

UNTRAINED = ("random_weights", "pixel_pca")
"""Floors that plan, with models that learned nothing of the world's dynamics from images."""


@dataclass(frozen=True)
class Search:
    """A solver with its settings, checked."""

    name: str
    solver: Solver
    settings: SolverSettings

    @classmethod
    def of(cls, settings: PlanSettings, *, discrete: bool) -> Search:
        """The one that a suite asks for.

        Raises:
            UsageError: no such solver, none for this kind of actions, or settings that it refuses.
        """
        solver = SOLVERS.get(settings.solver)
        if solver.discrete != discrete:
            fitting = [n for n in SOLVERS.names() if SOLVERS.get(n).discrete == discrete]
            kind = "choices" if discrete else "continuous actions"
            raise UsageError(
                f"The solver '{settings.solver}' does not search among {kind}, which this world "
                f"has. Choose one of {', '.join(fitting)} with --solver."
            )
        given = {
            name: value
            for name in ("samples", "iterations", "elites")
            if (value := getattr(settings, name)) is not None
        }
        return cls(settings.solver, solver, _checked(settings.solver, solver, given))

    def smaller(self, samples: int, iterations: int) -> Search:
        """The same with another budget, and elites in the same proportion."""
        changed: dict[str, Any] = {"samples": samples, "iterations": iterations}
        if (elites := getattr(self.settings, "elites", None)) is not None:
            share = elites / self.settings.samples
            changed["elites"] = min(samples, max(2, round(share * samples)))
        given = {**self.settings.model_dump(), **changed}
        return Search(self.name, self.solver, _checked(self.name, self.solver, given))


def _checked(name: str, solver: Solver, given: dict[str, Any]) -> SolverSettings:
    try:
        return solver.settings.model_validate(given)
    except ValidationError as error:
        told = error.errors()[0]
        key = ".".join(map(str, told["loc"]))
        why = str(told["msg"]).removeprefix("Value error, ")
        unknown = "which it does not have" if told["type"] == "extra_forbidden" else why
        raise UsageError(
            f"The solver '{name}' was asked for with {f'{key}: ' if key else ''}{unknown}. It "
            f"takes {', '.join(solver.settings.model_fields)}."
        ) from error


class Team:
    """Makes the agents of one checkpoint.

    Args:
        checkpoint: whose model plans.
        context: of the analysis.
        pairs: of all evaluation seeds.
        search: the solver.
    """

    def __init__(
        self, checkpoint: Checkpoint, context: Context, pairs: list[Pair], search: Search
    ) -> None:
        self.checkpoint, self.context, self.search = checkpoint, context, search
        self.settings: PlanSettings = context.settings
        self.world, self.pairs = context.world, pairs

    def own(self) -> Planner:
        """The model itself."""
        return self.planner(self.checkpoint.model, self.search)

    def floor(self, name: str) -> Agent | None:
        """One of the floors; None where this kind of model has none."""
        seed = self.context.suite.seed
        makers: dict[str, Callable[[], Agent | None]] = {
            "random_policy": lambda: RandomPolicy(self.world, seed),
            "do_nothing": lambda: DoNothing(self.world),
            "copy_action": CopyAction,
            "recorded_actions": lambda: RecordedActions(DoNothing(self.world)),
            "other_goal": lambda: OtherGoal(self.own(), others(self.pairs)),
            **{name: partial(self._untrained, name) for name in UNTRAINED},
        }
        return makers[name]()

    def _untrained(self, name: str) -> Planner | None:
        model = self.untrained(name)
        return None if model is None else self.planner(model, self.search)

    def untrained(self, name: str) -> WorldModel | None:
        """The model of one of ``UNTRAINED``, on clean trajectories; None where there is none."""
        model = self.checkpoint.model
        clean = self.context.trajectories(self.checkpoint, "clean")
        seed = self.context.suite.seed
        if name == "random_weights":
            return random_weights(model, clean.pixels, seed=seed, actions=clean.actions)
        if model.spec.action_kind != "continuous":
            return None
        key = ("plan pixels", model.spec.image_size, model.spec.latent_width, model.spec.history)
        return self.context.once(
            key, lambda: PixelModel.fit(model.spec, clean.pixels, clean.actions, seed=seed)
        )

    def oracles(self, search: Search) -> dict[str | None, Planner]:
        """Perfect dynamics, a perfect latent too, and the model itself at the same setting."""
        imagined = self._imagined(self.checkpoint.model)
        return {
            None: self.planner(self.checkpoint.model, search),
            "true_dynamics": self._planner(TrueDynamics(imagined), search),
            "true_state": self._planner(TrueState(self.world), search),
        }

    def planner(self, model: WorldModel, search: Search) -> Planner:
        """A planner with a model."""
        return self._planner(self._imagined(model), search)

    def _imagined(self, model: WorldModel) -> Imagined:
        history = self.settings.history or model.spec.history
        return Imagined(model, self.world, history)

    def _planner(self, judge: Judge, search: Search) -> Planner:
        settings = self.settings
        return Planner(
            search.solver,
            search.settings,
            judge,
            self.space(),
            settings.horizon,
            settings.execute,
            self.context.suite.seed,
            settings.batch,
        )

    def space(self) -> PlanSpace:
        """Where plans are searched for: as the model's training data scaled actions.

        A model that does not say is given the statistics of what was done in the pairs.
        """
        model, space = self.checkpoint.model, self.world.action_space
        statistics = getattr(model, "action_statistics", None)
        if statistics is not None and not are_choices(space):
            mean, std = np.asarray(statistics.mean), np.asarray(statistics.std)
        else:
            done = np.concatenate([pair.actions for pair in self.pairs])
            flat = done.reshape(-1, int(np.prod(space.shape))).astype(np.float64)
            mean, std = flat.mean(axis=0), flat.std(axis=0)
            std[std < 1e-8] = 1.0
        made = PlanSpace.of(space, self.world.frame_skip, mean, std)
        return made.to(device_of(model), torch.float32)


def others(pairs: list[Pair]) -> dict[str, Pair]:
    """Pair → the next one, whose goal is shown in place of its own."""
    return {one.id: pairs[(k + 1) % len(pairs)] for k, one in enumerate(pairs)}
