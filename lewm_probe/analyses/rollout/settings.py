"""What the suite says about rollouts."""

from __future__ import annotations

from lewm_probe.core.config import Config


class RolloutSettings(Config):
    """Imagined against encoded latents."""

    horizons: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10)
