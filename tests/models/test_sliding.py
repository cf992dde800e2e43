from __future__ import annotations

import pytest
import torch

from lewm_probe.models.sliding import slide, windows


@pytest.mark.parametrize("shape", [(2, 6, 4), (2, 6, 3, 4)])
@pytest.mark.parametrize("batch", [1, 3, None])
def test_each_position_is_the_end_of_its_own_window(
    shape: tuple[int, ...], batch: int | None
) -> None:
    latents, actions = torch.randn(shape), torch.randn(2, 6, 5)

    def window(z: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        acted = a.sum(-1).cumsum(1).reshape(*a.shape[:2], *[1] * (z.ndim - 2))
        return z.cumsum(1) * 0.5 + acted

    found = slide(window, latents, actions, 3, batch)
    assert found.shape == latents.shape
    for t in range(6):
        seen = slice(max(0, t - 2), t + 1)
        torch.testing.assert_close(found[:, t], window(latents[:, seen], actions[:, seen])[:, -1])


def test_clips_no_longer_than_the_history_are_one_window() -> None:
    z = torch.randn(2, 3, 4)
    found = slide(lambda z, a: z.flip(1), z, torch.zeros(2, 3, 1), 5)
    torch.testing.assert_close(found, z.flip(1))


def test_windows_by_hand() -> None:
    x = torch.arange(8.0).reshape(2, 4, 1)
    assert windows(x, 3)[..., 0].tolist() == [[0, 1, 2], [1, 2, 3], [4, 5, 6], [5, 6, 7]]
