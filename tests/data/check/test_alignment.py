from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from lewm_probe.data.check.alignment import action_alignment
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile


def _slip(by: int) -> Callable[[h5py.File], None]:
    """Move the actions of each episode by some rows."""

    def change(file: h5py.File) -> None:
        actions = file["action"][:]
        for start, length in zip(file["ep_offset"][:], file["ep_len"][:], strict=True):
            rows = slice(start, start + length)
            actions[rows] = np.roll(actions[rows], by, axis=0)
        file["action"][:] = actions

    return change


@pytest.mark.parametrize("slip", [-1, 0, 1])
def test_finds_where_the_actions_are(changed: Callable, slip: int) -> None:
    with EpisodeFile(changed(_slip(slip))) as file:
        found = action_alignment(file)
    assert found.best == slip
    assert {"pos_agent", "proprio"} <= set(found.columns)
    assert found.r2[slip] > 0.8 > 0.2 > max(v for lag, v in found.r2.items() if lag != slip)


def test_agrees_with_scikit_learn(written: Callable, episode: Callable) -> None:
    one = episode(60)
    rng = np.random.default_rng(1)
    one["pos_agent"] += rng.normal(0, 0.3, one["pos_agent"].shape).astype(np.float32)
    with EpisodeFile(written([one])) as file:
        found = action_alignment(file)
    change = np.diff(one["pos_agent"].astype(np.float64), axis=0)[1:58]
    scores = []
    for lag in (-1, 0, 1):
        actions = one["action"][1 + lag : 58 + lag].astype(np.float64)
        for axis in range(2):
            fit = LinearRegression().fit(actions, change[:, axis])
            scores.append(fit.score(actions, change[:, axis]))
    for lag, value in found.r2.items():
        assert value == pytest.approx(np.mean(np.reshape(scores, (3, 2))[lag + 1]), abs=1e-9)


@pytest.mark.parametrize("length", [1, 2, 3, 60])
def test_says_nothing_where_actions_move_nothing(
    written: Callable, episode: Callable, length: int
) -> None:
    one = episode(length)
    one["pos_agent"][:] = 3
    with EpisodeFile(written([one])) as file:
        found = action_alignment(file)
    assert (found.best, found.r2, found.columns) == (None, {}, ())


def test_the_released_fixture_holds_random_states() -> None:
    golden = Path(__file__).parents[2] / "golden" / "released_layout.h5"
    with EpisodeFile(golden) as file:
        assert action_alignment(file).best is None


def test_broken_rows_are_left_out(changed: Callable) -> None:
    def spoil(file: h5py.File) -> None:
        file["action"][40] = np.nan

    with EpisodeFile(changed(spoil)) as file:
        assert action_alignment(file).best == 0
