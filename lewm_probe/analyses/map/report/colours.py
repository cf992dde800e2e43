"""A colour for each place of a plane: neighbours alike, and no two regions the same.

Four corners, mixed. One pair of opposite sides goes from blue to orange, which the colour-blind
tell apart, the other from dark to light.
"""

from __future__ import annotations

import numpy as np

CORNERS = np.array(
    [
        [[0.03, 0.19, 0.42], [0.55, 0.13, 0.03]],  # y smallest: dark blue, dark red
        [[0.40, 0.78, 0.95], [0.98, 0.80, 0.33]],  # y greatest: light blue, light orange
    ]
)
"""Red, green and blue, 0–1, at [y][x]."""


def colours(places: np.ndarray) -> np.ndarray:
    """Places (N, 2) → red, green and blue, 0–1, (N, 3); the plane is their bounding box."""
    low, high = places.min(axis=0), places.max(axis=0)
    across, down = ((places - low) / np.where(high > low, high - low, 1)).T[..., None]  # (N, 1)
    first, second = CORNERS[:, 0], CORNERS[:, 1]
    top = first[0] * (1 - across) + second[0] * across
    bottom = first[1] * (1 - across) + second[1] * across
    mixed: np.ndarray = top * (1 - down) + bottom * down
    return mixed
