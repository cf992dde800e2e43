"""One seed in, independent named random streams out.

A stream is a function of the seed and of what it is for, never of how many numbers were drawn
before: the same episode gets the same numbers whichever worker draws them, and a resumed run
draws what the uninterrupted one would have drawn.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *purpose: str | int) -> np.random.Generator:
    """A numpy generator for one purpose, e.g. ``stream(seed, "episode", 17)``."""
    return np.random.default_rng(np.random.SeedSequence(_words(seed, *purpose)))


def torch_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for ``torch.Generator.manual_seed``, independent for each purpose."""
    low, high = _words(seed, *purpose)[:2]
    return (high << 32 | low) & (2**63 - 1)


def _words(seed: int, *purpose: str | int) -> list[int]:
    text = "/".join([str(int(seed)), *(f"{type(p).__name__}:{p}" for p in purpose)])
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4").tolist()
