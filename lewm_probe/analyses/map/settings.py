"""What the suite says about maps."""

from __future__ import annotations

from pydantic import Field

from lewm_probe.core.config import Config


class MapSettings(Config):
    """A grid of places of each body, encoded and laid out in two dimensions."""

    grid: int = Field(24, ge=4, le=64, description="Places along the longer side of the grid.")
    """All pairs are compared: 64 × 64 places take 134 MB a matrix of distances."""
    neighbours: int = Field(8, ge=1, description="Nearest places that should stay neighbours.")
    """k of both numbers: inside a square grid, the eight around a place."""
    perplexity: float = Field(30.0, gt=1, description="Perplexity of t-SNE.")
    """scikit-learn's default, and van der Maaten and Hinton's usual range is 5 to 50."""
    bodies: tuple[str, ...] = Field((), description="Body to move over the grid (default: all).")
    """Empty: each body of the world."""
