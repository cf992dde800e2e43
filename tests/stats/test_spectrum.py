import numpy as np
import pytest
import torch
from scipy import stats

from lewm_probe.stats.spectrum import (
    effective_rank,
    participation_estimate,
    participation_ratio,
    rank_estimate,
    rank_of_moments,
    reciprocal_jackknife,
)


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


def population(n, rng, width=24, frames=12):
    """Trajectories that differ in place and size, their frames alike, and the true moments."""
    variance = np.exp(-np.arange(width) / 6)
    middle = 0.5 * np.sqrt(variance) * (np.arange(width) < 3)
    noise = rng.normal(size=(n, frames, width)) + rng.normal(size=(n, 1, width))
    size = np.sqrt(rng.gamma(4, 1 / 4, size=(n, 1, 1)))
    return noise / np.sqrt(2) * np.sqrt(variance) * size + middle, np.diag(variance), middle


@pytest.mark.parametrize("estimate", [rank_estimate, participation_estimate])
def test_the_jackknife_by_brute_force(estimate):
    view, _, _ = population(15, np.random.default_rng(4), width=6)

    def reciprocal(trajectories):
        flat = trajectories.reshape(-1, 6)
        if estimate is rank_estimate:
            return 1 / effective_rank(flat)
        return 1 / participation_ratio(np.cov(flat.T, bias=True))

    left = [reciprocal(np.delete(view, i, axis=0)) for i in range(15)]
    expected = 15 * reciprocal(view) - 14 * np.array(left)
    found, pseudo = estimate(view, 0.9)
    np.testing.assert_allclose(pseudo, expected, rtol=1e-6)
    low, high = stats.t.interval(0.9, 14, loc=expected.mean(), scale=stats.sem(expected))
    bounds = 1 / expected.mean(), 1 / high, 1 / low, 15
    assert tuple(found) == pytest.approx(tuple(np.clip(bounds[:3], 0, 6)) + bounds[3:], rel=1e-6)


@pytest.mark.parametrize("estimate", [rank_estimate, participation_estimate])
def test_the_population_is_covered_without_bias(estimate):
    rng = np.random.default_rng(5)
    found, plain = [], []
    for _ in range(150):
        view, covariance, middle = population(50, rng)
        found.append(estimate(view)[0])
        flat = view.reshape(-1, view.shape[-1])
        plain.append(
            effective_rank(flat)
            if estimate is rank_estimate
            else participation_ratio(np.cov(flat.T, bias=True))
        )
    truth = (
        rank_of_moments(covariance + np.outer(middle, middle))
        if estimate is rank_estimate
        else participation_ratio(covariance)
    )
    bias = np.mean([f.value for f in found]) - truth
    assert abs(bias) < 0.2 * abs(np.mean(plain) - truth)
    assert np.mean([f.low <= truth <= f.high for f in found]) >= 0.92


def test_ranks_stay_between_one_and_the_width():
    still, pseudo = rank_estimate(np.ones((8, 5, 4)))
    assert still == pytest.approx((1, 1, 1, 8), abs=1e-3) and len(pseudo) == 8
    assert participation_estimate(np.ones((8, 5, 4)))[0] == (0.0, None, None, 8)
    assert rank_estimate(np.ones((1, 5, 4)))[0][1:] == (None, None, 1)
    wide, _ = reciprocal_jackknife(np.array([1.0, 3.0, 3.9]), 3.9, most=4)
    assert wide.value <= 4 and wide.high == 4
