"""The demo: the smallest study, LeWM and PLDM with one seed each. Eight minutes on two cores."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.search.request import Asked, Study, make_study
from lewm_probe.training.recipe import load_recipe

RECIPES = {"lewm": "two-room/lewm-cpu", "pldm": "two-room/pldm-cpu"}

OVERRIDES = (
    "data.collect.episodes=300",
    "optimizer.steps_per_epoch=100",
)
"""All that the demo changes in the CPU recipes, so that training takes about two minutes."""

TRAJECTORIES = 100
"""Trajectories a condition, half the suite's."""


def demo_study(folder: Path, seed: int | None = None) -> Study:
    """The demo in ``folder``; ``seed`` replaces the recipes' training seed."""
    first = next(iter(RECIPES.values()))
    asked = Asked(
        world="two-room",
        recipes=RECIPES,
        seeds=(load_recipe(first).seed if seed is None else seed,),
        set=OVERRIDES,
        trajectories=TRAJECTORIES,
    )
    return make_study(asked, folder, title="Demo")
