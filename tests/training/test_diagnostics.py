"""Collapse diagnostics in closed form."""

import pytest
import torch

from lewm_probe.training.diagnostics import diagnostics


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
