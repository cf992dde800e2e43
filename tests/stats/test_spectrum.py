import numpy as np
import pytest
import torch

from lewm_probe.stats.spectrum import effective_rank, participation_ratio, rank_of_moments


def rankme(matrix: np.ndarray) -> float:
    """Independent of the implementation: singular values, not eigenvalues."""
    singular = np.linalg.svd(matrix, compute_uv=False)
    share = singular / singular.sum() + 1e-7
    return float(np.exp(-(share * np.log(share)).sum()))


def test_definition():
    matrix = np.random.default_rng(0).normal(size=(300, 12)) @ np.diag(np.linspace(0.1, 3, 12))
    assert effective_rank(matrix) == pytest.approx(rankme(matrix), rel=1e-6)
    assert effective_rank(matrix.reshape(20, 15, 12)) == pytest.approx(rankme(matrix), rel=1e-6)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_equal_directions_are_counted(rank):
    orthogonal, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(50, 8)))
    assert effective_rank(orthogonal[:, :rank] @ np.eye(8)[:rank]) == pytest.approx(rank, rel=1e-4)


def test_collapse_has_rank_one():
    collapsed = 0.25 + 1e-9 * np.random.default_rng(2).normal(size=(100, 16))
    assert effective_rank(collapsed) == pytest.approx(1, abs=1e-3)
    assert effective_rank(np.zeros((100, 16))) == 1.0


def test_scale_does_not_matter():
    matrix = np.random.default_rng(3).normal(size=(200, 6))
    assert effective_rank(1e-4 * matrix) == pytest.approx(effective_rank(matrix), rel=1e-6)
    assert rank_of_moments(matrix.T @ matrix / 200) == pytest.approx(effective_rank(matrix))


def test_float32_latents():
    matrix = torch.randn(500, 64, generator=torch.Generator().manual_seed(0)).numpy()
    assert effective_rank(matrix) == pytest.approx(rankme(matrix.astype(float)), rel=1e-5)


def test_participation_ratio():
    assert participation_ratio(np.diag([1.0, 1, 1, 0])) == pytest.approx(3)
    eigenvalues = np.array([3.0, 1, 0.5])
    rotation, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
    turned = rotation @ np.diag(eigenvalues) @ rotation.T
    assert participation_ratio(turned) == pytest.approx(expected)
    assert participation_ratio(np.zeros((3, 3))) == 0.0


def test_the_mean_counts_in_one_rank_and_not_in_the_other():
    latents = np.random.default_rng(5).normal(3, 1, size=(20_000, 64))
    singular = np.array([np.sqrt(1 + 9 * 64), *np.ones(63)])  # N(3, 1) in 64 axes, many samples
    share = singular / singular.sum()
    expected = np.exp(-(share * np.log(share)).sum())
    assert effective_rank(latents) == pytest.approx(expected, rel=0.01) == pytest.approx(36, abs=1)
    assert effective_rank(latents, centered=True) == pytest.approx(64, rel=0.01)
    assert effective_rank(latents, centered=True) == pytest.approx(
        effective_rank(latents - latents.mean(axis=0))
    )
