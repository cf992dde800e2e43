"""Who acts: a planner with a model, and those who do without, whom it has to beat."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np
import torch

from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.planning.control import Attempt
from lewm_probe.planning.costs import Judge
from lewm_probe.planning.pairs import Pair
from lewm_probe.planning.solvers.solver import Problem, Solver
from lewm_probe.planning.space import PlanSpace
from lewm_probe.worlds.base import World, are_choices


@dataclass
class Planner:
    """Searches for the cheapest plan, does the first blocks of it, and searches anew.

    Attributes:
        solver: who searches.
        settings: of the solver.
        judge: what plans cost.
        space: that plans lie in.
        blocks: K, how far plans reach.
        execute: blocks of a plan that are done before the next one.
        seed: of all random numbers; each pair and replan has a stream of its own, so that outcomes
            do not depend on what else is solved.
        batch: pairs that are planned for at once.
        seconds: how long each plan took, its share of a batch; filled while acting.
        costs: of the plans chosen, as the judge sees them; likewise.
    """

    name: ClassVar[str] = "planner"

    solver: Solver
    settings: Any
    judge: Judge
    space: PlanSpace
    blocks: int
    execute: int
    seed: int
    batch: int = 50
    seconds: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """The first blocks of a plan for each, (B, execute, A)."""
        parts = [
            self._plan(attempts[first : first + self.batch])
            for first in range(0, len(attempts), self.batch)
        ]
        return np.concatenate(parts)

    def _plan(self, attempts: Sequence[Attempt]) -> np.ndarray:
        began = time.perf_counter()
        with torch.no_grad():
            cost = self.judge.costs(attempts)
            problem = Problem(
                lambda plans: cost(self.space.raw(plans)),
                self.space,
                self.blocks,
                [generator(self.seed, one) for one in attempts],
            )
            found = self.solver.solve(problem, self.settings)
            plans = self.space.raw(found.plans)[:, : self.execute].float().cpu().numpy()
        spent = time.perf_counter() - began
        self.seconds += [spent / len(attempts)] * len(attempts)
        self.costs += found.costs.double().tolist()
        return plans


def generator(seed: int, attempt: Attempt) -> torch.Generator:
    """The random numbers of one plan: of the pair and of how often it was planned for."""
    made = torch.Generator()
    made.manual_seed(torch_seed(seed, "plan", attempt.pair.id, attempt.replans))
    return made


@dataclass
class OtherGoal:
    """An agent that is shown other goals: what its acting reaches whatever it is asked for.

    Attributes:
        agent: who acts.
        goals: pair → the pair whose goal it is shown.
    """

    name: ClassVar[str] = "other_goal"

    agent: Planner
    goals: Mapping[str, Pair]
    _shown: WeakKeyDictionary[Attempt, Attempt] = field(default_factory=WeakKeyDictionary)

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """As the agent acts for the other goals."""
        shown = []
        for one in attempts:
            other = self._shown.setdefault(
                one, Attempt(self.goals[one.pair.id], one.moments, one.blocks)
            )
            other.replans = one.replans
            shown.append(other)
        return self.agent.act(shown)


@dataclass
class RandomPolicy:
    """Uniform actions, or even chances among choices."""

    name: ClassVar[str] = "random_policy"

    world: World
    seed: int

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """One block for each, (B, 1, A)."""
        space, skip = self.world.action_space, self.world.frame_skip
        blocks = []
        for one in attempts:
            rng = stream(self.seed, "random policy", one.pair.id, one.replans)
            shape = (skip, *space.shape)
            if are_choices(space):
                low, high = space.low.astype(np.int64), space.high.astype(np.int64)
                drawn = rng.integers(low, high, shape, endpoint=True).astype(np.float64)
            else:
                drawn = rng.uniform(space.low, space.high, shape)
            blocks.append(drawn.ravel())
        return np.stack(blocks)[:, None].astype(np.float32)


@dataclass
class DoNothing:
    """The action nearest to zero, always: for relative actions, standing still."""

    name: ClassVar[str] = "do_nothing"

    world: World

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """One block for each, (B, 1, A)."""
        space = self.world.action_space
        still = np.clip(np.zeros(space.shape), space.low, space.high).ravel()
        block = np.tile(still, self.world.frame_skip)
        return np.broadcast_to(block, (len(attempts), 1, len(block))).astype(np.float32)


class CopyAction:
    """What was done before the start, again and again."""

    name: ClassVar[str] = "copy_action"

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """One block for each, (B, 1, A)."""
        return np.stack([one.pair.before for one in attempts])[:, None]


class RecordedActions:
    """What led to the goal when the pair was recorded, then nothing: what can be reached at all.

    Attributes:
        after: acts once the recorded actions are spent.
    """

    name: ClassVar[str] = "recorded_actions"

    def __init__(self, after: DoNothing) -> None:
        self.after = after

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """One block for each, (B, 1, A)."""
        still = self.after.act(attempts)
        for number, one in enumerate(attempts):
            if len(one.blocks) < len(one.pair.actions):
                still[number, 0] = one.pair.actions[len(one.blocks)]
        return still
