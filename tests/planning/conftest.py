from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.planning.pairs import Pair
from lewm_probe.worlds import make_world


def pair_of(world_name: str, seed: int = 0, blocks: int = 3, policy: str = "expert") -> Pair:
    """Two moments of an episode, ``blocks`` apart, the first after one block."""
    world = make_world(world_name)
    world.reset(seed=seed)
    act = world.policy(policy, np.random.default_rng(seed))
    moments, done = [], []
    for _ in range(blocks + 1):
        block = []
        for _ in range(world.frame_skip):
            action = np.asarray(act(world), np.float32)
            block.append(action)
            world.step(action)
        done.append(np.concatenate(block))
        moments.append(world.snapshot())
    return Pair(moments[0], moments[-1], done[0], np.stack(done[1:]))


@pytest.fixture(scope="session")
def make_pair():
    return pair_of
