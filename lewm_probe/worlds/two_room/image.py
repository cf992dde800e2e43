"""Images of two-room: six separable layers, averaged over pixel areas, in exact arithmetic.

With α the agent's dot and F = 1 on the floor, 0 on border lines and wall, the 224 px image is

    (1 − α) · (wall + (floor − wall) · F) + α · agent

a Gaussian dot (SD 7 px, 1 at its brightest pixel) blended over white rooms with black lines, cut
down to whole grey levels, as published. F is a sum of two products of a row and a column profile
(the rooms and the doorway) and α is one product, so the image is a sum of six such products. A
smaller image is the area average of the same expression: averaging each profile by itself is
exact, and nothing is ever drawn at 224 px first.

Profiles are rounded to multiples of 2⁻²⁰. All products and sums below are then exact in float64,
so the bytes depend neither on batch size nor on threads nor on the order of a BLAS's additions.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lewm_probe.worlds.two_room.floor import (
    DOOR_CENTRE,
    DOOR_HALF,
    IMAGE,
    WALL_LEFT,
    WALL_RIGHT,
)

DOT_SD = 7.0
_LINES = (10, 11, 12, 13, 210, 211, 212, 213)
"""Rows and columns of the border lines."""
_STEP = 2.0**-20
_CUT = 2.0**-9
"""Levels added before cutting down: more than the rounding of profiles can take away (about
5 · 10⁻⁴), so that a flat 255 stays 255."""
_CHUNK = 500_000
"""Values drawn at once: float64, within a core's cache."""
_PRODUCT = 250_000
"""Multiplications in one matrix product: OpenBLAS starts threads above 262,144, which for products
this small cost more than they bring, and collecting has a process on every core already."""


def draw(positions: np.ndarray, colors: np.ndarray, size: int) -> np.ndarray:
    """Images of the agent at given places.

    Args:
        positions: agent x and y in px of the 224 px image, (N, 2).
        colors: red, green, blue of agent, floor and wall, whole numbers 0–255, (N, 3, 3).
        size: height and width of the images, 1 to 224.

    Returns:
        uint8 (N, size, size, 3).
    """
    positions = np.asarray(positions, np.float64)
    colors = np.asarray(colors, np.float64)
    images = np.empty((len(positions), size, size * 3), np.uint8)
    chunk = max(1, _CHUNK // (size * size * 3))
    block = _PRODUCT // (6 * size * 3)
    for first in range(0, len(positions), chunk):
        part = slice(first, first + chunk)
        dot = _dot(positions[part])  # (N, 2, 224)
        agent, floor, wall = colors[part].transpose(1, 0, 2)  # each (N, 3)
        weights = np.stack(
            [wall + _CUT, floor - wall, floor - wall, agent - wall, wall - floor, wall - floor], 1
        )  # (N, 6, 3)
        across = _layers(dot[:, 0], _ACROSS, size)  # (N, 6, W)
        down = _layers(dot[:, 1], _DOWN, size).transpose(0, 2, 1)  # (N, H, 6)
        painted = (across[..., None] * weights[:, :, None]).reshape(len(dot), 6, size * 3)
        for row in range(0, size, block):
            rows = slice(row, row + block)
            images[part, rows] = down[:, rows] @ painted  # (N, H, W·C)
    return images.reshape(len(positions), size, size, 3)


def _dot(positions: np.ndarray) -> np.ndarray:
    """Column and row profile of α, (N, 2) → (N, 2, 224), each 1 at the pixel nearest to it."""
    away = np.arange(IMAGE) - positions[..., None]
    nearest = np.abs(away).min(-1, keepdims=True)
    return _rounded(np.exp((nearest**2 - away**2) / (2 * DOT_SD**2)))


def _layers(dot: np.ndarray, profiles: np.ndarray, size: int) -> np.ndarray:
    """Profiles of the six layers: the three of an empty image and the same three under α.

    ``dot`` (N, 224) and ``profiles`` (3, 224) → (N, 6, size).
    """
    layers = np.empty((len(dot), 6, size))
    layers[:, :3] = _averaged(profiles, size)
    layers[:, 3:] = _averaged(dot[:, None] * profiles, size)
    return layers


def _averaged(profiles: np.ndarray, size: int) -> np.ndarray:
    """Means over the pixels of a smaller image, (…, 224) → (…, size), by a running sum."""
    if size == IMAGE:
        return profiles
    pixel, share = _edges(size)
    total = np.zeros((*profiles.shape[:-1], IMAGE + 1))
    np.cumsum(profiles, -1, out=total[..., 1:])
    # Up to an edge: the whole native pixels before it, and a share of the one that it cuts. In
    # units of 1 / size both are whole multiples of the profiles' step, hence exact.
    cut = np.minimum(pixel, IMAGE - 1)
    up_to = size * total[..., pixel] + share * profiles[..., cut]
    return _rounded(np.diff(up_to) / IMAGE)


@lru_cache(maxsize=8)
def _edges(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the edges of a smaller image's pixels cut native ones: which, and after how much.

    Both (size + 1,); the share is in units of 1 / size of a native pixel.
    """
    return np.divmod(np.arange(size + 1) * IMAGE, size)


def _lines_and_wall() -> tuple[np.ndarray, np.ndarray]:
    """The profiles whose products are F and its surroundings: everywhere, rooms, doorway.

    Across and down, each (3, 224).
    """
    native = np.arange(IMAGE)
    line = np.isin(native, _LINES)
    wall = (native >= WALL_LEFT) & (native <= WALL_RIGHT)
    door = np.abs(native - DOOR_CENTRE) <= DOOR_HALF
    everywhere = np.ones(IMAGE, bool)
    across = np.stack([everywhere, ~line & ~wall, wall]).astype(np.float64)
    down = np.stack([everywhere, ~line, ~line & door]).astype(np.float64)
    return across, down


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.rint(values / _STEP) * _STEP


_ACROSS, _DOWN = _lines_and_wall()
