"""Several processes that train one model together: how many there are, and what they agree on.

With one process nothing is sent, and every sum is the tensor itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed

_APART: list[bool] = []
"""Open ``apart`` blocks."""


def count() -> int:
    """Processes that train together; 1 where nobody set up a group, and inside ``apart``."""
    together = distributed.is_available() and distributed.is_initialized() and not _APART
    return distributed.get_world_size() if together else 1


def own() -> int:
    """Which of them this one is; 0 for the one that writes."""
    return distributed.get_rank() if count() > 1 else 0


@contextmanager
def apart() -> Iterator[None]:
    """In this block each process works for itself, as if it were the only one."""
    _APART.append(True)
    try:
        yield
    finally:
        _APART.pop()


def add_up(tensor: Tensor) -> Tensor:
    """Sum a contiguous tensor over all processes, in place; return it. No gradient flows."""
    if count() > 1:
        distributed.all_reduce(tensor)
    return tensor


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, with gradients: each gets the sum of what all have for it."""
    return _Summed.apply(tensor) if count() > 1 else tensor


def gathered(tensor: Tensor) -> Tensor:
    """What all processes hold, (N, …) each → (processes × N, …), with gradients likewise.

    Item k·processes + r is item k of process r: a batch that was dealt out in turn is whole again.
    """
    return _Gathered.apply(tensor) if count() > 1 else tensor


def anybody(here: bool, device: torch.device | str = "cpu") -> bool:
    """Whether something is so in any of the processes."""
    return here if count() == 1 else bool(add_up(torch.tensor(float(here), device=device)) > 0)


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return add_up(tensor.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return add_up(gradient.clone(memory_format=torch.contiguous_format))


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        tensor = tensor.contiguous()
        parts = [torch.empty_like(tensor) for _ in range(count())]
        distributed.all_gather(parts, tensor)
        return torch.stack(parts, 1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        whole = add_up(gradient.clone(memory_format=torch.contiguous_format))
        return whole[own() :: count()].contiguous()
