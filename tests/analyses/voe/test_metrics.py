from __future__ import annotations

import numpy as np

from lewm_probe.analyses.voe.metrics import Resamples
from lewm_probe.analyses.voe.scores import AGGREGATES, aggregate


def test_aggregates_by_hand():
    scores = np.array([[9.0, 1, 2, 6], [9, 9, 3, 5]])
    onset = np.array([1, 2])
    found = {how: aggregate(scores, onset, how).tolist() for how in AGGREGATES}
    assert found == {"onset": [1, 3], "mean_after": [3, 4], "max_after": [6, 5]}


def test_every_model_gets_the_same_resamples(suite):
    first, second = Resamples(suite), Resamples(suite)
    first.of(7)
    np.testing.assert_array_equal(first.of(24), second.of(24))
    assert first.of(24).shape == (200, 24)
