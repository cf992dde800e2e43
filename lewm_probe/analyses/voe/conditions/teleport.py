"""A body is suddenly elsewhere: anywhere, a chosen distance away, or one step the wrong way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from lewm_probe.analyses.voe.conditions.kind import (
    VISIBLE,
    Condition,
    Impossible,
    OfBodies,
    Pair,
    Stimulus,
    bodies,
    check_known,
)
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.results.cards import BEYOND, LEFT_OUT, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class TeleportSettings(OfBodies):
    """``dose`` is the distance as a share of the arena; without one a body goes anywhere."""

    dose: float | None = Field(None, gt=0, le=1)


class Teleport:
    """The body is put at a valid place, which is drawn."""

    card = Card(
        "Teleport of {who}",
        10,
        "violation",
        "Did it notice teleports{of}?",
        f"{BEYOND}Far teleports alone prove little: a jump detector notices them too.",
        doses="a teleport by a share of the arena’s width",
        dose_question="Does it notice small teleports of {who}?",
    )
    settings = TeleportSettings
    alternative: Literal["greater", "two-sided"] = "greater"
    needs_event = False

    def check(self, condition: Condition, world: World) -> None:
        """A body of the world."""
        check_known(condition, "body", world.bodies)

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """One body after the other, each ``dose`` · arena away if there is one."""
        world.restore(pair.snapshots[pair.t0])
        distance = None if condition.dose is None else condition.dose * world.arena
        for who in bodies(condition):
            _teleport(world, who, rng, distance)
        return Stimulus(from_state=True)


class StepTeleport(Teleport):
    """As far as the body's last step, in a direction that it did not take: no jump to detect."""

    card = Card(
        "Step-sized teleport of {who}",
        20,
        "violation",
        "Did it notice step-sized teleports{of}?",
        f"{BEYOND}{LEFT_OUT}",
    )
    settings = OfBodies  # type: ignore[assignment]  # it has no dose
    needs_event = True

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """From where the body was at t0 − 1, at 90° or more from its motion.

        Raises:
            Impossible: the body hardly moved, or there is no valid place.
        """
        world.restore(pair.snapshots[pair.t0])
        for who in bodies(condition):
            places = pair.positions(who)
            step = places[pair.t0] - places[pair.t0 - 1]
            length = float(np.linalg.norm(step))
            if length < VISIBLE * world.arena:
                raise Impossible
            _teleport(world, who, rng, length, origin=places[pair.t0 - 1], away_from=step)
        return Stimulus(from_state=True)


def _teleport(
    world: World, who: str, rng: np.random.Generator, distance: float | None, **more: np.ndarray
) -> None:
    try:
        world.teleport(who, rng, distance, **more)
    except UsageError:
        raise
    except UserError as error:  # no valid place
        raise Impossible from error


TELEPORT, STEP_TELEPORT = Teleport(), StepTeleport()
