"""A change of paint: nothing about physics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from lewm_probe.analyses.voe.conditions.kind import (
    Condition,
    OfBodies,
    Pair,
    Stimulus,
    Strength,
    bodies,
    check_known,
)
from lewm_probe.results.cards import Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World

Rgb = tuple[int, int, int]


class ColorSettings(OfBodies):
    """``rgb`` is the target colour, 0–255; ``dose`` how far of the way to it, all without one."""

    rgb: Rgb
    dose: float | None = Field(None, gt=0, le=1)


class Color:
    """A body or scenery gets another colour at t0."""

    settings = ColorSettings
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = False
    dose_unit = "of the way"
    strength = Strength("dose", 0.0, 1.0)

    def __init__(self, card: Card) -> None:
        self.card = card

    def check(self, condition: Condition, world: World) -> None:
        """A body or scenery of the world."""
        check_known(condition, "body or scenery", (*world.bodies, *world.scenery))

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """Paint and go on."""
        world.restore(pair.snapshots[pair.t0])
        assert condition.rgb is not None
        for who in bodies(condition):
            world.recolor(who, mixed(world.color(who), condition.rgb, condition.dose or 1.0))
        return Stimulus(from_state=True)


def mixed(before: Rgb, after: Rgb, share: float) -> Rgb:
    """The colour a share of the way from one to the other, in whole levels of red, green, blue."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(before, after, strict=True))
    return red, green, blue


COLOR = Color(
    Card(
        "Recoloured {who}",
        70,
        "appearance",
        doses="a colour changed by a share of the way to the target colour",
    )
)
BACKGROUND_COLOR = Color(
    Card(
        "Recoloured background of {who}",
        80,
        "appearance",
        doses="a background changed by a share of the way to the target colour",
    )
)
