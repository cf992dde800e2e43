"""True images with another trajectory's actions: does the model use its actions?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lewm_probe.analyses.voe.conditions.kind import Condition, NoSettings, Pair, Stimulus
from lewm_probe.results.cards import BEYOND, Card

if TYPE_CHECKING:
    from lewm_probe.worlds.base import World


class ActionSwap:
    """From block t0 − 1 on, the one that leads to frame t0, the blocks are another trajectory's."""

    card = Card(
        "Swapped actions of {who}",
        60,
        "action",
        "Does it use the actions?",
        "Surprise at recorded images rises when they come with another trajectory’s actions. "
        f"{BEYOND}",
    )
    settings = NoSettings
    alternative: Literal["greater", "two-sided"] = "two-sided"
    needs_event = False

    def check(self, condition: Condition, world: World) -> None:
        """Every world has actions."""

    def apply(
        self, condition: Condition, world: World, pair: Pair, rng: np.random.Generator
    ) -> Stimulus:
        """The images stay."""
        return Stimulus(actions=swapped(pair.actions, pair.other_actions, pair.t0))


def swapped(actions: np.ndarray, others: np.ndarray, t0: int) -> np.ndarray:
    """Blocks (T, A) with another trajectory's from block t0 − 1 on."""
    late = np.arange(len(actions)) >= t0 - 1
    return np.where(late[:, None], others, actions)


ACTION_SWAP = ActionSwap()
