"""The quick way against the plain formula, whose gradient autograd derives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lewm_probe.training.sigreg import epps_pulley, fused, sigreg, unit_directions
from lewm_probe.training.sigreg.recurrence import statistic


def plain(latents: Tensor, directions: Tensor, knots: int, upper: float) -> tuple[Tensor, Tensor]:
    asked = latents.detach().clone().requires_grad_()
    value = epps_pulley(asked.transpose(0, 1) @ directions, knots, upper).mean()
    value.backward()
    assert asked.grad is not None
    return value.detach(), asked.grad


def quick(latents: Tensor, directions: Tensor, knots: int, upper: float) -> tuple[Tensor, Tensor]:
    asked = latents.detach().clone().requires_grad_()
    value = sigreg(asked, directions, knots, upper)
    value.backward()
    assert asked.grad is not None
    return value.detach(), asked.grad


def largest_error(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted).abs().max() / wanted.abs().max())


@given(
    st.integers(2, 300),
    st.integers(1, 5),
    st.integers(1, 9),
    st.integers(1, 700),
    st.integers(3, 40),
    st.floats(0.5, 8.0),
    st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_value_and_gradient_are_those_of_the_formula(
    batch: int, frames: int, width: int, count: int, knots: int, upper: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    latents = 1.5 * torch.randn(batch, frames, width, generator=generator, dtype=torch.float64)
    directions = unit_directions(width, count, generator).double()
    value, slopes = plain(latents, directions, knots, upper)
    found, found_slopes = quick(latents, directions, knots, upper)
    torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-13)
    assert largest_error(found_slopes, slopes) < 1e-12


def test_in_single_precision_the_error_is_rounding() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(128, 4, 192, generator=generator)
    directions = unit_directions(192, 1024, generator)
    value, slopes = plain(latents.double(), directions.double(), 17, 3.0)
    found, found_slopes = quick(latents, directions, 17, 3.0)
    assert found.item() == pytest.approx(value.item(), rel=1e-6)
    assert largest_error(found_slopes, slopes) < 3e-6


def test_without_a_gradient_the_value_is_the_same() -> None:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 70, 8, generator=generator).transpose(0, 1)
    directions = unit_directions(8, 300, generator)
    asked = sigreg(latents.requires_grad_(), directions)
    assert asked.requires_grad
    with torch.no_grad():
        silent = sigreg(latents, directions)
    assert not silent.requires_grad
    assert silent.item() == asked.item() == sigreg(latents.detach(), directions).item()
    assert statistic(latents.detach(), directions, 17, 3.0, gradient=False)[1] is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_is_computed_in_single_precision_whatever_autocast_says(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(64, 2, 16, generator=generator)
    directions = unit_directions(16, 64, generator)
    value, slopes = quick(latents, directions, 17, 3.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, its_slopes = quick(latents, directions, 17, 3.0)
    assert torch.equal(inside, value)
    assert torch.equal(its_slopes, slopes)
    halved = latents.to(dtype)
    assert sigreg(halved, directions).dtype == torch.float32
    assert quick(halved, directions, 17, 3.0)[1].dtype == dtype


class Largest(TorchDispatchMode):
    """The most numbers of any tensor that an operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor):
            self.most = max(self.most, out.untyped_storage().nbytes() // out.element_size())
        return out


def test_no_array_of_samples_directions_and_knots_is_made() -> None:
    latents = torch.randn(128, 4, 32, requires_grad=True)
    directions = unit_directions(32, 1024)
    with Largest() as seen:
        sigreg(latents, directions).backward()
    assert seen.most <= 2 * 2**15 + 4 * 128 * 32
    with Largest() as seen:
        epps_pulley(latents.transpose(0, 1) @ directions).mean().backward()
    assert seen.most == 4 * 128 * 1024 * 17


def test_gradients_of_gradients_are_refused() -> None:
    latents = torch.randn(8, 2, 4, requires_grad=True)
    weighted = sigreg(latents, unit_directions(4, 8)) * torch.ones((), requires_grad=True)
    (slopes,) = torch.autograd.grad(weighted, latents, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slopes.sum().backward()


@given(st.integers(2, 40), st.integers(1, 3), st.integers(1, 30), st.integers(3, 25))
@settings(max_examples=20, deadline=None)
def test_what_is_compiled_for_gpus_is_the_formula(
    batch: int, frames: int, count: int, knots: int
) -> None:
    generator = torch.Generator().manual_seed(batch)
    latents = torch.randn(batch, frames, 5, generator=generator, dtype=torch.float64)
    directions = unit_directions(5, count, generator).double()
    value, slopes = plain(latents, directions, knots, 3.0)
    found, its = fused.statistic(
        latents, directions, knots, 3.0, gradient=True, make=lambda function: function
    )
    assert its is not None
    torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-13)
    assert largest_error(its, slopes) < 1e-12


def test_its_two_passes_are_each_one_graph() -> None:
    angles = torch.randn(2, 6, 5, dtype=torch.float64)
    factors = torch.randn(4, 2, 2, 5, dtype=torch.float64)
    whole = {"backend": "aot_eager", "fullgraph": True}  # without a compiler, which takes a minute
    torch.testing.assert_close(torch.compile(fused.sums, **whole)(angles, 4), fused.sums(angles, 4))
    torch.testing.assert_close(
        torch.compile(fused.slopes, **whole)(angles, factors), fused.slopes(angles, factors)
    )
    assert not fused.here(torch.device("cpu"))
