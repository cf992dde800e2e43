"""Batch norms whose statistics are of the batch of all processes that train together.

torch's SyncBatchNorm does this for GPUs alone. With one process, and outside of training, these are
torch's own layers, bit for bit.
"""

from __future__ import annotations

from torch import Tensor, nn

from lewm_probe.core.processes import ranks


class BatchNorm1d(nn.BatchNorm1d):
    """(N, C) → (N, C)."""

    def forward(self, input: Tensor) -> Tensor:
        """In training with several processes, of all N."""
        return _normalised(self, input) if _together(self) else super().forward(input)


class BatchNorm2d(nn.BatchNorm2d):
    """(N, C, H, W) → (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """In training with several processes, of all N."""
        return _normalised(self, input) if _together(self) else super().forward(input)


def _together(norm: nn.Module) -> bool:
    return norm.training and ranks.count() > 1


def _normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor) -> Tensor:
    """As torch's batch norm in training: biased variance here, unbiased in the running one."""
    own = [dim for dim in range(x.dim()) if dim != 1]
    count = ranks.count() * x.numel() // x.shape[1]
    values = x.float() if x.dtype.itemsize < 4 else x  # autocast

    def over_channels(per_channel: Tensor) -> Tensor:
        return per_channel.view(1, -1, *[1] * (x.dim() - 2))

    mean = ranks.summed(values.sum(own)) / count
    centred = values - over_channels(mean)
    variance = ranks.summed(centred.square().sum(own)) / count
    _remember(norm, mean.detach(), variance.detach() * (count / (count - 1)))
    out = centred * over_channels((variance + norm.eps).rsqrt())
    if norm.affine:
        out = out * over_channels(norm.weight) + over_channels(norm.bias)
    return out.to(x.dtype)


def _remember(norm: nn.BatchNorm1d | nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    counted, running = norm.num_batches_tracked, (norm.running_mean, norm.running_var)
    if counted is None:
        return
    counted += 1
    share = 1 / float(counted) if norm.momentum is None else norm.momentum
    for kept, found in zip(running, (mean, variance), strict=True):
        if kept is not None:
            kept.lerp_(found.to(kept.dtype), share)
