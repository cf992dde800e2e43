from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.jepa import JEPA


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def golden_config() -> ModelConfig:
    """The sizes in tests/golden/{lewm,pldm}-tiny/config.json."""
    return ModelConfig(
        image_size=32,
        encoder=EncoderConfig(name="vit-tiny", patch_size=8, width=48, layers=3, heads=3),
        latent_width=48,
        projector_hidden=96,
        predictor=PredictorConfig(layers=2, heads=4, head_width=16, mlp_width=96),
    )


@pytest.fixture(scope="session")
def small_config() -> ModelConfig:
    """A CNN model that runs in milliseconds."""
    return ModelConfig(
        image_size=16,
        frame_skip=2,
        encoder=EncoderConfig(name="cnn", channels=(4, 8), width=16),
        latent_width=8,
        projector_hidden=16,
        predictor=PredictorConfig(layers=2, heads=2, head_width=4, mlp_width=16),
    ).resolved()


@pytest.fixture(scope="session")
def statistics() -> ActionStatistics:
    return ActionStatistics(mean=(0.5, -1.0), std=(2.0, 0.25))


@pytest.fixture(scope="session")
def awaken() -> Callable[[JEPA], JEPA]:
    """Gives every parameter noise: a fresh model's zero gates hide what its blocks do."""

    def add_noise(model: JEPA) -> JEPA:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
        return model

    return add_noise


@pytest.fixture
def small(
    awaken: Callable[[JEPA], JEPA], small_config: ModelConfig, statistics: ActionStatistics
) -> JEPA:
    """A small model, gates open, in eval mode."""
    model = JEPA(small_config, statistics, world="two-room", train_seed=3, step=0)
    return awaken(model).eval()


@pytest.fixture
def pixels() -> torch.Tensor:
    """uint8 (4, 6, 16, 16, 3)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (4, 6, 16, 16, 3), dtype=torch.uint8, generator=generator)


@pytest.fixture
def actions() -> torch.Tensor:
    """Raw blocks (4, 6, 4)."""
    return torch.randn(4, 6, 4, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A writable copy of tests/golden/lewm-tiny: config.json and weights.pt."""
    folder = tmp_path / "lewm-tiny"
    folder.mkdir()
    for name in ("config.json", "weights.pt"):
        shutil.copyfile(Path(__file__).parents[1] / "golden" / "lewm-tiny" / name, folder / name)
    return folder
