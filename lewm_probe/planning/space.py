"""The space that plans are searched in: blocks of z-scored actions, or of choices."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.worlds.base import are_choices


@dataclass(frozen=True)
class PlanSpace:
    """Blocks of A numbers, A = frame_skip × environment action width.

    Continuous actions are searched for as models see them, z-scored, so that a standard deviation
    of 1 fits every dimension (LeWM, arXiv 2603.19312). The environment's bounds are z-scored too:
    the published iCEM clips z-scored candidates to raw bounds, which are other ones. Choices stay
    the whole numbers they are.

    Attributes:
        mean: of raw actions, (A,); zeros for choices.
        std: likewise; ones for choices.
        low: least searched, (A,): z-scored, or the first choice.
        high: greatest.
        discrete: whether blocks hold choices.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor
    discrete: bool = False

    @classmethod
    def of(
        cls, space: gym.spaces.Box, frame_skip: int, mean: np.ndarray, std: np.ndarray
    ) -> PlanSpace:
        """The space of a world.

        Args:
            space: actions of one environment step, (a,).
            frame_skip: steps a block.
            mean: of raw actions, (a,), as the model's training data had it.
            std: likewise.

        Raises:
            UserError: statistics of another width.
        """
        width = int(np.prod(space.shape))
        if np.shape(mean) != (width,) or np.shape(std) != (width,):
            raise UserError(
                f"Statistics of {np.size(mean)} action dimensions were given for a world whose "
                f"actions have {width}. Plan in the world that the model was trained on."
            )
        low, high = (np.asarray(b, np.float64).ravel() for b in (space.low, space.high))
        if are_choices(space):
            mean, std = np.zeros(width), np.ones(width)
        made = [
            torch.from_numpy(np.tile(v, frame_skip).astype(np.float64))
            for v in (mean, std, (low - mean) / std, (high - mean) / std)
        ]
        return cls(made[0], made[1], made[2], made[3], are_choices(space))

    @property
    def width(self) -> int:
        """A."""
        return len(self.mean)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> PlanSpace:
        """The same on another device, in another precision."""
        mean, std = self.mean.to(device, dtype), self.std.to(device, dtype)
        low, high = self.low.to(device, dtype), self.high.to(device, dtype)
        return PlanSpace(mean, std, low, high, self.discrete)

    def clip(self, plans: Tensor) -> Tensor:
        """Plans (…, A) within the bounds."""
        return plans.clamp(self.low, self.high)

    def raw(self, plans: Tensor) -> Tensor:
        """Plans (…, A) as the environment takes them."""
        return plans * self.std + self.mean
