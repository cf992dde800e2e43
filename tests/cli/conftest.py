"""Running the command line in this process, and small things for it to run on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lewm_probe.cli.main import app

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``lewm-probe WORDS…`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | Path) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], prog_name="lewm-probe")

    return invoke


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny untrained checkpoint and return its path."""

    def make(
        name: str = "model.safetensors",
        family: str = "lewm",
        seed: int = 0,
        step: int = 10,
        world: str | None = "two-room",
        **sizes: int,
    ) -> Path:
        from lewm_probe.data.statistics import ActionStatistics
        from lewm_probe.models.checkpoint import CheckpointMeta, save_checkpoint
        from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
        from lewm_probe.models.lewm import LeWM

        config = ModelConfig(
            **{"image_size": 32, "latent_width": 8, "projector_hidden": 8, **sizes},
            encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
            predictor=PredictorConfig(layers=1, heads=1, head_width=8, mlp_width=8),
        )
        width = config.env_action_width
        statistics = ActionStatistics(mean=(0.0,) * width, std=(1.0,) * width)
        model = LeWM(config, statistics, family=family, train_seed=seed)
        meta = CheckpointMeta(
            family=family, world=world, seed=seed, step=step, recipe="two-room/tiny"
        )
        path = tmp_path / name
        save_checkpoint(path, model, meta=meta)
        return path

    return make
