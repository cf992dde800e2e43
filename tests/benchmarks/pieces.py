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


@dataclass(frozen=True)
class Piece:
    """One row of the table.

    Attributes:
        name: of it, for readers.
        goal: how many times faster ours is meant to be.
        unit: what is counted a second, and how many a call does.
        plain, ours: make the work of either way.
        flops: whether the share of the matrix-product peak says something.
    """

    name: str
    goal: float
    unit: tuple[str, float]
    plain: Callable[[], Work]
    ours: Callable[[], Work]
    flops: bool = False


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


def _regulariser(width: int, count: int, function: Callable[..., torch.Tensor]) -> Work:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(128, 4, width, generator=generator, requires_grad=True)
    directions = unit_directions(width, count, generator)

    def once() -> None:
        latents.grad = None
        function(latents, directions).backward()

    return once


def _compiled(latents: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    value, slopes = fused.statistic(latents.detach(), directions, 17, 3.0, gradient=True)
    assert slopes is not None
    latents.grad = slopes
    return value.requires_grad_()


def _batch(config: ModelConfig, windows: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (windows, 4, config.image_size, config.image_size, 3)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return pixels, torch.randn(windows, 4, config.action_width, generator=generator)


def _plain_step(config: ModelConfig, windows: int, count: int) -> Work:
    model = JEPA(config, STATISTICS, train_seed=0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=1e-3)
    pixels, actions = _batch(config, windows)
    generator = torch.Generator().manual_seed(0)

    def once() -> float:
        directions = unit_directions(config.latent_width, count, generator)
        return plain.train_step(model, optimizer, pixels, actions, directions)

    return once


def _our_step(config: ModelConfig, windows: int, count: int) -> Work:
    trainee = LEWM.trainee(
        JEPA(config, STATISTICS, train_seed=0), LeWMObjectiveConfig(directions=count)
    ).train()
    optimizer = make_optimizer(trainee, weight_decay=1e-3)
    optimizer.param_groups[0]["lr"] = 5e-5
    pixels, actions = _batch(config, windows)
    generator = torch.Generator().manual_seed(0)

    def once() -> float:
        terms, _ = trainee({"pixels": pixels, "action": actions}, generator)
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return terms["loss"].item()

    return once


def _plain_encoding() -> Work:
    model = JEPA(TINY, STATISTICS, train_seed=0).eval()
    pixels = _batch(TINY, 4)[0].flatten(0, 1)
    return torch.no_grad()(lambda: plain.encode(model, pixels))


def _our_encoding() -> Work:
    model = JEPA(TINY, STATISTICS, train_seed=0).eval()
    pixels = _batch(TINY, 4)[0]
    return lambda: model.encode(pixels)


def _released() -> Path:
    path = Path(tempfile.mkdtemp()) / "released.h5"
    write_released(path)
    return path


def _plain_windows() -> Work:
    # Real files have thousands of chunks, so that two windows hardly ever share one that is still
    # held: here, windows one by one and a cache of one chunk of the twenty.
    episodes._CHUNK_CACHE_BYTES = 2**24
    reader = Plain(open_episodes(_released()).__enter__())
    order = batches(reader, 1, in_order=False)
    return lambda: reader.batch(next(order))


def _our_windows() -> Work:
    data = open_episodes(_released()).__enter__()
    ordered = Windows(data, range(EPISODES), FRAMES, FRAME_SKIP, memory_limit=0)
    # Most chunks are decoded anew every epoch.
    ordered._images = ChunkReader(data, 12 * CHUNK * SIZE * SIZE * 3)
    order = batches(ordered, BATCH, in_order=True)

    def once() -> list[dict[str, np.ndarray]]:
        return [ordered.batch(next(order)) for _ in range(8)]

    return once


PIECES: dict[str, Piece] = {
    "sigreg": Piece(
        "SIGReg forward and backward, (4, 128, 192), M 1024, 17 knots",
        15.0,
        ("calls", 1),
        lambda: _regulariser(192, 1024, plain_sigreg),
        lambda: _regulariser(192, 1024, sigreg),
    ),
    "sigreg-compiled": Piece(
        "the same by the kernels that GPUs get, compiled for this CPU",
        40.0,
        ("calls", 1),
        lambda: _regulariser(192, 1024, plain_sigreg),
        lambda: _regulariser(192, 1024, _compiled),
    ),
    "sigreg-cpu": Piece(
        "SIGReg at the CPU recipes' size, D 128, M 256",
        9.0,
        ("calls", 1),
        lambda: _regulariser(128, 256, plain_sigreg),
        lambda: _regulariser(128, 256, sigreg),
    ),
    "step": Piece(
        "LeWM training step, 4 × 4 frames of 224 px, ViT-tiny",
        1.3,
        ("frames", 16),
        lambda: _plain_step(TINY, 4, 1024),
        lambda: _our_step(TINY, 4, 1024),
        flops=True,
    ),
    "step-cpu": Piece(
        "training step of the CPU recipes, 128 × 4 frames of 64 px, CNN",
        1.15,
        ("frames", 512),
        lambda: _plain_step(CPU, 128, 256),
        lambda: _our_step(CPU, 128, 256),
        flops=True,
    ),
    "encode": Piece(
        "encode 224 px frames, ViT-tiny",
        1.35,
        ("frames", 16),
        _plain_encoding,
        _our_encoding,
        flops=True,
    ),
    "windows": Piece(
        "random 4-frame windows of 100-frame Blosc chunks",
        5.0,
        ("windows", 1),
        _plain_windows,
        _our_windows,
    ),
}
"""By the name that ``--pieces`` takes."""

CALLS = {"windows": (1, 8 * BATCH)}
"""Units of one call of either way, where they differ."""
