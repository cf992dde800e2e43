"""Several processes that train one model together: how many there are, and sums over them.

With one process nothing is sent and every sum is the tensor itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def count() -> int:
    """Processes that train together; 1 where nobody set up a group."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def add_up(tensor: Tensor) -> Tensor:
    """Sum a contiguous tensor over all processes, in place; return it. No gradient flows."""
    if count() > 1:
        distributed.all_reduce(tensor)
    return tensor


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, with gradients: each gets the sum of what all have for it."""
    return _Summed.apply(tensor) if count() > 1 else tensor


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        return add_up(tensor.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return add_up(gradient.clone(memory_format=torch.contiguous_format))
