"""Names of the pictures that decoders drew: whoever shows them finds them by the same names."""

from __future__ import annotations

from lewm_probe.core.files import safe_name

FRAMES, ROLLOUT, VIOLATION = "frames", "rollout", "violation"
"""Held-out frames drawn again; rollouts; what was expected at a violation and what came."""

TRUE = "true-"
"""What begins the kind of a strip of true pictures."""

VIOLATED = ("before t₀", "otherwise", "expected", "what came", "its encoding")
"""Pictures of a strip ``violation``, in order."""


def strip_name(
    kind: str, world: str, model: str, train_seed: int | None, step: int | None, case: int = 0
) -> str:
    """The name of a strip: ``kind`` of a checkpoint in a world.

    >>> strip_name(FRAMES, "two-room", "lewm", 1, None)
    'decode-two-room-frames-lewm-1-x-0'
    """
    parts = ["decode", world, kind, model, *("x" if n is None else n for n in (train_seed, step))]
    return safe_name("-".join(map(str, [*parts, case])))
