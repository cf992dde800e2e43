"""Is the planning cost even monotone in what is wanted?

Random plans are done in the simulator; what each leads to has a true distance to the goal, and a
latent cost, of the frame itself and of what the model imagined instead. A solver can be no better
than the order that costs put plans in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from lewm_probe.planning.agents import generator
from lewm_probe.planning.control import Attempt
from lewm_probe.planning.costs import Imagined, TrueDynamics, ends_of
from lewm_probe.planning.pairs import Pair, distances
from lewm_probe.planning.space import PlanSpace


class Monotone(NamedTuple):
    """Spearman's correlation of cost and true distance over random plans of each pair, (N,).

    NaN where all distances are the same.
    """

    imagined: np.ndarray
    encoded: np.ndarray


def monotone(
    imagined: Imagined,
    pairs: Sequence[Pair],
    space: PlanSpace,
    *,
    plans: int,
    blocks: int,
    seed: int,
    batch: int,
) -> Monotone:
    """Correlate cost and distance over ``plans`` random plans of each pair."""
    found: list[list[float]] = [[], []]
    truth = TrueDynamics(imagined)
    for first in range(0, len(pairs), batch):
        some = [Attempt(pair, [pair.start]) for pair in pairs[first : first + batch]]
        drawn = torch.stack([_drawn(generator(seed, one), plans, blocks, space) for one in some])
        raw = space.raw(space.clip(drawn.to(space.low)))  # (B, S, K, A)
        with torch.no_grad():
            guessed = imagined.costs(some)(raw).double().cpu().numpy()
        ends = ends_of(imagined.world, some, raw.cpu().numpy())
        seen = truth.costs_of(some, ends).double().cpu().numpy()
        for k, one in enumerate(some):
            far = distances(imagined.world, ends[k], one.pair)
            for costs, into in zip((guessed[k], seen[k]), found, strict=True):
                into.append(_spearman(costs, far))
    return Monotone(*(np.array(each) for each in found))


def _drawn(made: torch.Generator, plans: int, blocks: int, space: PlanSpace) -> torch.Tensor:
    shape = (plans, blocks, space.width)
    if space.discrete:
        shares = torch.rand(shape, generator=made, dtype=torch.float64)
        return (space.low + ((space.high - space.low + 1) * shares.to(space.low)).floor()).double()
    return torch.randn(shape, generator=made, dtype=torch.float64)


def _spearman(costs: np.ndarray, far: np.ndarray) -> float:
    if len(far) < 3 or np.ptp(far) == 0 or np.ptp(costs) == 0:
        return float("nan")
    return float(stats.spearmanr(costs, far).statistic)
