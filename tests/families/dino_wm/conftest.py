"""Tiny frozen encoders: as Hugging Face stores them, and pre-trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.models.nn.dinov2 import Dinov2, Dinov2Shape
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, load_recipe, override

SHORT = [
    "data.collect.size=16",
    "optimizer.batch=8",
    "optimizer.epochs=2",
    "optimizer.steps_per_epoch=4",
    "logging.every_steps=2",
    "logging.validation_batches=2",
    "resume_every_steps=3",
]
SHAPE: dict[str, Any] = {
    "width": 12,
    "layers": 2,
    "heads": 2,
    "mlp_width": 24,
    "patch_size": 8,
    "image_size": 16,
}
SMALL = [
    *SHORT,
    "model.image_size=16",
    "model.encoder_size=16",
    "model.predictor.layers=1",
    "model.predictor.mlp_width=16",
    "model.predictor.head_width=4",
    *(f"model.encoder.shape.{key}={value}" for key, value in SHAPE.items()),
]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six episodes of 30 rows of noise at 16 px, with proprioception."""
    path, rng = tmp_path_factory.mktemp("data") / "small.h5", np.random.default_rng(0)
    with EpisodeWriter(path, [30] * 6, {"world": "two-room"}) as writer:
        for _ in range(6):
            action = rng.uniform(-1, 1, (30, 2)).astype(np.float32)
            action[-1] = np.nan
            pixels = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
            proprio = rng.normal(7, 3, (30, 3)).astype(np.float32)
            writer.append({"pixels": pixels, "action": action, "proprio": proprio})
    return path


@pytest.fixture(scope="session")
def dinov2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DINOv2 of ``SHAPE`` in transformers' layout (``test_dinov2`` has transformers')."""
    folder = tmp_path_factory.mktemp("dinov2")
    torch.manual_seed(1)
    model = Dinov2(Dinov2Shape(**SHAPE))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    save_file(model.state_dict(), folder / "model.safetensors")
    sizes = {
        "model_type": "dinov2",
        "hidden_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 8,
        "image_size": 16,
    }
    (folder / "config.json").write_text(json.dumps(sizes))
    return folder


@pytest.fixture
def dino_wm(dinov2_folder: Path) -> Recipe:
    """DINO-WM on the random DINOv2."""
    weights = f"model.encoder.weights={dinov2_folder}"
    return override(load_recipe("two-room/dino_wm"), [*SMALL, weights, "data.cache_gb=1"])


@pytest.fixture(scope="session")
def masked_run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of ``SHAPE`` that was pre-trained for a few steps."""
    sizes = [f"model.shape.{key}={value}" for key, value in SHAPE.items()]
    recipe = override(
        load_recipe("push-t/masked_patches-cpu"),
        [*SHORT, "model.image_size=16", "world=two-room", *sizes],
    )
    folder = tmp_path_factory.mktemp("masked") / "run"
    train(recipe, small_data, folder, device="cpu")
    return folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are kept below the working folder."""
    monkeypatch.chdir(tmp_path)
