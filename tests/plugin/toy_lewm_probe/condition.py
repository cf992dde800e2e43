"""Gravity turns over: a condition that needs a world which can do that."""

from typing import Protocol, runtime_checkable

from pydantic import Field

from lewm_probe.analyses.voe.conditions import Stimulus
from lewm_probe.core.config import Config
from lewm_probe.core.errors import UsageError
from lewm_probe.results.cards import BEYOND, LEFT_OUT, Card


@runtime_checkable
class FlipsGravity(Protocol):
    """A world that can; it stands here, as no other condition asks for it."""

    def flip_gravity(self, strength: float) -> None:
        """Turn gravity over; it then pulls ``strength`` times as much, until the next reset."""


class GravityFlipSettings(Config):
    """``strength``: how much gravity pulls afterwards, in units of what it did before."""

    strength: float = Field(1.0, gt=0, le=10)


class GravityFlip:
    """From the start of block t0 − 1 on, so that frame t0 is the first affected."""

    card = Card(
        "Gravity turned over",
        35,
        "violation",
        "Did it notice that gravity turned over?",
        BEYOND + LEFT_OUT,
    )
    settings = GravityFlipSettings
    alternative = "two-sided"
    needs_event = True  # where nothing would show, t0 is another frame

    def check(self, condition, world):
        """Refuse a world without ``flip_gravity``."""
        if not isinstance(world, FlipsGravity):
            raise UsageError(
                f"{world.name} does not offer flip_gravity(), which '{condition.name}' needs. "
                "Leave the condition out, or give the world's class that method."
            )

    def apply(self, condition, world, pair, rng):
        """Turn it over, then take the recorded block that leads to t0."""
        world.restore(pair.snapshots[pair.t0 - 1])
        world.flip_gravity(condition.settings.strength)
        pair.block(pair.t0 - 1)
        pair.must_show()
        return Stimulus(from_state=True)


GRAVITY_FLIP = GravityFlip()
