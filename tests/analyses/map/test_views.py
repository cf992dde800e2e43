from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from lewm_probe.analyses.map.views import collapsed, components, tsne


def test_components_are_those_of_scikit_learn() -> None:
    points = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    found, share = components(points, 2, seed=3)
    oracle = PCA(6).fit(points.astype(float))
    np.testing.assert_allclose(np.abs(found), np.abs(oracle.transform(points)[:, :2]), rtol=1e-4)
    assert np.isclose(share, oracle.explained_variance_ratio_[:2].sum())


def test_tsne_is_the_same_for_the_same_seed() -> None:
    points = np.random.default_rng(0).normal(size=(60, 80))
    first, again = (tsne(points, 10.0, seed=2**40 + 1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (60, 2)


def test_one_point_up_to_rounding() -> None:
    rng = np.random.default_rng(0)
    still = np.full((20, 4), 0.3, np.float32)
    assert collapsed(still)
    assert collapsed(still * (1 + 1e-8 * rng.normal(size=still.shape)))
    assert not collapsed(still * (1 + 1e-3 * rng.normal(size=still.shape)))
    assert collapsed(np.zeros((5, 3)))
