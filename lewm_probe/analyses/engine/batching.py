"""Batches that fit: when memory runs out, half as much at once is tried."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import TypeVar

import torch

from lewm_probe.core.errors import UserError
from lewm_probe.models.base import WorldModel

T = TypeVar("T")

SIGNS = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
"""What RuntimeErrors about memory say: of torch's CPU allocator, of devices, and of cuBLAS."""

_fitting: dict[Hashable, int] = {}
"""The batches that were found to fit, so that each is searched for once."""


def in_batches(
    function: Callable[[slice], T], count: int, batch: int, *, doing: str, model: WorldModel
) -> list[T]:
    """What ``function`` gives for successive slices that cover ``count`` items.

    Args:
        function: of a slice; may run out of memory, and is then asked again for less.
        count: items in all; none still asks once, for the empty slice.
        batch: items in a slice, at first. What turned out to fit is kept for later calls that do
            the same with models of this kind.
        doing: what is done, for the message, e.g. ``encoding images``.
        model: who does it.

    Raises:
        UserError: memory runs out even for one item.
    """
    kind = (doing, type(model), replace(model.spec, step=None, train_seed=None))
    size = min(batch, _fitting.get(kind, batch))
    parts: list[T] = []
    start = 0
    while start < count or not parts:
        try:
            parts.append(function(slice(start, min(start + size, count))))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            tried = min(size, count - start)
        else:
            start += size
            continue
        # Here, not above: the error holds on to what was allocated when it was raised.
        _give_back()
        if tried <= 1:
            raise UserError(
                f"Memory ran out while {doing} with a model of {model.spec.image_size} px, even "
                f"one at a time ({batch} and less were tried). Give it a device with more memory "
                "(--device cpu if it was on another), or end what else uses this one."
            )
        size = _fitting[kind] = tried // 2
    return parts


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: torch says so in different ways on different devices."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def _give_back() -> None:
    """Return what torch keeps for later, which may be in too small pieces by now."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
