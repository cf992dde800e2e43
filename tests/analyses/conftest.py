"""Doubles whose surprise is known in advance, and a suite small enough for tests."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lewm_probe.analyses.cases import matched_cases
from lewm_probe.analyses.evaluation import suite_trajectories
from lewm_probe.analyses.latents import LatentCache
from lewm_probe.analyses.subjects import subject_from_model
from lewm_probe.analyses.suite import Condition, Suite
from lewm_probe.data.statistics import ActionStatistics
from lewm_probe.files import content_hash
from lewm_probe.models.base import ModelSpec, WorldModel
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.lewm import LeWM

SIZE = 64
SPEED = 5.0


def spec(width: int, **changes) -> ModelSpec:
    plain = {
        "family": "lewm",
        "history": 2,
        "frame_skip": 5,
        "image_size": SIZE,
        "action_kind": "continuous",
        "action_width": 10,
        "latent_width": width,
        "world": "two-room",
    }
    return ModelSpec(**{**plain, **changes})


class Oracle(WorldModel):
    """Its latent is the agent's position (px × scale), its dynamics those of free motion.

    The agent is found as what is coloured, whatever the colour: blind to recolouring, to brightness
    and, up to rounding, to blur.
    """

    def __init__(self, name: str = "oracle", scale: float = 1.0, **changes):
        self.spec = spec(2, **changes)
        self.scale = scale
        self.fingerprint = content_hash(name, scale, repr(self.spec))

    def encode(self, observation):
        pixels = observation.float()  # (B, T, H, W, C)
        coloured = pixels.amax(-1) - pixels.amin(-1)  # white and black have none
        mass = coloured.sum((-1, -2)).clamp_min(1e-6)
        centres = (torch.arange(pixels.shape[2]) + 0.5) * 224 / pixels.shape[2] - 0.5
        x = (coloured.sum(-2) * centres).sum(-1) / mass
        y = (coloured.sum(-1) * centres).sum(-1) / mass
        return torch.stack([x, y], -1) * self.scale

    def predict(self, latents, actions):
        moved = actions.unflatten(-1, (-1, 2)).clamp(-1, 1).sum(-2) * SPEED
        return latents + moved * self.scale


class Constant(WorldModel):
    """Collapsed: one latent for every picture, and that is what it predicts."""

    def __init__(self, **changes):
        self.spec = spec(4, **changes)
        self.fingerprint = content_hash("constant", repr(self.spec))

    def encode(self, observation):
        return torch.full((*observation.shape[:2], 4), 0.25)

    def predict(self, latents, actions):
        return latents


class Diverged(Constant):
    """Predicts NaN."""

    def predict(self, latents, actions):
        return latents * torch.nan


@pytest.fixture(scope="session")
def doubles():
    """The double classes by name."""
    return {"oracle": Oracle, "constant": Constant, "diverged": Diverged}


def condition(name: str, kind: str, expected: str, **more) -> Condition:
    return Condition(name=name, kind=kind, expected=expected, **more)


CONDITIONS = (
    condition("teleport_agent", "teleport", "violation", who="agent"),
    condition("step_teleport_agent", "step_teleport", "violation", who="agent"),
    condition("frozen_agent", "frozen", "violation", who="agent"),
    condition("action_swap", "action_swap", "action"),
    condition("color_agent", "color", "appearance", who="agent", rgb=(0, 0, 255)),
    condition(
        "background_color", "background_color", "appearance", who="background", rgb=(230, 240, 255)
    ),
    condition("brightness", "brightness", "appearance", amount=0.7),
    condition("pixel_noise", "noise", "appearance", amount=10.0),
    condition("blur", "blur", "appearance", amount=4.0),
)


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The shipped suite's conditions on a few short trajectories."""
    confirmatory = ["teleport_agent", "step_teleport_agent", "action_swap", "color_agent"]
    return Suite.model_validate(
        {
            "world": "two-room",
            "seed": 3,
            "probe": {"quantities": ("agent_position",), "train": 12, "test": 5, "frames": 8},
            "voe": {"trajectories": 24, "disjoint": 20, "frames": 10, "conditions": CONDITIONS},
            "random_encoder": {"steps": 15, "batch": 16, "learning_rate": 1e-3},
            "statistics": {"bootstrap": 200, "confirmatory": tuple(confirmatory)},
        }
    )


@pytest.fixture(scope="session")
def short_suite(suite) -> Suite:
    """The same with three conditions, one of each expectation."""
    names = ("teleport_agent", "action_swap", "color_agent")
    conditions = tuple(c for c in suite.voe.conditions if c.name in names)
    statistics = suite.statistics.model_copy(update={"confirmatory": names})
    asked = suite.voe.model_copy(update={"conditions": conditions})
    return suite.model_copy(update={"voe": asked, "statistics": statistics})


@pytest.fixture(scope="session")
def cases(suite):
    return matched_cases(suite, SIZE, history=2)


@pytest.fixture(scope="session")
def trajectories(suite):
    return suite_trajectories(suite, SIZE, "probe-train")


@pytest.fixture(scope="session")
def cache():
    return LatentCache()


@pytest.fixture(scope="session")
def oracle():
    return subject_from_model("oracle", Oracle())


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    return ModelConfig(
        image_size=SIZE,
        history=2,
        latent_width=6,
        projector_hidden=16,
        encoder=EncoderConfig(name="cnn", channels=(4, 8, 8, 8), width=16),
        predictor=PredictorConfig(layers=1, heads=2, head_width=8, mlp_width=16),
    )


@pytest.fixture(scope="session")
def make_lewm(tiny_config):
    """Untrained tiny LeWMs."""

    def make(seed: int = 0, family: str = "lewm", step: int | None = None) -> LeWM:
        statistics = ActionStatistics(mean=(0.0, 0.0), std=(0.8, 0.8))
        return LeWM(
            tiny_config, statistics, family=family, world="two-room", train_seed=seed, step=step
        )

    return make


@pytest.fixture(scope="session")
def rng():
    return np.random.default_rng(0)
