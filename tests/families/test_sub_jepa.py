from __future__ import annotations

import pytest
import torch

from lewm_probe.core.errors import UsageError
from lewm_probe.families.sub_jepa import SubJEPAObjective, SubJEPAObjectiveConfig
from lewm_probe.training.sigreg import epps_pulley


def objective(subspaces: int, width: int, directions: int = 64) -> SubJEPAObjective:
    torch.manual_seed(5)
    settings = SubJEPAObjectiveConfig(name="sub_jepa", subspaces=subspaces, directions=directions)
    return SubJEPAObjective(settings, width)


def test_subspaces_are_orthonormal_and_frozen() -> None:
    own = objective(4, 12)
    assert own.subspaces.shape == (4, 12, 3)
    gram = own.subspaces.mT @ own.subspaces
    torch.testing.assert_close(gram, torch.eye(3).expand(4, 3, 3), atol=1e-6, rtol=0)
    assert not list(own.parameters())
    assert "subspaces" in own.state_dict()  # kept with the run's state: a resumed run has the same


def test_the_statistic_is_that_of_the_projections() -> None:
    """Against the definition: project, then SIGReg in each subspace, then the mean."""
    own, latents = objective(4, 12), torch.randn(20, 3, 12)
    terms = own(latents, latents[:, 1:], torch.zeros(0), torch.Generator().manual_seed(1))
    within = torch.randn(4, 3, 64, generator=torch.Generator().manual_seed(1))
    within = within / within.norm(dim=1, keepdim=True)
    each = [
        epps_pulley((latents @ own.subspaces[k]).transpose(0, 1) @ within[k]).mean()
        for k in range(4)
    ]
    torch.testing.assert_close(terms["sigreg"], torch.stack(each).mean(), rtol=1e-4, atol=1e-6)
    assert terms["prediction"] == 0
    torch.testing.assert_close(terms["loss"], 0.09 * terms["sigreg"])


def test_directions_lie_in_their_subspaces() -> None:
    own = objective(2, 6, directions=5)
    drawn = own.drawn(torch.Generator().manual_seed(0))
    assert drawn.shape == (6, 10)
    torch.testing.assert_close(drawn.norm(dim=0), torch.ones(10))
    for k, columns in enumerate(drawn.split(5, dim=1)):
        basis = own.subspaces[k]
        torch.testing.assert_close(basis @ (basis.mT @ columns), columns, atol=1e-6, rtol=1e-5)


def test_one_subspace_is_lewm() -> None:
    """A rotation of all directions, which are uniform on the sphere either way."""
    own = objective(1, 5, directions=5_000)
    latents = 2 * torch.randn(100, 2, 5, generator=torch.Generator().manual_seed(3))
    ours = own(latents, latents[:, 1:], torch.zeros(0), torch.Generator().manual_seed(1))["sigreg"]
    directions = torch.nn.functional.normalize(torch.randn(5, 5_000), dim=0)
    plain = epps_pulley(latents.transpose(0, 1) @ directions).mean()
    torch.testing.assert_close(ours, plain, rtol=0.05, atol=0)


def test_subspaces_have_to_divide_the_width() -> None:
    with pytest.raises(UsageError) as error:
        objective(5, 12)
    assert str(error.value) == (
        "A latent of width 12 cannot be cut into 5 subspaces of one width. Set "
        "objective.subspaces to a divisor of model.latent_width."
    )
