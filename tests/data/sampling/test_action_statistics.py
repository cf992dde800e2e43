from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.sampling.action_statistics import ActionStatistics

GOLDEN = Path(__file__).parents[2] / "golden" / "released_layout.h5"


def test_agrees_with_torch_on_the_released_layout() -> None:
    with EpisodeFile(GOLDEN) as file:
        found = ActionStatistics.fit(file)
        column = torch.from_numpy(file.read("action")).double()
    column = column[~column.isnan().any(dim=1)]
    np.testing.assert_allclose(found.mean, column.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.std, column.std(0), rtol=1e-12)


def test_only_the_episodes_asked_for_count() -> None:
    with EpisodeFile(GOLDEN) as file:
        found = ActionStatistics.fit(file, [1, 3])
        actions = np.concatenate([file.episode(i)["action"][:-1] for i in (1, 3)])
    np.testing.assert_allclose(found.mean, actions.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.std, actions.std(0, ddof=1, dtype=np.float64), rtol=1e-12)


def test_a_constant_dimension_is_scaled_to_zero(written: Callable, episode: Callable) -> None:
    still = episode(9)
    still["action"][:-1, 1] = 0.3
    with EpisodeFile(written([still])) as file:
        found = ActionStatistics.fit(file)
    assert found.std[1] == 1.0
    assert found.mean[1] == pytest.approx(0.3)


def test_no_actions_is_an_error(written: Callable, episode: Callable) -> None:
    path = written([episode(1)])
    with EpisodeFile(path) as file, pytest.raises(UserError) as error:
        ActionStatistics.fit(file)
    assert str(error.value) == (
        f"{path} has 0 rows with an action (the others are NaN); at least 2 are needed to scale "
        "actions. Collect more with `lewm-probe data collect`."
    )


def test_infinite_actions_are_an_error(written: Callable, episode: Callable) -> None:
    broken = episode(9)
    broken["action"][2, 0] = np.inf
    path = written([broken])
    with EpisodeFile(path) as file, pytest.raises(UserError) as error:
        ActionStatistics.fit(file)
    assert str(error.value) == (
        f"{path} holds infinite actions. `lewm-probe data check {path}` counts them; fetch or "
        "collect the data again."
    )
