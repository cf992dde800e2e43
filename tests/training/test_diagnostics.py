"""Collapse diagnostics in closed form."""

import pytest
import torch

from lewm_probe.training.diagnostics import effective_rank, latent_std


def test_rank_of_equal_and_of_single_directions() -> None:
    axes = torch.cat([torch.eye(6), -torch.eye(6)])
    assert effective_rank(axes) == pytest.approx(6, rel=1e-4)
    line = torch.outer(torch.linspace(-1, 1, 50), torch.ones(6))
    assert effective_rank(line) == pytest.approx(1, rel=1e-3)


def test_a_constant_latent_has_neither_spread_nor_rank() -> None:
    constant = torch.full((4, 3, 5), 2.5)
    assert latent_std(constant) == 0.0
    assert effective_rank(constant) == 0.0


def test_spread_scales_with_the_latents() -> None:
    latents = torch.randn(10, 4, 3, generator=torch.Generator().manual_seed(0))
    assert latent_std(3 * latents) == pytest.approx(3 * latent_std(latents), rel=1e-5)
