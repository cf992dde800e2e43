"""What a plan costs: the latent distance of its imagined end to the goal, and two other judges.

LeWM, arXiv 2603.19312, planning: C = ‖ẑ_H − z_goal‖². To tell a model that imagines badly from a
cost that measures badly, the same latent distance can be taken of the frame that the true simulator
ends in, and the true distance of states in place of the latent one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from lewm_probe.models.base import WorldModel, device_of
from lewm_probe.planning.control import Attempt
from lewm_probe.planning.pairs import distances
from lewm_probe.worlds.base import Snapshot, World

CostOf = Callable[[Tensor], Tensor]
"""Raw plans (B, S, K, A) → costs (B, S)."""


class Judge(Protocol):
    """Makes costs of where attempts stand now."""

    def costs(self, attempts: Sequence[Attempt]) -> CostOf:
        """The cost of plans that begin where each attempt stands."""


class Imagined:
    """The latent distance of what the model imagines to the goal's image.

    Args:
        model: frozen.
        world: draws the images.
        history: most frames that a plan begins from: the model's own, or 1 as published.
        dtype: precision that plans are imagined in.
    """

    def __init__(
        self, model: WorldModel, world: World, history: int, dtype: torch.dtype = torch.float32
    ) -> None:
        self.model, self.world = model, world
        self.history = max(1, min(history, model.spec.history))
        self.dtype, self.device = dtype, device_of(model)
        self._seen: WeakKeyDictionary[Attempt, Tensor] = WeakKeyDictionary()
        self._goals: dict[str, Tensor] = {}

    def costs(self, attempts: Sequence[Attempt]) -> CostOf:
        """Start, goal and what was done are encoded here, once a plan."""
        context, past = self.context(attempts)
        goals = self.goals(attempts)  # (B, 1, 1, …)

        def cost(plans: Tensor) -> Tensor:
            rolled = self.model.rollout(context, past, plans.to(context.dtype))  # (B, S, K, …)
            return self.model.goal_cost(rolled[:, :, -1:], goals)[..., 0]

        return cost

    def context(self, attempts: Sequence[Attempt]) -> tuple[Tensor, Tensor]:
        """Latents of the last frames (B, h, …) and the blocks between them (B, h − 1, A)."""
        count = len(attempts[0].moments)
        h = min(self.history, count)
        blocks = np.stack([_blocks(one, self.model.spec.action_width) for one in attempts])
        if self.model.spec.recurrent:  # the whole sequence is in the last latent
            still = np.zeros_like(blocks[:, :1]) if count == 1 else blocks[:, -1:] * 0
            actions = np.concatenate([blocks, still], axis=1)  # (B, T, A)
            latents = self._encode([one.moments for one in attempts], actions)
        else:
            latents = torch.stack([self._latents(one)[-h:] for one in attempts])
        past = torch.as_tensor(blocks[:, count - h :], device=self.device).to(self.dtype)
        return latents[:, -h:].to(self.dtype), past

    def goals(self, attempts: Sequence[Attempt]) -> Tensor:
        """Latents of the goals' images, (B, 1, 1, …)."""
        missing = [one for one in attempts if one.pair.id not in self._goals]
        if missing:
            still = np.zeros((len(missing), 1, self.model.spec.action_width), np.float32)
            found = self._encode([[one.pair.goal] for one in missing], still)
            for one, latent in zip(missing, found[:, 0], strict=True):
                self._goals[one.pair.id] = latent
        goals = torch.stack([self._goals[one.pair.id] for one in attempts])
        return goals[:, None, None].to(self.dtype)

    def _latents(self, attempt: Attempt) -> Tensor:
        """Of all frames so far, each encoded once, (T, …)."""
        known = self._seen.get(attempt)
        new = attempt.moments[0 if known is None else len(known) :]
        if new:
            still = np.zeros((1, len(new), self.model.spec.action_width), np.float32)
            fresh = self._encode([new], still)[0]
            known = fresh if known is None else torch.cat([known, fresh])
            self._seen[attempt] = known
        assert known is not None
        return known

    def encode_ends(self, moments: Sequence[Snapshot]) -> Tensor:
        """Latents of single frames, (N, 1, …)."""
        still = np.zeros((len(moments), 1, self.model.spec.action_width), np.float32)
        return self._encode([[one] for one in moments], still)

    def _encode(self, moments: Sequence[Sequence[Snapshot]], actions: np.ndarray) -> Tensor:
        size = self.model.spec.image_size
        flat = [one for row in moments for one in row]
        pixels = self.world.render_batch(flat, size)
        pixels = pixels.reshape(len(moments), -1, *pixels.shape[1:])
        seen = torch.as_tensor(pixels)
        with torch.no_grad():
            if not self.model.spec.recurrent:
                return self.model.encode(seen)
            blocks = torch.as_tensor(actions, device=self.device)
            return self.model.encode({"pixels": seen, "action": blocks})


