"""Collapse diagnostics in closed form."""

import pytest
import torch

from lewm_probe.stats.spectrum import effective_rank, rank_estimate
from lewm_probe.training.diagnostics import GROUPS, diagnostics, unbiased_rank


def rank(latents: torch.Tensor) -> float:
    return diagnostics(latents)["centered_effective_rank"]


def test_rank_of_equal_and_of_single_directions() -> None:
    axes = torch.cat([torch.eye(6), -torch.eye(6)])
    assert rank(axes) == pytest.approx(6, rel=1e-4)
    line = torch.outer(torch.linspace(-1, 1, 50), torch.ones(6))
    assert rank(line) == pytest.approx(1, rel=1e-3)


def test_a_constant_latent_has_neither_spread_nor_rank() -> None:
    constant = torch.full((4, 3, 5), 2.5)
    assert diagnostics(constant) == {"latent_std": 0.0, "centered_effective_rank": 0.0}


def test_rank_is_what_svd_of_the_centred_batch_gives() -> None:
    latents = 3 + torch.randn(64, 4, 16, generator=torch.Generator().manual_seed(1))
    flat = latents.flatten(0, -2)
    share = torch.linalg.svdvals(flat - flat.mean(0))
    share = share / share.sum()
    assert rank(latents) == pytest.approx(float((-(share * share.log()).sum()).exp()), rel=1e-5)


def test_spread_scales_with_the_latents() -> None:
    latents = torch.randn(10, 4, 3, generator=torch.Generator().manual_seed(0))
    spread = diagnostics(latents)["latent_std"]
    assert diagnostics(3 * latents)["latent_std"] == pytest.approx(3 * spread, rel=1e-5)


def test_the_rank_of_reports_is_that_of_geometry() -> None:
    """As many windows as groups: then a group is a trajectory, and the number is the same."""
    latents = 1 + torch.randn(GROUPS, 4, 6, generator=torch.Generator().manual_seed(2))
    wanted = rank_estimate(latents.numpy())[0].value
    assert unbiased_rank(latents) == pytest.approx(wanted, rel=1e-6)


def test_the_rank_of_reports_lacks_the_bias_of_few_windows() -> None:
    generator = torch.Generator().manual_seed(3)
    truth = effective_rank(torch.randn(40_000, 48, generator=generator).numpy())
    few = torch.randn(2 * GROUPS + 1, 2, 48, generator=generator)  # one window is left over
    plain = effective_rank(few.flatten(0, 1).numpy())
    assert abs(unbiased_rank(few) - truth) < 0.5 * abs(plain - truth)


def test_the_rank_of_one_or_two_windows_is_still_a_number() -> None:
    point = torch.ones(2, 3, 5)
    assert unbiased_rank(point) == pytest.approx(1.0, abs=1e-4)
    assert unbiased_rank(point[:1]) == pytest.approx(1.0, abs=1e-4)
