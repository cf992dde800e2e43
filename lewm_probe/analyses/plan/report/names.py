"""How floors, rules and moments of planning are said, in order of display."""

from __future__ import annotations

from lewm_probe.core.files import safe_name

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


CAME, IMAGINED = "came", "imagined"
"""Rows of a film: what came, and what had been imagined."""


def film_name(
    kind: str, row: str, world: str, model: str, train_seed: int | None, step: int | None
) -> str:
    """The name of a row of pictures of a checkpoint.

    >>> film_name("success", CAME, "two-room", "lewm", 1, None)
    'plan-two-room-success-came-lewm-1-x'
    """
    parts = [
        "plan",
        world,
        kind,
        row,
        model,
        *("x" if n is None else n for n in (train_seed, step)),
    ]
    return safe_name("-".join(map(str, parts)))


def rule(name: str) -> str:
    """A success rule."""
    return RULES.get(name, f"rule {name}")
