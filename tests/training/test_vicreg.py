"""PLDM's terms against the released implementation's numbers and numpy's covariance."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lewm_probe.training import vicreg

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")


@pytest.mark.parametrize(
    ("term", "name"),
    [
        (vicreg.variance_hinge, "pldm_std_loss"),
        (vicreg.temporal_variance_hinge, "pldm_std_t_loss"),
        (vicreg.covariance, "pldm_cov_loss"),
        (vicreg.temporal_covariance, "pldm_cov_t_loss"),
        (vicreg.temporal_smoothness, "pldm_temp_align_loss"),
    ],
)
def test_equals_the_released_value(term: object, name: str) -> None:
    latents = torch.tensor(GOLDEN["z_tbd"]).transpose(0, 1)
    assert callable(term)
    assert term(latents).item() == pytest.approx(float(GOLDEN[name]), abs=1e-5)


def test_covariance_is_numpys() -> None:
    latents = np.random.default_rng(0).normal(size=(20, 3, 4))
    expected = []
    for t in range(3):
        matrix = np.cov(latents[:, t], rowvar=False)
        expected.append((matrix**2)[~np.eye(4, dtype=bool)].mean())
    assert vicreg.covariance(torch.tensor(latents)).item() == pytest.approx(np.mean(expected))


def test_a_constant_batch_is_penalised_and_unit_variance_is_not() -> None:
    constant = torch.zeros(8, 4, 3)
    assert vicreg.variance_hinge(constant).item() == pytest.approx(1 - vicreg.VARIANCE_EPSILON**0.5)
    spread = 3 * torch.randn(64, 4, 3, generator=torch.Generator().manual_seed(0))
    assert vicreg.variance_hinge(spread).item() == 0.0


def test_inverse_dynamics_looks_at_neighbouring_latents_in_the_released_order() -> None:
    head = vicreg.InverseDynamics(latent_width=2, action_width=3, hidden=8)
    latents = torch.randn(5, 4, 2)
    out = head(latents)
    assert out.shape == (5, 3, 3)
    pair = torch.cat([latents[:, 2], latents[:, 1]], dim=-1)
    torch.testing.assert_close(out[:, 1], head.net(pair))
