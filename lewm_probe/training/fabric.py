"""Devices, precision and processes, by lightning-fabric."""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from lewm_probe.core.devices import resolve_device
from lewm_probe.core.errors import UsageError


class Layout(NamedTuple):
    """How the processes of one training lie, as their launcher says.

    Attributes:
        on_node: processes on this machine.
        nodes: machines.
    """

    on_node: int = 1
    nodes: int = 1


def layout() -> Layout:
    """What torchrun, or Slurm's srun with several tasks, has started; else this process alone."""
    if TorchElasticEnvironment.detect():
        on_node = int(os.environ["LOCAL_WORLD_SIZE"])
        return Layout(on_node, int(os.environ["WORLD_SIZE"]) // on_node)
    if SLURMEnvironment.detect() and "SLURM_STEP_ID" in os.environ:
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        return Layout(max(1, int(os.environ.get("SLURM_NTASKS", "1")) // nodes), nodes)
    return Layout()


def make_fabric(device: str, precision: Literal["auto", "float32", "bf16"]) -> Fabric:
    """A Fabric for this process; ``auto`` precision is bf16 where the accelerator has it.

    Several processes share each batch: gradients are averaged, and whatever the losses and norms
    compute over a batch is computed over all of it (``core.processes.ranks``).

    Raises:
        UsageError: the device asked for is not there, or has no bf16.
    """
    device = resolve_device(device)
    has_bf16 = device == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bf16" and not has_bf16 and device != "cpu":
        raise UsageError(f"Device '{device}' has no bf16. Set precision=float32.")
    use_bf16 = precision == "bf16" or (precision == "auto" and has_bf16)
    plugin: Any = "bf16-mixed" if use_bf16 else "32-true"
    found = layout()
    if found.on_node * found.nodes == 1:
        # In a Slurm job without srun, too, this process is alone, whatever the job's numbers are.
        own = LightningEnvironment()
        return Fabric(accelerator=device, devices=1, precision=plugin, plugins=own)
    fabric = Fabric(
        accelerator=device,
        devices=found.on_node,
        num_nodes=found.nodes,
        precision=plugin,
        # Buffers are the running statistics of norms, which are of the whole batch already.
        strategy=DDPStrategy(broadcast_buffers=False),
    )
    fabric.launch()
    return fabric
