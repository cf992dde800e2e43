"""Device and precision, by lightning-fabric."""

from __future__ import annotations

from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from lewm_probe.core.devices import resolve_device
from lewm_probe.core.errors import UsageError


def make_fabric(device: str, precision: Literal["auto", "float32", "bf16"]) -> Fabric:
    """A Fabric on one device; ``auto`` precision is bf16 where the accelerator has it.

    One device, because the losses are statistics of the whole batch.

    Raises:
        UsageError: the device asked for is not there, or has no bf16.
    """
    device = resolve_device(device)
    has_bf16 = device == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bf16" and not has_bf16 and device != "cpu":
        raise UsageError(f"Device '{device}' has no bf16. Set precision=float32.")
    use_bf16 = precision == "bf16" or (precision == "auto" and has_bf16)
    plugin: Any = "bf16-mixed" if use_bf16 else "32-true"
    return Fabric(accelerator=device, devices=1, precision=plugin)
