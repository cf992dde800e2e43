"""SIGReg against the released implementation's numbers, quadrature by scipy, and invariants."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import integrate

from lewm_probe.training.sigreg import epps_pulley, sigreg, unit_directions

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "losses.npz")


def test_equals_the_released_value() -> None:
    latents = torch.tensor(GOLDEN["z_tbd"]).transpose(0, 1)
    value = sigreg(latents, torch.tensor(GOLDEN["directions"]))
    assert value.item() == pytest.approx(float(GOLDEN["sigreg"]), abs=1e-5)


def test_statistic_is_the_integral_of_its_docstring() -> None:
    samples = np.random.default_rng(0).normal(0.3, 1.4, 50)

    def integrand(t: float) -> float:
        phi = np.exp(1j * t * samples).mean()
        return float(np.exp(-t * t / 2) * abs(phi - np.exp(-t * t / 2)) ** 2)

    expected = 50 * 2 * integrate.quad(integrand, 0, 3)[0]
    ours = epps_pulley(torch.tensor(samples)[:, None], knots=2001)
    assert ours.item() == pytest.approx(expected, rel=1e-5)


def test_prefers_gaussian_latents_to_collapsed_and_scaled_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    gaussian = torch.randn(256, 4, 16, generator=generator)
    directions = unit_directions(16, 64, generator)
    best = sigreg(gaussian, directions)
    assert best < 0.5 * sigreg(2 * gaussian, directions)
    assert best < 0.5 * sigreg(0.01 * gaussian, directions)


def test_does_not_see_a_rotation_that_turns_the_directions_too() -> None:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(64, 2, 8, generator=generator, dtype=torch.float64)
    directions = unit_directions(8, 32, generator).double()
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=generator, dtype=torch.float64)).Q
    turned = sigreg(latents @ rotation, rotation.T @ directions)
    assert turned.item() == pytest.approx(sigreg(latents, directions).item(), rel=1e-9)


def test_directions_are_unit_and_repeat_with_the_generator() -> None:
    first = unit_directions(5, 100, torch.Generator().manual_seed(3))
    again = unit_directions(5, 100, torch.Generator().manual_seed(3))
    assert torch.equal(first, again)
    torch.testing.assert_close(first.norm(dim=0), torch.ones(100))
