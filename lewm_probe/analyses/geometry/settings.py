"""What the suite says about geometry: nothing can be set."""

from __future__ import annotations

from lewm_probe.core.config import Config


class GeometrySettings(Config):
    """Sizes are those of the clean trajectories."""
