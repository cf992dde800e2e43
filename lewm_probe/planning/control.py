"""Receding-horizon control in the real simulator, all pairs side by side.

An agent is asked for some blocks, they are done, it is asked again with what came of it, until the
budget of environment steps is spent. Nobody stops at a success: rules are looked at after every
step, so that success at any step (as published) and at the end are both known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from lewm_probe.core.errors import UserError
from lewm_probe.core.progress import Task as Bar
from lewm_probe.planning.pairs import Pair, begin, distances
from lewm_probe.worlds.base import Snapshot, World


@dataclass(eq=False)
class Attempt:
    """How far one pair has come, and all that an agent may know of it.

    Attributes:
        pair: the task; agents that are no oracles look at its goal and ``before`` alone.
        moments: full simulator states at each block's end so far, the start first.
        blocks: raw action blocks (A,) done so far.
        replans: how often the agent has been asked.
    """

    pair: Pair
    moments: list[Snapshot]
    blocks: list[np.ndarray] = field(default_factory=list)
    replans: int = 0


@runtime_checkable
class Agent(Protocol):
    """Chooses what to do."""

    name: ClassVar[str]

    def act(self, attempts: Sequence[Attempt]) -> np.ndarray:
        """Raw action blocks to be done now, (B, K, A), K ≥ 1."""


@dataclass(frozen=True)
class Outcome:
    """What became of one pair.

    Attributes:
        reached: success rule → whether it had held for long enough, after each environment step
            (T,); bool.
        distances: to the goal at the start and after each block, (K + 1,), in the world's unit.
        blocks: what was done, raw (K, A).
        moments: states at the start and after each block.
    """

    reached: dict[str, np.ndarray]
    distances: np.ndarray
    blocks: np.ndarray
    moments: tuple[Snapshot, ...]

    def success(self, rule: str, when: str) -> bool:
        """Whether a rule was fulfilled ``any`` time, or at the ``end``."""
        held = self.reached[rule]
        return bool(held.any() if when == "any" else held[-1])

    def steps(self, rule: str) -> int | None:
        """Environment steps until a rule was first fulfilled; None: it never was."""
        held = self.reached[rule]
        return int(held.argmax()) + 1 if held.any() else None


def control(
    world: World,
    pairs: Sequence[Pair],
    agent: Agent,
    budget: int,
    bar: Bar | None = None,
) -> list[Outcome]:
    """Let an agent try every pair.

    Args:
        world: its state afterwards is anybody's guess.
        pairs: what to reach.
        agent: who acts.
        budget: environment steps, a multiple of the world's frame-skip.
        bar: advanced by each block of each pair.

    Raises:
        UserError: the agent gives blocks of another width or such as are not finite, or a pair is
            none of this world's.
    """
    skip = world.frame_skip
    width = int(np.prod(world.action_space.shape))
    low, high = world.action_space.low, world.action_space.high
    held: list[dict[str, int]] = []
    attempts = []
    for pair in pairs:
        begin(world, pair)
        held.append(dict.fromkeys(world.rules, 0))
        attempts.append(Attempt(pair, [world.snapshot()]))
    marks: list[list[dict[str, bool]]] = [[] for _ in pairs]
    left = budget // skip
    while left:
        plans = np.asarray(agent.act(attempts), np.float32)
        if plans.ndim != 3 or plans.shape[0] != len(pairs) or plans.shape[2] != skip * width:
            raise UserError(
                f"The agent '{agent.name}' gave plans of the shape {plans.shape}, but for "
                f"{len(pairs)} pairs in {world.name} blocks of {skip * width} numbers were "
                "expected. Plan in the world that the model was trained on."
            )
        if not np.isfinite(plans).all():
            raise UserError(
                f"The agent '{agent.name}' gave actions that are not finite. Look for a model "
                "whose latents or costs are not."
            )
        done = min(left, plans.shape[1])
        for number, attempt in enumerate(attempts):
            world.restore(attempt.moments[-1])
            for block in plans[number, :done]:
                for action in block.reshape(skip, width):
                    world.step(np.clip(action, low, high).astype(np.float32))
                    marks[number].append(_mark(world, held[number]))
                attempt.moments.append(world.snapshot())
                attempt.blocks.append(block)
                if bar is not None:
                    bar.advance()
            attempt.replans += 1
        left -= done
    return [_outcome(world, one, mark) for one, mark in zip(attempts, marks, strict=True)]


def _mark(world: World, held: dict[str, int]) -> dict[str, bool]:
    """Which rules have now held for as long as they have to."""
    for rule in held:
        held[rule] = held[rule] + 1 if world.reached(rule) else 0
    return {rule: held[rule] >= least for rule, least in world.rules.items()}


def _outcome(world: World, attempt: Attempt, marks: Sequence[dict[str, bool]]) -> Outcome:
    return Outcome(
        {rule: np.array([mark[rule] for mark in marks]) for rule in world.rules},
        distances(world, attempt.moments, attempt.pair),
        np.stack(attempt.blocks),
        tuple(attempt.moments),
    )
