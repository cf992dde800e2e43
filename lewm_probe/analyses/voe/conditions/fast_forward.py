"""A body is too early at a place that it would reach: possible, and not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from lewm_probe.analyses.voe.conditions.kind import (
    Condition,
    Impossible,
    OfBodies,
    Pair,
    Stimulus,
    bodies,
    check_known,
)
from lewm_probe.results.cards import BEYOND, LEFT_OUT, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class FastForwardSettings(OfBodies):
    """``dose`` is the distance as a share of the arena."""

    dose: float = Field(gt=0, le=1)


class FastForward:
    """The recorded trajectory is continued ahead until the body is ``dose`` · arena away."""

    card = Card(
        "Fast-forward of {who}",
        50,
        "violation",
        "Did it notice a fast-forward, the {who} too early at a place that it would reach?",
        "The recorded trajectory is continued ahead until the body is{far} away. "
        f"{BEYOND}{LEFT_OUT}",
        doses="a fast-forward, for which the recorded trajectory is continued ahead until the body "
        "is the same distance away (a physically possible place, reached too early)",
        dose_question="Does it notice short fast-forwards of {who}?",
    )
    settings = FastForwardSettings
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = True

    def check(self, condition: Condition, world: World) -> None:
        """A body of the world."""
        check_known(condition, "body", world.bodies)

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """Go on as recorded from t0.

        Raises:
            Impossible: the body never gets so far.
        """
        (who,) = bodies(condition)
        assert condition.dose is not None
        places, at = pair.positions(who), pair.t0
        distance = condition.dose * world.arena
        if np.linalg.norm(places[at:] - places[at], axis=-1).max() < distance:
            raise Impossible
        world.restore(pair.snapshots[at])
        for frame in range(at, len(places)):
            for within in range(pair.frame_skip):
                pair.step(frame, within)
                if np.linalg.norm(world.position(who) - places[at]) >= distance:
                    return Stimulus(from_state=True)
        return Stimulus(from_state=True)


FAST_FORWARD = FastForward()
