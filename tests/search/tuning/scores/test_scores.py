"""Scores by hand and by sklearn, and what of a data set they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.collect import collect
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.models.base import ModelSpec, Observation, WorldModel
from lewm_probe.search.tuning.scores import SCORES, Score, Trained
from lewm_probe.search.tuning.scores.probe import PROBE
from lewm_probe.search.tuning.scores.rollout import ROLLOUT
from lewm_probe.training.recipe import load_recipe
from lewm_probe.training.run.claims import split


class Still(WorldModel):
    """Its latents are moments of how dark the image is; it imagines that nothing changes."""

    spec = ModelSpec("still", 1, 5, 16, "continuous", 10, 4)

    def encode(self, observation: Observation) -> Tensor:
        pixels = observation if isinstance(observation, Tensor) else observation["pixels"]
        dark = 255.0 - pixels[..., 1].float()  # (B, T, H, W)
        x, y = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="xy")
        return torch.stack([(dark * by).mean((2, 3)) for by in (x, y, x * y, x * x)], dim=-1)

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return latents


class Doubling(Still):
    """Errs by twice its latents."""

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return latents + 1.0


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "data.h5"
    collect("two-room", 12, path, size=16, length=50)
    return path


@pytest.fixture
def told(data: Path) -> Iterator[Callable[[WorldModel], Trained]]:
    recipe = load_recipe("two-room/lewm-cpu", ["data.validation_fraction=0.25"])
    with open_episodes(data) as episodes:
        training, validation = split(recipe, episodes)
        yield lambda model: Trained(
            checkpoint_from_model("model", model), episodes, training, validation
        )


def test_copying_the_last_latent_scores_one(told: Callable[[WorldModel], Trained]) -> None:
    assert ROLLOUT.measure(told(Still())) == pytest.approx(1.0, rel=1e-5)


def test_the_ratio_by_hand(told: Callable[[WorldModel], Trained]) -> None:
    """The doubling model is off by k more than copying after k = 5 blocks."""
    trained = told(Doubling())
    model = Still()
    errors, copied = [], []
    for episode in trained.validation:
        pixels = torch.tensor(trained.data.episode(int(episode))["pixels"])[None]
        z = model.encode(pixels)[0].double().numpy()  # (L, 4)
        for start in range(len(z) - 30 + 1):  # windows of 6 frames, frame-skip 5
            change = z[start] - z[start + 25]
            copied.append(np.square(change).mean())
            errors.append(np.square(change + 5.0).mean())
    assert ROLLOUT.measure(trained) == pytest.approx(np.mean(errors) / np.mean(copied), rel=1e-4)


def test_scaling_latents_leaves_it_alone(told: Callable[[WorldModel], Trained]) -> None:
    class Large(Doubling):
        def encode(self, observation: Observation) -> Tensor:
            return 10 * super().encode(observation)

        def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
            return latents + 10.0

    assert ROLLOUT.measure(told(Large())) == pytest.approx(ROLLOUT.measure(told(Doubling())))


def test_the_probe_beside_sklearn(told: Callable[[WorldModel], Trained]) -> None:
    trained = told(Still())

    def frames(episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = [trained.data.episode(int(e)) for e in episodes]
        x = [Still().encode(torch.tensor(e["pixels"][::5])[None])[0].numpy() for e in whole]
        return np.concatenate(x), np.concatenate([e["pos_agent"][::5] for e in whole])

    x, y = frames(trained.training)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    ridge = Ridge(1e-4).fit((x - mean) / scale, y)
    x, y = frames(trained.validation)
    guess = ridge.predict((x - mean) / scale)
    r2 = 1 - np.square(y - guess).sum(axis=0) / np.square(y - y.mean(axis=0)).sum(axis=0)
    assert PROBE.measure(trained) == pytest.approx(r2.mean(), abs=0.03)
    assert PROBE.measure(trained) > 0.5


@pytest.mark.parametrize("name", ["rollout", "probe"])
def test_only_training_and_validation_episodes_are_read_and_nothing_is_simulated(
    data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the episodes belong to neither side here; an audit would simulate its own."""
    read: set[int] = set()

    def watch(method: str) -> None:
        plain = getattr(Recorded, method)

        def watched(self: Episodes, column: str, *where: Any, **named: Any) -> Any:
            if column not in ("action",):  # a column of small numbers, read whole and then cut
                read.update(rows_of(self, method, *where, **named))
            return plain(self, column, *where, **named)

        monkeypatch.setattr(Recorded, method, watched)

    def rows_of(file: Episodes, method: str, *where: Any) -> set[int]:
        if method == "take":
            return set(np.asarray(where[0]).tolist())
        start = where[0] if where else 0
        if method == "read_into":
            return set(range(start, start + len(where[1])))
        return set(range(start, where[1] if len(where) > 1 and where[1] else file.rows))

    monkeypatch.setattr("lewm_probe.worlds.registry.make_world", simulated)
    monkeypatch.setattr("lewm_probe.worlds.make_world", simulated)
    with open_episodes(data) as episodes:
        Recorded = type(episodes)
        for method in ("read", "take", "read_into"):
            watch(method)
        training, validation = np.array([0, 2, 4]), np.array([6, 8])
        trained = Trained(checkpoint_from_model("model", Still()), episodes, training, validation)
        SCORES.get(name).measure(trained)
        allowed = set(episodes.rows_of(np.concatenate([training, validation])).tolist())
        held_out = set(episodes.rows_of(validation).tolist())
    assert read
    assert read <= (allowed if name == "probe" else held_out)


def simulated(*_: Any, **__: Any) -> None:
    raise AssertionError("a search simulates nothing")


def test_episodes_too_short_to_imagine_are_told(tmp_path: Path) -> None:
    collect("two-room", 4, tmp_path / "short.h5", size=16, length=5)
    with open_episodes(tmp_path / "short.h5") as episodes:
        trained = Trained(
            checkpoint_from_model("model", Still()), episodes, np.array([0, 1]), np.array([2, 3])
        )
        with pytest.raises(UserError) as caught:
            ROLLOUT.measure(trained)
    assert str(caught.value) == (
        f"No validation episode of {tmp_path}/short.h5 has more than 1 frames at frame-skip 5, and "
        "a rollout needs 2 at the least. Collect longer episodes, or choose another --score."
    )


def test_another_score_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Success:
        label, higher_is_better = "planning success", True

        def measure(self, trained: Trained) -> float:
            return 0.5

    monkeypatch.setattr(SCORES, "_own", {})
    assert isinstance(Success(), Score)
    SCORES.register("success", Success())
    assert SCORES.names() == ("probe", "rollout", "success")
    with pytest.raises(UsageError) as caught:
        SCORES.get("sucess")
    assert str(caught.value) == (
        "Unknown score 'sucess'. Did you mean 'success'? Known: probe, rollout, success."
    )
