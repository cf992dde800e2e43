"""What a stored state of Push-T must be like before pymunk, which trusts all, is given it."""

from __future__ import annotations

import numpy as np

from lewm_probe.worlds.base import Snapshot
from lewm_probe.worlds.push_t.shapes import SIZE

SHAPES = 7
"""Four walls, the disc and the two parts of the T, by which contacts are named."""

MOST_CONTACTS = 64
"""Pairs of shapes that can touch are 21; more are no state."""

_LAYOUT: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "agent": ("f", (19,)),
    "block": ("f", (19,)),
    "contacts": ("f", (None, 6)),
    "lines": ("f", (None, 2, 2, 2)),
    "hashes": ("u", (None, 3)),
    "frozen": ("b", (2,)),
    "ghost": ("b", ()),
    "goal": ("f", (7,)),
    "colors": ("u", (None, 3)),
}
"""Kind of numbers and shape; None: any length."""


def fault(snapshot: Snapshot) -> str | None:
    """What is wrong with a state of Push-T; None where nothing is."""
    for name, (kind, shape) in _LAYOUT.items():
        values = snapshot[name]
        fits = values.ndim == len(shape) and all(
            want in (None, got) for want, got in zip(shape, values.shape, strict=True)
        )
        if not fits or values.dtype.kind != kind:
            return f"its '{name}' is {values.dtype} of the shape {values.shape}"
        if kind == "f" and not np.isfinite(values).all():
            return f"its '{name}' is not finite"
    contacts, hashes = snapshot["contacts"], snapshot["hashes"]
    if not len(contacts) == len(snapshot["lines"]) == len(hashes) <= MOST_CONTACTS:
        return f"it has {len(contacts)} contacts with {len(hashes)} numbers of points"
    named = contacts[:, :2]
    if ((named < 0) | (named >= SHAPES) | (named != named.round())).any():
        return f"its contacts name shapes beyond the {SHAPES} there are"
    if (hashes[:, 0] > 2).any():
        return "its contacts have more than two points"
    places = {"agent": snapshot["agent"][:2], "block": snapshot["block"][13:15]}
    for who, place in places.items():
        if (place < 0).any() or (place > SIZE).any():
            x, y = place
            return f"its {who} is at ({x:g}, {y:g}), beyond the arena of {SIZE:g} units"
    return None
