from __future__ import annotations

import numpy as np
import pytest

from lewm_probe.analyses.evaluation import suite_trajectories
from lewm_probe.analyses.examination import Examination, Shown
from lewm_probe.analyses.ledger import Ledger


@pytest.fixture(scope="module")
def shown(cases, suite):
    return Shown(cases, suite_trajectories(suite, cases.reference.size, "disjoint"))


@pytest.mark.parametrize("name", ["teleport_agent", "blur", "action_swap"])
def test_grey_level_changes_are_those_of_the_whole_film(shown, cases, name):
    film = cases.condition(name)[0].astype(float)
    expected = np.square(np.diff(film, axis=1)).mean(axis=(2, 3, 4))
    found = shown.changed_differences(cases.changed(name))
    np.testing.assert_allclose(found[:, 1:], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(found[:, 0]).all()


@pytest.mark.parametrize("name", ["step_teleport_agent", "frozen_agent", "pixel_noise"])
def test_encoding_only_what_differs_gives_what_encoding_everything_gives(
    shown, cases, suite, cache, oracle, name
):
    looking = Examination(oracle, shown, suite, cache, Ledger("voe", suite))
    changed = cases.changed(name)
    looking.look_at(name, changed, shown.changed_differences(changed))
    kept = {name: changed.kept}
    found = looking.evidence(kept, {}).scores.conditions[name]["copy_last"]
    whole = cache.encode(oracle.model, cases.condition(name)[0])["z"].astype(float)
    expected = np.square(np.diff(whole, axis=1)).mean(-1)
    np.testing.assert_allclose(found[:, 2:], expected[:, 1:], rtol=1e-3, atol=1e-4)


def test_unchanged_pictures_are_not_encoded_again(shown, cases, suite, cache, oracle):
    """Ties must be exact: a frozen agent that rested anyway is no violation."""
    looking = Examination(oracle, shown, suite, cache, Ledger("voe", suite))
    before = cache.misses
    changed = cases.changed("action_swap")
    looking.look_at("action_swap", changed, shown.changed_differences(changed))
    assert cache.misses == before
