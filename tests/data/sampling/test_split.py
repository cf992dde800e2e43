from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.sampling.split import split_episodes


@given(st.integers(2, 500), st.floats(0.001, 0.999), st.integers(0, 2**31))
def test_every_episode_is_on_exactly_one_of_two_sides(
    count: int, fraction: float, seed: int
) -> None:
    training, validation = split_episodes(count, fraction, seed)
    assert sorted([*training, *validation]) == list(range(count))
    assert len(training) and len(validation)
    assert (np.diff(training) > 0).all() and (np.diff(validation) > 0).all()
    assert abs(len(validation) - count * fraction) <= 1


def test_the_seed_chooses() -> None:
    same = [split_episodes(50, 0.2, 1)[1].tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert same[0] != split_episodes(50, 0.2, 2)[1].tolist()


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_side_without_episodes_is_refused(fraction: float) -> None:
    with pytest.raises(UsageError) as error:
        split_episodes(10, fraction, 0)
    assert str(error.value) == (
        f"The validation fraction is {fraction}; it must lie between 0 and 1, both excluded, so "
        "that both sides hold episodes. Try 0.1."
    )


def test_one_episode_cannot_be_split() -> None:
    with pytest.raises(UserError) as error:
        split_episodes(1, 0.5, 0)
    assert str(error.value) == (
        "A data set of 1 episode cannot be split into training and validation: at least 2 are "
        "needed, one on each side. Collect more with `lewm-probe data collect`."
    )
