from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import manifold
from sklearn.neighbors import NearestNeighbors

from lewm_probe.analyses.map.neighbours import (
    anyone,
    chances,
    distances,
    near,
    overlap,
    trustworthiness,
)

K = 8


def square(side: int) -> np.ndarray:
    """A regular grid, where nearly all distances are tied."""
    return np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * 7.9


def both(first: np.ndarray, second: np.ndarray, k: int = K) -> tuple[float, float]:
    apart, drawn = distances(first), chances(distances(second), k)
    return trustworthiness(apart, drawn, k), overlap(apart, drawn, k)


@given(seed=st.integers(0, 1000), k=st.integers(1, 12), width=st.integers(1, 6))
def test_without_ties_it_is_scikit_learns(seed: int, k: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(40, 3)), rng.normal(size=(40, width))
    trusted, kept = both(first, second, k)
    oracle = manifold.trustworthiness(first, second, n_neighbors=k)
    assert trusted == pytest.approx(oracle, abs=1e-12)
    found = [NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[1] for x in (first, second)]
    shared = [len(set(a) & set(b)) for a, b in zip(*found, strict=True)]
    assert kept == pytest.approx(np.mean(shared) / k)


@pytest.mark.parametrize("k", [1, 3, 8, 20])
def test_a_copy_turned_and_scaled_keeps_all(k: int) -> None:
    grid = square(9)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    for copy in (grid, (3.1 * grid @ turn + 5).astype(np.float32)):
        assert both(grid, copy, k) == (pytest.approx(1, abs=1e-12), pytest.approx(1, abs=1e-12))


def test_a_collapsed_space_has_what_chance_has() -> None:
    grid = square(8)
    apart, by_chance = distances(grid), anyone(64, K)
    flat = both(grid, np.zeros((64, 5)))
    assert flat == pytest.approx(
        (trustworthiness(apart, by_chance, K), overlap(apart, by_chance, K))
    )
    # As many places are near as tie with the k-th nearest: a little more than k.
    assert flat[1] == pytest.approx(near(apart, K).sum() / (64 * 63))
    assert K / 63 < flat[1] < 1.4 * K / 63


def test_random_places_are_near_chance() -> None:
    grid, rng = square(20), np.random.default_rng(0)
    chance = overlap(distances(grid), anyone(400, K), K)
    trusted, kept = both(grid, rng.normal(size=(400, 10)))
    assert kept == pytest.approx(chance, rel=0.3)
    assert trusted == pytest.approx(trustworthiness(distances(grid), anyone(400, K), K), abs=0.02)


def test_ties_are_the_mean_over_all_ways_to_break_them() -> None:
    grid, rng = square(6), np.random.default_rng(1)
    latents = np.round(rng.normal(size=(36, 2)), 1)  # many ties
    expected = both(grid, latents, 5)
    apart = distances(grid)
    broken = []
    for _ in range(400):
        shaken = distances(latents + rng.normal(scale=1e-6, size=latents.shape))
        drawn = chances(shaken, 5)
        broken.append((trustworthiness(apart, drawn, 5), overlap(apart, drawn, 5)))
    assert np.mean(broken, axis=0) == pytest.approx(expected, abs=5e-3)


def test_order_in_memory_does_not_matter() -> None:
    grid, rng = square(7), np.random.default_rng(2)
    latents = np.round(rng.normal(size=(49, 3)), 1)
    order = rng.permutation(49)
    assert both(grid, latents) == pytest.approx(both(grid[order], latents[order]))


def test_chances_of_each_point_sum_to_k() -> None:
    drawn = chances(distances(square(5)), K)
    np.testing.assert_allclose(drawn.sum(axis=1), K)
    np.testing.assert_array_equal(np.diag(drawn), 0)


def test_whole_numbers_have_exact_distances() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 1200), np.uint8)
    wide = distances(pixels.astype(float))
    np.testing.assert_allclose(distances(pixels), wide, rtol=1e-12)
    same = distances(np.repeat(pixels[:1], 3, axis=0))
    np.testing.assert_array_equal(same[~np.eye(3, dtype=bool)], 0)


def test_too_many_neighbours() -> None:
    with pytest.raises(ValueError, match=r"^k = 8 of 16 points$"):
        both(square(4), square(4))
