from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe.scorer import trained_networks


class Told:
    """What was told of each task: its total, and how far it was advanced."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[float | None]] = {}

    @contextmanager
    def task(self, description: str, total: float | None) -> Iterator[_Task]:
        self.tasks[description] = [total, 0.0]
        yield _Task(self.tasks[description])


class _Task:
    def __init__(self, told: list[float | None]) -> None:
        self._told = told

    def advance(self, amount: float = 1) -> None:
        assert self._told[1] is not None
        self._told[1] += amount


def test_the_sweep_ends_at_its_total_and_training_has_a_task_of_its_own(suite, make_lewm) -> None:
    told = Told()
    models = [checkpoint_from_model(name, make_lewm(seed=i)) for i, name in enumerate("ab")]
    run("voe", models, suite, cache=LatentCache(), progress=told)
    total, done = told.tasks.pop("voe")
    assert done == pytest.approx(total)
    steps = trained_networks(suite) * suite.random_encoder.steps
    assert steps > 0
    assert told.tasks == {f"Training controls of {m.label}": [steps, steps] for m in models}
