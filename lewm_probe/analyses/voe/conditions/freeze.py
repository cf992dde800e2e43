"""A body stays where it is, whatever pushes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lewm_probe.analyses.voe.conditions.kind import (
    Condition,
    OfBodies,
    Pair,
    Stimulus,
    bodies,
    check_known,
)
from lewm_probe.results.cards import AS_STEP, LEFT_OUT, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class Frozen:
    """Frozen at the start of block t0 − 1, so that frame t0 is the first affected."""

    card = Card(
        "Frozen {who}",
        30,
        "violation",
        "Did it notice that a frozen {who} did not move{pushed}?",
        f"{AS_STEP}Copy-last is calm about a body at rest. {LEFT_OUT}",
        compared=False,
    )
    settings = OfBodies
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = True

    def check(self, condition: Condition, world: World) -> None:
        """A body of the world."""
        check_known(condition, "body", world.bodies)

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """Freeze, then take the block that leads to t0.

        Raises:
            Impossible: nothing would have moved.
        """
        world.restore(pair.snapshots[pair.t0 - 1])
        for who in bodies(condition):
            world.freeze(who)
        pair.block(pair.t0 - 1)
        pair.must_show()
        return Stimulus(from_state=True)


FROZEN = Frozen()
