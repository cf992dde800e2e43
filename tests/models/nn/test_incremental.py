"""A window read in pieces is the window read at once, for a frame of one token.

``tests/families/dino_wm/test_imagination.py`` has frames of several.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lewm_probe.models.imagination import LatentSteps
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.nn.incremental import Memory, each, read, remember


@pytest.fixture
def steps(small: JEPA) -> LatentSteps:
    """History 3, latents of 8, action blocks of 4, in float64."""
    small.double().requires_grad_(False)
    return LatentSteps(small.predictor, small.action_encoder, small.pred_proj)


def window(rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(rows, 3, 8, dtype=torch.float64, generator=generator)
    return z, torch.randn(rows, 3, 4, dtype=torch.float64, generator=generator)


def test_a_window_in_pieces_is_the_window_at_once(small: JEPA, steps: LatentSteps) -> None:
    z, scaled = window(5)
    expected = small.predict_scaled(z, scaled)[:, -1]
    actions = steps.actions(scaled)
    for cuts in ([3], [1, 2], [2, 1], [1, 1, 1]):
        seen: list[Memory] | None = None
        first = 0
        for length in cuts:
            new, keep = slice(first, first + length), list[Memory]()
            found = read(steps, z[:, new], [part[:, new] for part in actions], seen, keep)
            first, seen = first + length, keep
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
        assert [layer.keys.shape for layer in keep] == [(5, 3, 2, 4)] * 2


def test_what_is_remembered_is_what_reading_keeps(steps: LatentSteps) -> None:
    z, scaled = window(2)
    actions, keep = steps.actions(scaled), list[Memory]()
    read(steps, z, actions, None, keep)
    for one, other in zip(remember(steps, z, actions), keep, strict=True):
        assert torch.equal(one.keys, other.keys) and torch.equal(one.values, other.values)


def test_samples_go_on_from_the_memory_of_their_own_context(
    small: JEPA, steps: LatentSteps
) -> None:
    z, scaled = window(6)  # 2 contexts with 3 samples each, which differ in their last frame
    z[:, :2], scaled[:, :2] = each(z[::3, :2], 3), each(scaled[::3, :2], 3)
    actions = steps.actions(scaled)
    seen = remember(steps, z[::3, :2], [part[::3, :2] for part in actions])
    found = read(steps, z[:, 2:], [part[:, 2:] for part in actions], seen)
    torch.testing.assert_close(found, small.predict_scaled(z, scaled)[:, -1], atol=1e-12, rtol=0)


def test_memories_hold_for_their_place_only(steps: LatentSteps) -> None:
    """Why a window that slid is read anew."""
    z, scaled = window(1)
    actions = steps.actions(scaled)
    second = remember(steps, z[:, :2], [part[:, :2] for part in actions])[0]
    slid = remember(steps, z[:, 1:2], [part[:, 1:2] for part in actions])[0]
    assert float((second.keys[:, 1] - slid.keys[:, 0]).abs().max()) > 1e-3
