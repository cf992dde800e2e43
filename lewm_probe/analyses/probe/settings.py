"""What the suite says about probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from lewm_probe.analyses.readout.settings import Linear, Mlp
from lewm_probe.core.config import Config


class ProbeSettings(Config):
    """Which quantities are read from the latents, and from how many trajectories."""

    quantities: tuple[str, ...]
    train: int = Field(400, ge=10)
    validation: int = Field(100, ge=5)
    test: int = Field(200, ge=5)
    frames: int = Field(20, ge=4)
    episodes: Literal["fixed", "goal"] = "fixed"
    policy: str = "expert"
    """Who acts, one of the world's policies."""
    linear: Linear = Linear()
    mlp: Mlp = Mlp()
    controls: tuple[str, ...] = ("mean", "time_index", "pixel_pca", "random_weights")
    selectivity_cells: int = Field(10, ge=2)
    """Bins per axis of the random function of discretised state cells."""
    imagined_horizons: tuple[int, ...] = ()
    """On request: probes of latents imagined so many blocks ahead."""
    train_frames: tuple[int, ...] = ()
    """On request: linear R² after so many training frames, e.g. 100 … 20,000."""
    held_out_region: bool = False
    """On request: linear probes tested in a quarter of state space that training never saw."""

    def scaled(self, share: float) -> ProbeSettings:
        """So many times the trajectories, never below what the schema takes as the least."""
        sizes = {
            "train": max(10, round(self.train * share)),
            "validation": max(5, round(self.validation * share)),
            "test": max(5, round(self.test * share)),
        }
        return self.model_copy(update=sizes)


def seen_poses(quantities: Sequence[str]) -> list[str]:
    """Positions and angles that a model could see: what a verdict is asked about.

    Goals are not drawn and serve as controls. Where there is none, the first quantity.

    >>> seen_poses(["agent_position", "agent_velocity", "goal_position"])
    ['agent_position']
    """
    seen = [q for q in quantities if q.endswith(("position", "angle", "yaw"))]
    seen = [q for q in seen if "goal" not in q and "target" not in q]
    return seen or [q for q in quantities if not q.endswith("_change")][:1]
