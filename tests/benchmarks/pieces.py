"""What ``make bench`` measures: the pieces that training and audits spend their time in.

A piece has two ways of doing the same, the plain one (``plain/``) and ours, made afresh in each
process, so that memory can be measured of either alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.data.formats.hdf5 import episodes
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.data.sampling.chunk_order import ChunkReader
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.families.lewm import LEWM, LeWMObjectiveConfig
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.jepa import JEPA
from lewm_probe.training.optimizer import make_optimizer
from lewm_probe.training.sigreg import fused, sigreg, unit_directions
from tests.benchmarks.plain import model as plain
from tests.benchmarks.plain.sigreg import sigreg as plain_sigreg
from tests.benchmarks.window_reads import (
    BATCH,
    CHUNK,
    EPISODES,
    FRAME_SKIP,
    FRAMES,
    SIZE,
    Plain,
    batches,
    write_released,
)

Work = Callable[[], object]
Make = Callable[[torch.device], Work]


@dataclass(frozen=True)
class Piece:
    """One row of the table.

    Attributes:
        name: of it, for readers.
        goal: how many times faster ours is meant to be on a CPU; None where it is for GPUs alone.
        unit: what is counted a second.
        counts: how many of them a call of the plain way does, and one of ours.
        plain, ours: make the work of either way, on a device.
        gpu_goal: the same on a GPU; None where it is not measured there.
        flops: whether the share of the matrix-product peak says something.
    """

    name: str
    goal: float | None
    unit: str
    counts: tuple[float, float]
    plain: Make
    ours: Make
    gpu_goal: float | None = None
    flops: bool = False

    def goal_on(self, device: torch.device) -> float | None:
        """How many times faster ours is meant to be there."""
        return self.goal if device.type == "cpu" else self.gpu_goal


STATISTICS = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))

TINY = ModelConfig()
"""The released configuration: ViT-tiny at 224 px."""

CPU = ModelConfig(
    image_size=64,
    latent_width=128,
    projector_hidden=256,
    encoder=EncoderConfig(name="cnn"),
    predictor=PredictorConfig(layers=2, heads=4, head_width=16, mlp_width=256),
)
"""That of two-room/lewm-cpu."""


def _reduced(device: torch.device) -> torch.autocast:
    """As models are trained there: bf16 on a GPU (the released recipes), float32 on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _regulariser(
    width: int, count: int, function: Callable[..., torch.Tensor], device: torch.device
) -> Work:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(128, 4, width, generator=generator).to(device).requires_grad_()
    directions = unit_directions(width, count, generator, str(device))

    def once() -> None:
        latents.grad = None
        function(latents, directions).backward()

    return once


