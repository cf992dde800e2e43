"""The suite for a data set without a simulator: what recorded episodes can be asked.

Sizes are the protocol's 400 / 100 / 200 probe trajectories and 200 + 200 for surprise, or as many
as the episodes allow in those proportions; one episode gives one trajectory. Conditions are the
ones that need no simulator, with the amounts of ``analyses/two-room.yaml``.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.core.config import parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.recorded import LEAST, RecordedWorld
from lewm_probe.worlds import make_world

MOST: dict[str, int] = {
    "probe-train": 400,
    "probe-validation": 100,
    "probe-test": 200,
    "voe": 200,
    "disjoint": 200,
}
"""Trajectories for each purpose when there are enough episodes: the defaults of ``suite``."""
FRAMES = (10, 20)
"""Fewest and most frames of a trajectory: 10 are the 3H + 1 that surprise with H = 3 needs."""
MOST_EPISODES = 0.8
"""Share of the episodes that the length of trajectories is chosen for."""

CONDITIONS: tuple[dict[str, object], ...] = (
    {"name": "action_swap", "kind": "action_swap", "expected": "action"},
    {"name": "brightness", "kind": "brightness", "amount": 0.7, "expected": "appearance"},
    {"name": "pixel_noise", "kind": "noise", "amount": 10.0, "expected": "appearance"},
    {"name": "blur", "kind": "blur", "amount": 4.0, "expected": "appearance"},
)
"""Those that need no simulator."""


def recorded_suite(world_name: str, seed: int = 7) -> Suite:
    """A suite for a world that ``register_recorded`` named.

    Raises:
        UsageError: no such world, or a simulated one.
        UserError: too few episodes are long enough.
    """
    world = make_world(world_name)
    if not isinstance(world, RecordedWorld):
        raise UsageError(
            f"{world_name} is a simulated world, which has a suite of its own: --suite "
            f"{world_name}. This one is for recorded data sets (register_recorded)."
        )
    recording = world.recording
    possible = (recording.data.lengths[recording.episodes] - 1) // world.frame_skip
    usual = int(np.quantile(possible, 1 - MOST_EPISODES, method="lower"))
    frames = int(np.clip(usual, *FRAMES))
    steps = frames * world.frame_skip
    sizes = {p: min(len(recording.dealt(p, seed, steps)), MOST[p]) for p in LEAST}
    if any(sizes[purpose] < least for purpose, least in LEAST.items()):
        found = ", ".join(f"{count} of {LEAST[p]} for {p}" for p, count in sizes.items())
        raise UserError(
            f"{recording.data.path} has too few episodes for an audit: at least "
            f"{sum(LEAST.values())} of {steps + 1} rows or more with finite actions ({frames} "
            f"frames at frame-skip {world.frame_skip}) are needed, and after dealing its "
            f"{len(recording.episodes)} there are {found}. Give more or longer episodes, or a "
            "smaller frame-skip."
        )
    asked = {
        "world": world_name,
        "seed": seed,
        "probe": {
            "quantities": list(world.quantities),
            "train": sizes["probe-train"],
            "validation": sizes["probe-validation"],
            "test": sizes["probe-test"],
            "frames": frames,
            "policy": "recorded",
        },
        "voe": {
            "trajectories": sizes["voe"],
            "disjoint": sizes["disjoint"],
            "frames": frames,
            "policy": "recorded",
            "conditions": CONDITIONS,
        },
        "statistics": {"confirmatory": ["action_swap"]},
    }
    return parse(asked, Suite, f"the suite of {world_name}")
