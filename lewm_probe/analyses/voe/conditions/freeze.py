"""A body stays where it is, whatever pushes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lewm_probe.analyses.voe.conditions.kind import Condition, FromBlockBefore, check_known
from lewm_probe.results.cards import BEYOND, LEFT_OUT, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class Frozen(FromBlockBefore):
    """Frozen at the start of block t0 − 1, so that frame t0 is the first affected."""

    card = Card(
        "Frozen {who}",
        30,
        "violation",
        "Did it notice that a frozen {who} did not move{pushed}?",
        f"{BEYOND}A body at rest calms copy-last and pixel difference, which flipped find it. "
        f"{LEFT_OUT}",
        lasts=True,
    )

    def check(self, condition: Condition, world: World) -> None:
        """A body of the world."""
        check_known(condition, "body", world.bodies)

    def hold(self, world: World, who: str) -> None:
        """It stays where it is."""
        world.freeze(who)


FROZEN = Frozen()
