"""A body goes through what is solid."""

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


class PassThrough:
    """Permeable from the start of block t0 − 1 on, so that frame t0 is the first affected."""

    card = Card(
        "Pass-through of {who}",
        40,
        "violation",
        "Did it notice that the {who} passed through {through}?",
        f"{AS_STEP}{LEFT_OUT}",
        compared=False,
    )
    settings = OfBodies
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = True

    def check(self, condition: Condition, world: World) -> None:
        """A body that the world lets through others."""
        check_known(condition, "body that can pass through others", world.permeable)

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """Make permeable, then take the block that leads to t0.

        Raises:
            Impossible: nothing was in the way.
        """
        world.restore(pair.snapshots[pair.t0 - 1])
        for who in bodies(condition):
            world.pass_through(who)
        pair.block(pair.t0 - 1)
        pair.must_show()
        return Stimulus(from_state=True)


PASS_THROUGH = PassThrough()
