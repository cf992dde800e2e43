"""Running the command line in this process, and small things for it to run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner
from typer.testing import Result as Answer

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.remembered.measurement_cache import CheckpointFailed
from lewm_probe.cli.main import app
from lewm_probe.core.progress import Progress
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, Provenance

Run = Callable[..., Answer]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``lewm-probe WORDS…`` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str | Path) -> Answer:
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
        from lewm_probe.data.sampling.action_statistics import ActionStatistics
        from lewm_probe.models.checkpoints.native import save_checkpoint
        from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
        from lewm_probe.models.family import Origin
        from lewm_probe.models.jepa import JEPA

        config = ModelConfig(
            **{"image_size": 32, "latent_width": 8, "projector_hidden": 8, **sizes},
            encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
            predictor=PredictorConfig(layers=1, heads=1, head_width=8, mlp_width=8),
        )
        width = config.env_action_width
        statistics = ActionStatistics(mean=(0.0,) * width, std=(1.0,) * width)
        model = JEPA(config, statistics, family=family, train_seed=seed)
        meta = Origin(family=family, world=world, seed=seed, step=step, recipe="two-room/tiny")
        path = tmp_path / name
        save_checkpoint(path, model, meta=meta)
        return path

    return make


class Asked:
    """What the faked analyses were asked.

    Ctrl-C comes at ``stop_at``; in the analyses that ``fails`` names, that model fails.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str], Suite, int]] = []
        self.stop_at: str | None = None
        self.fails: dict[str, str] = {}
        self.metric = ("", "")

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    record = Asked()

    def fake(
        name: str,
        checkpoints: Sequence[Checkpoint],
        suite: Suite,
        *,
        cache: LatentCache,
        device: str,
        progress: Progress,
    ) -> Result:
        assert device == "cpu"
        assert cache.folder is not None
        if name == record.stop_at:
            raise KeyboardInterrupt
        for checkpoint in checkpoints:
            if record.fails.get(name) == checkpoint.name:
                raise CheckpointFailed(checkpoint, "It has no idea.")
        histories = sum(len(checkpoint.earlier_checkpoints) for checkpoint in checkpoints)
        record.calls.append((name, [s.label for s in checkpoints], suite, histories))
        with progress.task(name, 1) as task:
            task.advance()
        metrics = [
            Metric(
                **s.identity,
                world=suite.world,
                analysis=name,
                metric=record.metric[1] if name == record.metric[0] else "m",
                features="z",
                value=0.25,
            )
            for s in checkpoints
        ]
        said = Provenance(command="", version="", notes=[f"a note on {name}"])
        return Result([said], [s.entry for s in checkpoints], metrics)

    monkeypatch.setattr("lewm_probe.analyses.engine.run.run", fake)
    return record
