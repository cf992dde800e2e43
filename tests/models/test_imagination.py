"""Rollouts against those of ``WorldModel``, which define what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models import imagination
from lewm_probe.models.base import WorldModel
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.jepa import JEPA

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def question(
    batch: int, samples: int, frames: int, steps: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """A context of latents, past blocks and plans."""
    generator = torch.Generator().manual_seed(batch + 10 * samples + 100 * frames)
    shapes = ((batch, frames, 8), (batch, frames - 1, 4), (batch, samples, steps, 4))
    context, past, plans = (torch.randn(shape, generator=generator) for shape in shapes)
    return context.to(dtype), past.to(dtype), plans.to(dtype)


@settings(max_examples=60, deadline=None)
@given(
    history=st.integers(1, 4),
    ahead=st.integers(0, 4),
    batch=st.integers(1, 4),
    samples=st.integers(1, 5),
    steps=st.integers(1, 6),
    chunk=st.sampled_from([1, 3, 17, 2**12]),
    width=st.sampled_from([None, 12]),
    dtype=st.sampled_from(list(TOLERANCE)),
)
def test_rollouts_are_those_of_prediction_after_prediction(
    awaken: Callable[[JEPA], JEPA],
    small_config: ModelConfig,
    statistics: ActionStatistics,
    history: int,
    ahead: int,
    batch: int,
    samples: int,
    steps: int,
    chunk: int,
    width: int | None,
    dtype: torch.dtype,
) -> None:
    predictor = small_config.predictor.model_copy(update={"width": width, "output_width": None})
    config = small_config.model_copy(update={"history": history, "predictor": predictor})
    model = awaken(JEPA(config, statistics)).to(dtype).eval()
    asked = question(batch, samples, history - min(ahead, history - 1), steps, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagination, "CHUNK_TOKENS", chunk)
        found = model.rollout(*asked)
    expected = WorldModel.rollout(model, *asked)
    assert found.dtype == expected.dtype == dtype
    torch.testing.assert_close(found, expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("asking", [(2,), (0, 1, 2)])
def test_gradients_are_those_of_prediction_after_prediction(
    small: JEPA, frames: int, asking: tuple[int, ...]
) -> None:
    small.double()
    weight = torch.randn(2, 3, 5, 8, dtype=torch.float64)

    def slopes(rollout: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        asked = question(2, 3, frames, 5, torch.float64)
        wanted = [asked[which].requires_grad_() for which in asking]
        loss = (rollout(*asked) * weight).sum()
        return torch.autograd.grad(loss, wanted, materialize_grads=True)

    ours, expected = slopes(small.rollout), slopes(lambda *a: WorldModel.rollout(small, *a))
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_without_a_question_for_it_there_is_no_graph(small: JEPA) -> None:
    assert all(p.requires_grad for p in small.parameters())
    asked = question(2, 3, 3, 4)
    assert not small.rollout(*asked).requires_grad
    asked[2].requires_grad_()
    assert small.rollout(*asked).requires_grad
    with torch.no_grad():
        assert not small.rollout(*asked).requires_grad


def test_training_mode_changes_nothing_and_is_restored(small: JEPA) -> None:
    asked = question(2, 3, 2, 4)
    expected = small.rollout(*asked)
    small.train()
    small.pred_proj.eval()
    before = {name: buffer.clone() for name, buffer in small.named_buffers()}
    assert torch.equal(small.rollout(*asked), expected)
    for name, buffer in small.named_buffers():
        assert torch.equal(buffer, before[name])
    assert small.training and small.predictor.training and not small.pred_proj.training


def test_contexts_longer_than_the_history_are_cut(small: JEPA) -> None:
    asked = question(2, 3, 5, 4)
    expected = WorldModel.rollout(small, *asked)
    torch.testing.assert_close(small.rollout(*asked), expected, atol=1e-5, rtol=0)


def test_missing_actions_count_as_the_mean(small: JEPA) -> None:
    context, past, plans = question(2, 3, 3, 4)
    past[0, 1, 2] = plans[1, 2, 3, 0] = float("nan")
    found = small.rollout(context, past, plans)
    expected = WorldModel.rollout(small, context, past, plans)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("samples", "steps"), [(0, 4), (3, 0)])
def test_nothing_asked_nothing_imagined(small: JEPA, samples: int, steps: int) -> None:
    assert small.rollout(*question(2, samples, 3, steps)).shape == (2, samples, steps, 8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(small: JEPA, dtype: torch.dtype) -> None:
    asked = question(2, 3, 3, 5)
    expected = small.rollout(*asked)
    scale = 0.05 * float(expected.std())
    with torch.autocast("cpu", dtype):
        found = small.rollout(*asked)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=scale, rtol=0.05)
    found = small.to(dtype).rollout(*asked)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=scale, rtol=0.05)


@pytest.mark.parametrize(
    ("frames", "shared", "own"),
    [(1, 0, 1 + 1 + 1 + 3 + 3), (2, 1, 1 + 1 + 3 + 3 + 3), (3, 2 + 1, 1 + 2 + 3 + 3 + 3)],
)
def test_nothing_is_computed_twice(small: JEPA, frames: int, shared: int, own: int) -> None:
    """Positions read by each part in 5 steps of history 3, for 2 contexts of 4 samples, by hand."""
    count: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., None]:
        def hook(module: object, given: tuple[Tensor, ...]) -> None:
            count[name] += given[0].numel() // given[0].shape[-1]

        return hook

    first, last = small.predictor.transformer.layers
    modulations = {"first": first.adaLN_modulation, "last": last.adaLN_modulation}
    parts = {"norm": first.norm1, "mlp": first.mlp, "last norm": last.norm1, "last mlp": last.mlp}
    for name, part in {**parts, **modulations, "out": small.pred_proj}.items():
        part.register_forward_pre_hook(counted(name))
    small.rollout(*question(2, 4, frames, 5))
    read, blocks, answers = 2 * shared + 8 * own, 2 * (frames - 1) + 8 * 5, 8 * 5
    assert count == {
        **{"norm": read, "mlp": read, "last norm": read, "last mlp": answers, "out": answers},
        **{"first": blocks, "last": blocks},
    }


def test_what_does_not_fit_together_is_refused(small: JEPA) -> None:
    context, past, plans = question(2, 3, 3, 4)
    for wrong in (
        (context, torch.zeros(2, 3, 4), plans),
        (context, past[:1], plans),
        (context, past, plans[:1]),
        (context, past, plans[:, 0]),
    ):
        with pytest.raises(UserError) as caught:
            small.rollout(*wrong)
        assert str(caught.value) == (
            f"A context (2, 3, 8), past action blocks {tuple(wrong[1].shape)} and plans "
            f"{tuple(wrong[2].shape)} do not match: (B, h, …), (B, h − 1, A) and (B, S, K, A) with "
            "equal B and h were expected. Give every frame of the context but its last the block "
            "that followed it."
        )


def test_actions_are_checked_as_predict_does(small: JEPA) -> None:
    context, past, plans = question(2, 3, 3, 4)
    with pytest.raises(UserError, match="^Action blocks of width 5 were given"):
        small.rollout(context, past, torch.zeros(2, 3, 4, 5))
    past[0, 0, 0] = float("inf")
    with pytest.raises(UserError, match="^Some actions are infinite"):
        small.rollout(context, past, plans)
