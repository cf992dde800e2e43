from __future__ import annotations

import torch

from lewm_probe.analyses.straightness.paths import straightness_of
from lewm_probe.families.lewm import LeWMObjective, LeWMObjectiveConfig
from lewm_probe.families.straightened import (
    StraightenedObjective,
    StraightenedObjectiveConfig,
    curvature,
)


def test_curvature_is_one_minus_what_straightness_measures() -> None:
    latents = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(0))
    measured = straightness_of(latents.numpy())
    assert abs(curvature(latents).item() - (1 - measured)) < 1e-6


def test_a_line_has_none_and_going_back_two() -> None:
    line = torch.arange(4.0).view(1, 4, 1) * torch.tensor([3.0, 4.0])
    assert abs(curvature(line).item()) < 1e-6
    there_and_back = torch.tensor([0.0, 1.0, 0.0, 1.0]).view(1, 4, 1)
    assert abs(curvature(there_and_back).item() - 2) < 1e-6


def test_it_is_lewm_and_one_term() -> None:
    latents = torch.randn(8, 4, 6, requires_grad=True)
    given = (latents, latents[:, 1:] * 0.5, torch.zeros(8, 4, 10))
    lewm = LeWMObjective(LeWMObjectiveConfig())(*given, torch.Generator().manual_seed(2))
    settings = StraightenedObjectiveConfig(name="straightened", straightening_weight=0.3)
    terms = StraightenedObjective(settings)(*given, torch.Generator().manual_seed(2))
    assert set(terms) == {*lewm, "curvature"}
    for name in ("prediction", "sigreg"):
        torch.testing.assert_close(terms[name], lewm[name], msg=name)
    torch.testing.assert_close(terms["loss"], lewm["loss"] + 0.3 * terms["curvature"])
    terms["loss"].backward()
    assert latents.grad is not None


def test_a_still_window_has_finite_gradients() -> None:
    latents = torch.zeros(2, 4, 3, requires_grad=True)
    curvature(latents).backward()
    assert latents.grad is not None
    assert bool(latents.grad.isfinite().all())