class TrueDynamics:
    """The same latent distance, of the frame that the simulator itself ends in: a perfect model.

    Args:
        imagined: encodes and compares.
    """

    def __init__(self, imagined: Imagined) -> None:
        self.imagined = imagined

    def costs(self, attempts: Sequence[Attempt]) -> CostOf:
        """Every plan is simulated."""

        def cost(plans: Tensor) -> Tensor:
            ends = ends_of(self.imagined.world, attempts, plans.detach().cpu().numpy())
            return self.costs_of(attempts, ends)

        return cost

    def costs_of(self, attempts: Sequence[Attempt], ends: list[list[Snapshot]]) -> Tensor:
        """The latent distance of states to the goals: B × S states → (B, S)."""
        goals = self.imagined.goals(attempts)
        latents = self.imagined.encode_ends([one for row in ends for one in row])
        latents = latents.unflatten(0, (len(ends), -1)).to(goals.dtype)  # (B, S, 1, …)
        return self.imagined.model.goal_cost(latents, goals)[..., 0]


class TrueState:
    """The true distance to the goal after simulating: a perfect model and a perfect latent.

    The distance of positions (``pairs.distances``), and of angles where bodies have some, one
    radian as far as an eighth of the arena.
    """

    def __init__(self, world: World, dtype: torch.dtype = torch.float32) -> None:
        self.world, self.dtype = world, dtype

    def costs(self, attempts: Sequence[Attempt]) -> CostOf:
        """Every plan is simulated."""

        def cost(plans: Tensor) -> Tensor:
            ends = ends_of(self.world, attempts, plans.detach().cpu().numpy())
            found = [
                np.hypot(
                    distances(self.world, row, one.pair),
                    self.world.arena / 8 * _turns(self.world, row, one.pair.goal),
                )
                for row, one in zip(ends, attempts, strict=True)
            ]
            return torch.as_tensor(np.stack(found), device=plans.device).to(plans.dtype)

        return cost


def ends_of(world: World, attempts: Sequence[Attempt], plans: np.ndarray) -> list[list[Snapshot]]:
    """Where raw plans (B, S, K, A) lead in the simulator, B × S states."""
    width = int(np.prod(world.action_space.shape))
    low, high = world.action_space.low, world.action_space.high
    ends = []
    for attempt, samples in zip(attempts, plans, strict=True):
        row = []
        for plan in samples:
            world.restore(attempt.moments[-1])
            for action in plan.reshape(-1, width):
                world.step(np.clip(action, low, high).astype(np.float32))
            row.append(world.snapshot())
        ends.append(row)
    return ends


def _turns(world: World, moments: Sequence[Snapshot], goal: Snapshot) -> np.ndarray:
    """Root of the summed squares of all angles off the goal, rad, (N,)."""
    angles = {n: q.symmetry for n, q in world.quantities.items() if q.kind == "angle"}
    if not angles:
        return np.zeros(len(moments))
    world.restore(goal)
    aim = world.physical_state()
    found = []
    for moment in moments:
        world.restore(moment)
        state = world.physical_state()
        off = [
            np.angle(np.exp(1j * symmetry * (state[name] - aim[name]))) / symmetry
            for name, symmetry in angles.items()
        ]
        found.append(np.linalg.norm(np.concatenate(off)))
    return np.array(found)


def _blocks(attempt: Attempt, width: int) -> np.ndarray:
    """Blocks done so far, float32 (T − 1, A)."""
    if not attempt.blocks:
        return np.zeros((0, width), np.float32)
    return np.stack(attempt.blocks).astype(np.float32)
