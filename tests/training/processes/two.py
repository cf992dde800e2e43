"""What one of two processes computes of its half of a batch: run by ``torchrun``.

    torchrun --nproc-per-node 2 -m tests.training.processes.two FOLDER

Each writes ``FOLDER/RANK.pt``: losses, gradients and running statistics of every case.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from lewm_probe.core.processes import ranks
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.lewm import LeWMObjectiveConfig
from lewm_probe.families.pldm import PLDMObjectiveConfig
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.models.nn.batch_norm import BatchNorm1d, BatchNorm2d
from lewm_probe.training.sigreg import sigreg, unit_directions

BATCH = 128

Found = dict[str, Tensor]


def trainee(family: str) -> nn.Module:
    """A small model without dropout."""
    config = ModelConfig(
        image_size=32,
        latent_width=16,
        projector_hidden=24,
        encoder=EncoderConfig(name="cnn", channels=(8, 8), width=16),
        predictor=PredictorConfig(layers=1, heads=2, head_width=8, mlp_width=16, dropout=0.0),
    )
    statistics = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))
    objectives = {
        "lewm": LeWMObjectiveConfig(directions=64),
        "pldm": PLDMObjectiveConfig(
            name="pldm", temporal_covariance_weight=0.5, inverse_dynamics_weight=0.5
        ),
    }
    torch.manual_seed(0)
    origin = Origin(family=family, world="two-room", seed=0)
    chosen = FAMILIES.get(family)
    return chosen.trainee(chosen.build(config, statistics, origin), objectives[family])


def of_training(family: str) -> Callable[[], Found]:
    """Loss, gradients and running statistics after one batch, this process' share of it."""

    def found() -> Found:
        module = trainee(family).train()
        generator = torch.Generator().manual_seed(1)
        batch = {
            "pixels": torch.randint(0, 256, (BATCH, 4, 32, 32, 3), generator=generator).byte(),
            "action": torch.randn(BATCH, 4, 10, generator=generator),
        }
        share = {name: values[ranks.own() :: ranks.count()] for name, values in batch.items()}
        terms, _ = module(share, torch.Generator().manual_seed(2))
        terms["loss"].backward()
        averaged = {  # as data-parallel training does it
            f"gradient {name}": ranks.add_up(p.grad.clone()) / ranks.count()
            for name, p in module.named_parameters()
            if p.grad is not None
        }
        losses = {k: ranks.add_up(v.detach().clone()) / ranks.count() for k, v in terms.items()}
        buffers = {f"buffer {k}": v.clone() for k, v in module.named_buffers()}
        return {**losses, **averaged, **buffers}

    return found


def of_sigreg() -> Found:
    """The value and the gradient of its own share of the latents."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(BATCH, 4, 32, generator=generator)
    directions = unit_directions(32, 300, generator)
    share = latents[ranks.own() :: ranks.count()].clone().requires_grad_()
    value = sigreg(share, directions)
    value.backward()
    assert share.grad is not None
    return {"value": value.detach(), "gradient": ranks.gathered(share.grad) / ranks.count()}


def of_norm(norm: nn.Module, shape: tuple[int, ...]) -> Callable[[], Found]:
    """Output, gradients and running statistics of a norm, in float64, after two batches."""

    def found() -> Found:
        generator = torch.Generator().manual_seed(4)
        module = copy.deepcopy(norm).train()
        outs, slopes = [], []
        for _ in range(2):
            values = 2 + 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
            upstream = torch.randn(shape, generator=generator, dtype=torch.float64)
            share = values[ranks.own() :: ranks.count()].clone().requires_grad_()
            out = module(share)
            (out * upstream[ranks.own() :: ranks.count()]).sum().backward()
            assert share.grad is not None
            outs.append(ranks.gathered(out.detach()))
            slopes.append(ranks.gathered(share.grad))
        summed = {
            f"gradient {name}": ranks.add_up(p.grad.clone())
            for name, p in module.named_parameters()
            if p.grad is not None
        }
        buffers = {f"buffer {k}": v.double() for k, v in module.named_buffers()}
        return {"outs": torch.stack(outs), "slopes": torch.stack(slopes), **summed, **buffers}

    return found


CASES: dict[str, Callable[[], Found]] = {
    "sigreg": of_sigreg,
    "lewm": of_training("lewm"),
    "pldm": of_training("pldm"),
    "BatchNorm1d": of_norm(BatchNorm1d(5).double(), (BATCH, 5)),
    "BatchNorm2d": of_norm(BatchNorm2d(3, momentum=None).double(), (BATCH, 3, 4, 6)),
}


def main() -> None:
    """All cases in this process."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    found = {name: case() for name, case in CASES.items()}
    with ranks.apart():
        found["apart"] = of_sigreg()
    torch.save(found, Path(sys.argv[1]) / f"{distributed.get_rank()}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
