"""What the suite says about planning."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lewm_probe.core.config import Config, Name

FloorName = Literal[
    "random_policy",
    "do_nothing",
    "copy_action",
    "random_weights",
    "pixel_pca",
    "other_goal",
    "recorded_actions",
]


class PlanSettings(Config):
    """Start–goal pairs, the solver, and whom planning is compared with."""

    pairs: int = Field(50, ge=1, le=1000, description="Start-goal pairs of each evaluation seed.")
    """The paper evaluates 50."""
    evaluations: int = Field(3, ge=1, le=20)
    """Evaluation seeds, each with pairs of its own: what the choice of pairs alone moves."""
    steps: int = Field(25, ge=1)
    """Environment steps from start to goal in the recorded episode (paper: 25)."""
    budget: int = Field(50, ge=1)
    """Environment steps that there are to reach it (paper: 50)."""
    horizon: int = Field(5, ge=1, le=100, description="Blocks that a plan reaches ahead.")
    """Of 5 environment steps in the paper: 25 steps."""
    execute: int = Field(5, ge=1)
    """Blocks of a plan that are done before the next; the paper does all of it."""
    history: int | None = Field(
        None, ge=1, description="Frames that a plan begins from (default: all the model takes)."
    )
    """1 as published, though models are trained with 3; real history was worth 12 to 16 points on
    Reacher in public work, and nothing on TwoRoom."""
    solver: Name = Field("cem", description="Who searches, by name.")
    samples: int | None = Field(None, ge=1, description="Plans an iteration.")
    iterations: int | None = Field(None, ge=1, description="Iterations of a plan.")
    elites: int | None = Field(None, ge=2, description="Best samples kept.")
    budgets: tuple[Annotated[str, Field(pattern=r"^[1-9]\d{0,5}x[1-9]\d{0,5}$")], ...] = Field(
        (), description="Also plan with this budget, SAMPLESxITERATIONS; repeatable."
    )
    """Success against budget: the same pairs, with elites in the same proportion."""
    policy: Name = "expert"
    """Who acted in the episodes that pairs are of."""
    floors: tuple[FloorName, ...] = (
        "random_policy",
        "do_nothing",
        "copy_action",
        "random_weights",
        "pixel_pca",
        "other_goal",
        "recorded_actions",
    )
    pairs_file: str | None = Field(None, description="File of pairs; written if it is not there.")
    batch: int = Field(50, ge=1)
    """Pairs planned for at once; no outcome depends on it."""
    monotone: int = Field(64, ge=0)
    """Random plans a pair whose cost is set against the true distance that they lead to."""
    oracle_pairs: int = Field(
        0, ge=0, description="Pairs tried with true dynamics and true state (0: none)."
    )
    oracle_samples: int = Field(32, ge=2)
    """Simulating takes long: the oracles, and the model beside them, plan with so few samples."""
    oracle_iterations: int = Field(3, ge=1)

    @model_validator(mode="after")
    def _within_the_horizon(self) -> Self:
        if self.execute > self.horizon:
            raise ValueError(
                f"execute ({self.execute}) is the part of a plan that is done, and a plan has "
                f"horizon ({self.horizon}) blocks"
            )
        return self

    def scaled(self, share: float) -> PlanSettings:
        """So many times the pairs."""
        return self.model_copy(update={"pairs": max(1, round(self.pairs * share))})