def _compiled(latents: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    value, slopes = fused.statistic(latents.detach(), directions, 17, 3.0, gradient=True)
    assert slopes is not None
    latents.grad = slopes
    return value.requires_grad_()


def _batch(
    config: ModelConfig, windows: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (windows, 4, config.image_size, config.image_size, 3)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    actions = torch.randn(windows, 4, config.action_width, generator=generator)
    return pixels.to(device), actions.to(device)


def _plain_step(config: ModelConfig, windows: int, count: int, device: torch.device) -> Work:
    model = JEPA(config, STATISTICS, train_seed=0).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=1e-3)
    pixels, actions = _batch(config, windows, device)
    generator = torch.Generator().manual_seed(0)

    def once() -> float:
        directions = unit_directions(config.latent_width, count, generator, str(device))
        with _reduced(device):
            loss = plain.loss(model, pixels, actions, directions)
        return plain.optimise(model, optimizer, loss)

    return once


def _our_step(config: ModelConfig, windows: int, count: int, device: torch.device) -> Work:
    model = JEPA(config, STATISTICS, train_seed=0)
    trainee = LEWM.trainee(model, LeWMObjectiveConfig(directions=count)).to(device).train()
    optimizer = make_optimizer(trainee, weight_decay=1e-3)
    optimizer.param_groups[0]["lr"] = 5e-5
    pixels, actions = _batch(config, windows, device)
    generator = torch.Generator().manual_seed(0)

    def once() -> float:
        with _reduced(device):
            terms, _ = trainee({"pixels": pixels, "action": actions}, generator)
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return terms["loss"].item()

    return once


def _plain_encoding(device: torch.device) -> Work:
    model = JEPA(TINY, STATISTICS, train_seed=0).to(device).eval()
    pixels = _batch(TINY, 4, device)[0].flatten(0, 1)
    return torch.no_grad()(lambda: plain.encode(model, pixels))


def _our_encoding(device: torch.device) -> Work:
    model = JEPA(TINY, STATISTICS, train_seed=0).to(device).eval()
    pixels = _batch(TINY, 4, device)[0]
    return lambda: model.encode(pixels)


def _audit_encoding(device: torch.device) -> Work:
    """What an audit does with images of trajectories, nothing remembered."""
    model = JEPA(TINY, STATISTICS, train_seed=0).to(device).eval()
    pixels = _batch(TINY, 4, torch.device("cpu"))[0].numpy()
    return lambda: LatentCache().encode(model, pixels)


def _released() -> Path:
    path = Path(tempfile.mkdtemp()) / "released.h5"
    write_released(path)
    return path


def _plain_windows(device: torch.device) -> Work:
    # Real files have thousands of chunks, so that two windows hardly ever share one that is still
    # held: here, windows one by one and a cache of one chunk of the twenty.
    episodes._CHUNK_CACHE_BYTES = 2**24
    reader = Plain(open_episodes(_released()).__enter__())
    order = batches(reader, 1, in_order=False)
    return lambda: reader.batch(next(order))


def _our_windows(device: torch.device) -> Work:
    data = open_episodes(_released()).__enter__()
    ordered = Windows(data, range(EPISODES), FRAMES, FRAME_SKIP, memory_limit=0)
    # Most chunks are decoded anew every epoch.
    ordered._images = ChunkReader(data, 12 * CHUNK * SIZE * SIZE * 3)
    order = batches(ordered, BATCH, in_order=True)

    def once() -> list[dict[str, np.ndarray]]:
        return [ordered.batch(next(order)) for _ in range(8)]

    return once


def _sigreg_piece(
    name: str, width: int, count: int, function: Callable[..., torch.Tensor], **goals: float | None
) -> Piece:
    def plainly(device: torch.device) -> Work:
        return _regulariser(width, count, plain_sigreg, device)

    def ours(device: torch.device) -> Work:
        return _regulariser(width, count, function, device)

    return Piece(name, unit="calls", counts=(1, 1), plain=plainly, ours=ours, **goals)


def _step_piece(
    name: str, config: ModelConfig, windows: int, count: int, **goals: float | None
) -> Piece:
    def plainly(device: torch.device) -> Work:
        return _plain_step(config, windows, count, device)

    def ours(device: torch.device) -> Work:
        return _our_step(config, windows, count, device)

    counts = (4.0 * windows, 4.0 * windows)
    return Piece(name, unit="frames", counts=counts, plain=plainly, ours=ours, flops=True, **goals)


PIECES: dict[str, Piece] = {
    "sigreg": _sigreg_piece(
        *("SIGReg forward and backward, (4, 128, 192), M 1024, 17 knots", 192, 1024, sigreg),
        goal=15.0,
        gpu_goal=40.0,
    ),
    "sigreg-compiled": _sigreg_piece(
        *("the same by the kernels that GPUs get, compiled for this CPU", 192, 1024, _compiled),
        goal=40.0,
    ),
    "sigreg-cpu": _sigreg_piece(
        *("SIGReg at the CPU recipes' size, D 128, M 256", 128, 256, sigreg), goal=9.0
    ),
    "step": _step_piece(
        *("LeWM training step, 4 × 4 frames of 224 px, ViT-tiny", TINY, 4, 1024), goal=1.3
    ),
    "step-paper": _step_piece(
        *("LeWM training step, 128 × 4 frames of 224 px, ViT-tiny", TINY, 128, 1024),
        goal=None,
        gpu_goal=3.0,
    ),
    "step-cpu": _step_piece(
        *("training step of the CPU recipes, 128 × 4 frames of 64 px, CNN", CPU, 128, 256),
        goal=1.15,
    ),
    "encode": Piece(
        "encode 224 px frames, ViT-tiny",
        1.35,
        "frames",
        (16, 16),
        _plain_encoding,
        _our_encoding,
        gpu_goal=1.35,
        flops=True,
    ),
    "pipeline": Piece(
        "the audit's pipeline around that encoder, against the bare encoder",
        0.9,
        "frames",
        (16, 16),
        _our_encoding,
        _audit_encoding,
        gpu_goal=0.9,
        flops=True,
    ),
    "windows": Piece(
        "random 4-frame windows of 100-frame Blosc chunks",
        5.0,
        "windows",
        (1, 8 * BATCH),
        _plain_windows,
        _our_windows,
    ),
}
"""By the name that ``--pieces`` takes."""
