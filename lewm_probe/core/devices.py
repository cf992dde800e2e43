"""Which device to compute on, and on how many threads of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lewm_probe.core.errors import UsageError


def resolve_device(name: str) -> str:
    """``cpu``, ``cuda`` or ``mps``; ``auto`` takes the first of cuda, mps, cpu that is here.

    Raises:
        UsageError: the device asked for is not here.
    """
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, available in here.items() if available)
    if not here.get(name, False):
        known = ", ".join(device for device, available in here.items() if available)
        raise UsageError(
            f"There is no device '{name}' here. Available: {known}. Choose one with --device."
        )
    return name


@contextmanager
def one_thread(wanted: bool) -> Iterator[None]:
    """One CPU thread inside the block, if that is asked for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if wanted else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
