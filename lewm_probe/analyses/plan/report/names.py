"""How floors, rules and moments of planning are said, in order of display."""

from __future__ import annotations

RULES = {"released": "released rule", "strict": "strict rule"}

WINDOWS = {"any": "at any step", "end": "at the end"}

FLOORS = (
    "random_policy",
    "do_nothing",
    "copy_action",
    "random_weights",
    "pixel_pca",
    "other_goal",
)
"""Whom a planner has to beat."""

SHARED = (
    "random_policy",
    "do_nothing",
    "copy_action",
    "recorded_actions",
    "pixel_pca",
    "true_state",
)
"""Those that no checkpoint has a part in: one row for all."""

CEILING = "recorded_actions"

ORACLES = ("same_setting", "true_dynamics", "true_state")
"""The planner at a small setting: with the model, with the simulator, with true states too."""


def rule(name: str) -> str:
    """A success rule."""
    return RULES.get(name, f"rule {name}")
