"""Ways to break an expectation: one file and one line each.

Another package adds one by an entry point of the group ``lewm_probe.conditions``; README.md here
has an example.
"""

from __future__ import annotations

from lewm_probe.analyses.voe.conditions.kind import (
    ConditionKind,
    Impossible,
    Pair,
    Stimulus,
    Strength,
)
from lewm_probe.core.registry import Registry

__all__ = ["CONDITIONS", "ConditionKind", "Impossible", "Pair", "Stimulus", "Strength"]

_HERE = "lewm_probe.analyses.voe.conditions"

CONDITIONS: Registry[ConditionKind] = Registry(
    "lewm_probe.conditions",
    ConditionKind,
    {
        "teleport": f"{_HERE}.teleport:TELEPORT",
        "step_teleport": f"{_HERE}.teleport:STEP_TELEPORT",
        "frozen": f"{_HERE}.freeze:FROZEN",
        "pass_through": f"{_HERE}.pass_through:PASS_THROUGH",
        "fast_forward": f"{_HERE}.fast_forward:FAST_FORWARD",
        "action_swap": f"{_HERE}.action_swap:ACTION_SWAP",
        "color": f"{_HERE}.color:COLOR",
        "background_color": f"{_HERE}.color:BACKGROUND_COLOR",
        "brightness": f"{_HERE}.pixels:BRIGHTNESS",
        "noise": f"{_HERE}.pixels:NOISE",
        "blur": f"{_HERE}.pixels:BLUR",
    },
    what="kind of condition",
)
"""Kinds of conditions by the name that suites give them."""
