"""Drawing the pairs: two moments of one held-out episode, once from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories, collect_trajectories
from lewm_probe.analyses.plan.settings import PlanSettings
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.seeding import stream
from lewm_probe.planning.pairs import Pair, Pairs, solved_at_start
from lewm_probe.planning.pairs_file import read_pairs, write_pairs
from lewm_probe.worlds.base import NotOffered, World

FRAMES = 20
"""Of an episode that a pair is drawn from: the start lies from the second to the last that fits."""

MOST_EPISODES = 40
"""Episodes drawn for each pair asked for before the search for unsolved ones ends."""


def all_pairs(world: World, suite: Suite, settings: PlanSettings) -> list[Pairs]:
    """The pairs of every evaluation seed: read from the file that is named, or drawn.

    Raises:
        UsageError: a world without a simulator or goals, or steps that are no whole blocks.
        UserError: a file of other pairs than are asked for, or no unsolved pair is found.
    """
    check_world_plans(world, settings)
    path = Path(settings.pairs_file) if settings.pairs_file is not None else None
    if path is not None and path.exists():
        return _read(path, world, suite, settings)
    found = [
        drawn_pairs(world, suite, settings, suite.seed + k) for k in range(settings.evaluations)
    ]
    if path is not None:
        write_pairs(path, found)
    return found


def check_world_plans(world: World, settings: PlanSettings) -> None:
    """Refuse a world in which nothing can be tried, and steps that end within a block.

    Raises:
        UsageError: says which, and what to do.
    """
    if world.replays:
        raise UsageError(
            f"Planning tries actions out, and {world.name} holds recorded episodes without a "
            "simulator. Plan in the simulated world with --world."
        )
    for name in ("steps", "budget"):
        value = getattr(settings, name)
        if value % world.frame_skip:
            raise UsageError(
                f"plan.{name} is {value}, which is no multiple of the {world.frame_skip} steps of "
                f"a block in {world.name}. Choose one that is."
            )


def drawn_pairs(world: World, suite: Suite, settings: PlanSettings, seed: int) -> Pairs:
    """Pairs of one evaluation seed: one an episode, unsolved at the start by every rule.

    Raises:
        UsageError: the world does not offer goals that are states.
        UserError: hardly any moment is unsolved.
    """
    blocks = settings.steps // world.frame_skip
    frames = max(FRAMES, blocks + 2)
    rng = stream(seed, "plan pairs")
    kept: list[Pair] = []
    solved = dict.fromkeys(world.rules, 0)
    drawn = refused = 0
    while len(kept) < settings.pairs:
        if drawn >= settings.pairs * MOST_EPISODES:
            raise UserError(
                f"Of {drawn:,} start-goal pairs {settings.steps} steps apart in {world.name}, only "
                f"{len(kept)} are unsolved at the start, and {settings.pairs} were asked for. "
                "Raise plan.steps in the suite, ask for fewer pairs, or name another plan.policy."
            )
        episode = _episode(suite, settings, frames, seed, drawn)
        start = int(rng.integers(1, frames - blocks))
        drawn += 1
        pair = Pair(
            episode.snapshots[0][start],
            episode.snapshots[0][start + blocks],
            episode.actions[0, start - 1].copy(),
            episode.actions[0, start : start + blocks].copy(),
        )
        try:
            already = solved_at_start(world, pair)
        except NotOffered:
            raise
        except UserError:
            refused += 1
            continue
        for rule in already:
            solved[rule] += 1
        if not already:
            kept.append(pair)
    about = (world.name, seed, settings.policy, settings.steps, drawn, solved, refused)
    return Pairs(*about, tuple(kept))


def _episode(
    suite: Suite, settings: PlanSettings, frames: int, seed: int, number: int
) -> Trajectories:
    """One episode, a function of the seed and its number."""
    return collect_trajectories(
        suite.world,
        1,
        frames,
        size=8,
        seed=seed,
        purpose=f"plan {number}",
        policy=settings.policy,
    )


def _read(path: Path, world: World, suite: Suite, settings: PlanSettings) -> list[Pairs]:
    found = read_pairs(path, world)
    asked = [suite.seed + k for k in range(settings.evaluations)]
    have = [one.seed for one in found]
    if have != asked:
        raise UserError(
            f"{path} holds pairs of the evaluation seeds {_listed(have)}, and {_listed(asked)} are "
            f"asked for. Give --seed {have[0]} and plan.evaluations {len(have)}, or another file."
        )
    for one in found:
        if (one.steps, one.policy) != (settings.steps, settings.policy):
            raise UserError(
                f"{path} holds pairs {one.steps} steps apart of the policy '{one.policy}', and "
                f"{settings.steps} steps of '{settings.policy}' are asked for. Change plan.steps "
                "and plan.policy in the suite, or give another file."
            )
        if len(one) < settings.pairs:
            raise UserError(
                f"{path} holds {len(one)} pairs of each evaluation seed, and {settings.pairs} are "
                f"asked for. Ask for {len(one)} with --episodes, or give another file."
            )
    return [one.first(settings.pairs) for one in found]


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))


def starts_of(pairs: list[Pairs]) -> np.ndarray:
    """The evaluation seed of every pair, (N,)."""
    return np.concatenate([np.full(len(one), one.seed) for one in pairs])
