"""A body goes through what is solid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lewm_probe.analyses.voe.conditions.kind import Condition, FromBlockBefore, check_known
from lewm_probe.results.cards import BEYOND, LEFT_OUT, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class PassThrough(FromBlockBefore):
    """Permeable from the start of block t0 − 1 on, so that frame t0 is the first affected."""

    card = Card(
        "Pass-through of {who}",
        40,
        "violation",
        "Did it notice that the {who} passed through {through}?",
        f"{BEYOND}{LEFT_OUT}",
    )

    def check(self, condition: Condition, world: World) -> None:
        """A body that the world lets through others."""
        check_known(condition, "body that can pass through others", world.permeable)

    def hold(self, world: World, who: str) -> None:
        """It goes through what is solid."""
        world.pass_through(who)


PASS_THROUGH = PassThrough()
