"""What the suite says about straightness."""

from __future__ import annotations

from pydantic import Field

from lewm_probe.core.config import Config


class StraightnessSettings(Config):
    """Of whole unperturbed trajectories, the suite's clean ones."""

    strides: tuple[int, ...] = (1, 2, 5)
    epsilon: float = Field(1e-6, gt=0)
    """Steps shorter than this, in units of the latents' overall SD, are masked."""
