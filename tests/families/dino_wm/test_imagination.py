"""Rollouts of patch tokens against those of ``WorldModel``, which define what they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.dino_wm.config import DinoWMConfig
from lewm_probe.families.dino_wm.family import DINO_WM_RANDOM
from lewm_probe.families.dino_wm.model import DinoModel
from lewm_probe.models import imagination
from lewm_probe.models.base import WorldModel
from lewm_probe.models.family import Origin

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def small(history: int, side: int = 2, proprio: int = 0) -> DinoModel:
    """Of side × side tokens of 12 (and 2 for proprioception), 3 slots for actions."""
    shape = {
        "width": 12,
        "layers": 1,
        "heads": 2,
        "mlp_width": 24,
        "patch_size": 8,
        "image_size": 8 * side,
    }
    config = DinoWMConfig.model_validate(
        {
            "image_size": 8 * side,
            "encoder_size": 8 * side,
            "history": history,
            "frame_skip": 2,
            "action_embedding": 3,
            "proprio_width": proprio,
            "proprio_embedding": 2,
            "encoder": {"shape": shape},
            "predictor": {"layers": 2, "heads": 2, "head_width": 4, "mlp_width": 16},
        }
    )
    statistics = ActionStatistics(mean=(0.5, 0.0), std=(2.0, 1.0))
    origin = Origin(family="dino_wm-random", world="two-room", seed=3)
    model = DINO_WM_RANDOM.build(config, statistics, origin)
    assert isinstance(model, DinoModel)
    return model.eval()


def question(
    model: DinoModel, batch: int, samples: int, frames: int, steps: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    tokens = (model.config.tokens, model.config.latent_width)
    shapes = ((batch, frames, *tokens), (batch, frames - 1, 4), (batch, samples, steps, 4))
    generator = torch.Generator().manual_seed(batch + 10 * samples + 100 * frames)
    context, past, plans = (torch.randn(shape, generator=generator) for shape in shapes)
    return context.to(dtype), past.to(dtype), plans.to(dtype)


@settings(max_examples=40, deadline=None)
@given(
    history=st.integers(1, 4),
    ahead=st.integers(0, 4),
    batch=st.integers(1, 3),
    samples=st.integers(1, 4),
    steps=st.integers(1, 6),
    side=st.sampled_from([1, 2]),
    proprio=st.sampled_from([0, 3]),
    chunk=st.sampled_from([1, 29, 2**12]),
    dtype=st.sampled_from(list(TOLERANCE)),
)
def test_rollouts_are_those_of_prediction_after_prediction(
    history: int,
    ahead: int,
    batch: int,
    samples: int,
    steps: int,
    side: int,
    proprio: int,
    chunk: int,
    dtype: torch.dtype,
) -> None:
    model = small(history, side, proprio).to(dtype)
    frames = history - min(ahead, history - 1)
    asked = question(model, batch, samples, frames, steps, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "CHUNK_TOKENS", chunk)
        found = model.rollout(*asked)
    expected = WorldModel.rollout(model, *asked)
    assert found.dtype == expected.dtype == dtype
    torch.testing.assert_close(found, expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("frames", [1, 3])
def test_gradients_are_those_of_prediction_after_prediction(frames: int) -> None:
    model = small(3).double()
    weight = torch.randn(2, 3, 5, 4, 12, dtype=torch.float64)

    def slope(rollout: Callable[..., Tensor]) -> Tensor:
        context, past, plans = question(model, 2, 3, frames, 5, torch.float64)
        (rollout(context, past, plans.requires_grad_()) * weight).sum().backward()
        assert plans.grad is not None
        return plans.grad

    expected = slope(lambda *asked: WorldModel.rollout(model, *asked))
    torch.testing.assert_close(slope(model.rollout), expected, atol=1e-10, rtol=1e-10)
    assert not model.rollout(*question(model, 2, 3, frames, 5, torch.float64)).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    model = small(3)
    asked = question(model, 2, 3, 3, 5, torch.float32)
    expected = model.rollout(*asked)
    with torch.autocast("cpu", dtype):
        under_autocast = model.rollout(*asked)
    for found in (under_autocast, model.to(dtype).rollout(*asked)):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, atol=0.1, rtol=0.05)
