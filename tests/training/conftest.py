"""A data set and a recipe small enough to train in a second."""

from pathlib import Path

import numpy as np
import pytest

from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.training.recipe import Recipe, load_recipe, override

SMALL = [
    "model.image_size=16",
    "model.latent_width=8",
    "model.projector_hidden=16",
    "model.encoder.channels=[4, 4]",
    "model.encoder.width=8",
    "model.predictor.mlp_width=16",
    "data.collect.size=16",
    "optimizer.batch=8",
    "optimizer.epochs=2",
    "optimizer.steps_per_epoch=6",
    "logging.every_steps=2",
    "logging.validation_batches=2",
    "resume_every_steps=4",
]


def noise(path: Path, seed: int) -> Path:
    """Write six episodes of 30 rows of noise at 16 px."""
    rng = np.random.default_rng(seed)
    with EpisodeWriter(path, [30] * 6, {"world": "two-room"}) as writer:
        for _ in range(6):
            action = rng.uniform(-1, 1, (30, 2)).astype(np.float32)
            action[-1] = np.nan
            pixels = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
            writer.append({"pixels": pixels, "action": action})
    return path


@pytest.fixture
def lewm() -> Recipe:
    return override(load_recipe("two-room/lewm-cpu"), [*SMALL, "objective.directions=16"])


@pytest.fixture
def pldm() -> Recipe:
    return override(load_recipe("two-room/pldm-cpu"), SMALL)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six episodes of 30 rows of noise at 16 px."""
    path = tmp_path_factory.mktemp("data") / "small.h5"
    return noise(path, 0)
