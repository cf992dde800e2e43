from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

from lewm_probe.core.errors import UserError
from lewm_probe.planning.space import PlanSpace

BOX = gym.spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, 4.0]), (2,), np.float64)


def test_bounds_are_those_of_z_scored_actions():
    made = PlanSpace.of(BOX, 2, np.array([0.5, 1.0]), np.array([0.25, 2.0]))
    assert made.width == 4
    assert made.low.tolist() == [-6, -0.5, -6, -0.5] and made.high.tolist() == [2, 1.5, 2, 1.5]
    far = torch.full((3, 4), 100.0, dtype=torch.float64)
    assert made.raw(made.clip(far)).tolist() == [[1, 4, 1, 4]] * 3
    assert made.raw(made.clip(-far)).tolist() == [[-1, 0, -1, 0]] * 3
    half = made.to("cpu", torch.float32)
    assert half.low.dtype == half.std.dtype == torch.float32


def test_choices_are_not_scaled():
    choices = gym.spaces.Box(0, 3, (1,), np.int64)
    made = PlanSpace.of(choices, 5, np.array([1.5]), np.array([1.1]))
    assert made.discrete
    assert made.low.tolist() == [0] * 5 and made.high.tolist() == [3] * 5
    plans = torch.tensor([0.0, 1, 2, 3, 0])
    assert torch.equal(made.raw(plans.double()), plans.double())


def test_statistics_of_another_world_are_refused():
    message = (
        "Statistics of 3 action dimensions were given for a world whose actions have 2. Plan in "
        "the world that the model was trained on."
    )
    with pytest.raises(UserError) as caught:
        PlanSpace.of(BOX, 2, np.zeros(3), np.ones(3))
    assert str(caught.value) == message
