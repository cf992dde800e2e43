from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.data.check.alignment import Alignment
from lewm_probe.data.check.run import Check, check_alignment, check_file
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.sampling.split import split_episodes


def _checks(path: Path, **how: int) -> dict[str, Check]:
    with EpisodeFile(path) as file:
        return {check.name: check for check in check_file(file, **how)}


def test_a_collected_data_set_passes(collected: Path) -> None:
    checks = _checks(collected)
    assert not [check for check in checks.values() if check.verdict == "problem"]
    assert checks["lengths"] == Check(
        "lengths",
        "ok",
        "12 episodes of 31 to 31 rows (mean 31.0); 144 windows of 4 frames at frame-skip 5",
    )
    assert checks["states"].finding == (
        "all values of distance_to_target, ep_idx, observation, pos_agent, pos_target, proprio, "
        "step_idx are finite"
    )
    assert checks["action alignment"].verdict == "ok"
    assert checks["action alignment"].finding.startswith("R² of the change of ")


def _at(name: str, index: object, value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][index] = value

    return change


def _repeat_first_actions(file: h5py.File) -> None:
    file["action"][file["ep_offset"][:] + 30] = file["action"][file["ep_offset"][:]]


def _lose_an_episode(file: h5py.File) -> None:
    for name in ("ep_offset", "ep_len"):
        values = file[name][:-1]
        del file[name]
        file[name] = values


def _hang(file: h5py.File) -> None:
    pixels = file["pixels"][:]
    pixels[31:124] = pixels[31]
    file["pixels"][:] = pixels


def _rename(file: h5py.File) -> None:
    file.move("ep_idx", "episode_idx")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _at("action", slice(3, 5), np.nan),
            Check("actions", "problem", "NaN or infinite: 2 actions, in 1 episode (0)"),
        ),
        (
            _at("action", (100, 1), np.inf),
            Check("actions", "problem", "NaN or infinite: 1 action, in 1 episode (3)"),
        ),
        (
            _at("proprio", (slice(0, 70, 7), 1), np.nan),
            Check("states", "problem", "NaN or infinite values: proprio in 10 rows"),
        ),
        (
            _repeat_first_actions,
            Check(
                "last actions",
                "problem",
                "the first action stands again in the last row of 12 episodes (0, 1, 2, 3, 4, …), "
                "a fault of stable-worldmodel from 2026-04-24 to 2026-07-21: set it to NaN, for "
                "example with `lewm-probe data convert --mend-last-actions`",
            ),
        ),
        (
            _at("action", 61, 0.25),
            Check(
                "last actions",
                "problem",
                "an action stands in the last row of 1 episode (1), where it leads nowhere: set it "
                "to NaN, for example with `lewm-probe data convert --mend-last-actions`",
            ),
        ),
        (
            _at("step_idx", 4, 9),
            Check("indices", "problem", "ep_offset and ep_len contradict step_idx"),
        ),
        (
            _at("ep_idx", 4, 9),
            Check("indices", "problem", "ep_offset and ep_len contradict ep_idx"),
        ),
        (
            _lose_an_episode,
            Check("indices", "note", "31 of 372 rows belong to no episode"),
        ),
        (
            _rename,
            Check("indices", "ok", "episode and step columns agree with ep_offset and ep_len"),
        ),
        (
            _hang,
            Check("still images", "problem", "90 of 372 images equal the one before"),
        ),
    ],
)
def test_a_fault_is_found(changed: Callable, change: Callable, expected: Check) -> None:
    assert _checks(changed(change))[expected.name] == expected


def test_short_episodes(collected: Path, written: Callable, episode: Callable) -> None:
    assert _checks(collected, frames=7)["lengths"] == Check(
        "lengths",
        "problem",
        "12 episodes of 31 to 31 rows (mean 31.0); 0 windows of 7 frames at frame-skip 5; too "
        "short for the 35 rows of a window: 12 episodes",
    )
    mixed = written([episode(19), episode(23)])
    assert _checks(mixed)["lengths"] == Check(
        "lengths",
        "note",
        "2 episodes of 19 to 23 rows (mean 21.0); 4 windows of 4 frames at frame-skip 5; too "
        "short for the 20 rows of a window: 1 episode",
    )


def test_repeated_episodes_leak_across_the_split(written: Callable, episode: Callable) -> None:
    training, validation = split_episodes(6, 0.2, 0)
    episodes = [episode(8, seed) for seed in range(6)]
    episodes[validation[0]] = episodes[training[0]]
    pair = sorted([int(validation[0]), int(training[0])])
    path = written(episodes)
    checks = _checks(path, frames=1, validation_fraction=0.2)
    assert checks["repeated episodes"] == Check(
        "repeated episodes",
        "problem",
        f"copies of another episode: 1; alike are for example 2 episodes ({pair[0]}, {pair[1]})",
    )
    assert checks["split leakage"] == Check(
        "split leakage",
        "problem",
        "with 1 of 6 episodes for validation (seed 0), on both sides: 1 episode; alike "
        f"are for example 2 episodes ({pair[0]}, {pair[1]})",
    )


def test_shared_stretches_leak_and_single_images_do_not(
    written: Callable, episode: Callable
) -> None:
    training, validation = split_episodes(6, 0.2, 0)
    episodes = [episode(20, seed) for seed in range(6)]
    episodes[validation[0]]["pixels"][3] = episodes[training[0]]["pixels"][9]
    how = {"frames": 1, "validation_fraction": 0.2}
    checks = _checks(written(episodes), **how)
    assert checks["repeated episodes"] == Check(
        "repeated episodes",
        "note",
        "no episode occurs twice; 2 of 120 images and 0 of 102 runs of 4 occur in another episode",
    )
    assert checks["split leakage"] == Check(
        "split leakage",
        "note",
        "with 1 of 6 episodes for validation (seed 0), training has 1 of 20 validation images "
        "and 0 of 17 runs of 4",
    )
    episodes[validation[0]]["pixels"][:10] = episodes[training[0]]["pixels"][5:15]
    checks = _checks(written(episodes), **how)
    assert checks["repeated episodes"] == Check(
        "repeated episodes",
        "problem",
        "no episode occurs twice; 20 of 120 images and 14 of 102 runs of 4 occur in another "
        "episode",
    )
    assert checks["split leakage"] == Check(
        "split leakage",
        "problem",
        "with 1 of 6 episodes for validation (seed 0), training has 10 of 20 validation images "
        "and 7 of 17 runs of 4",
    )


def test_one_episode_cannot_leak(written: Callable, episode: Callable) -> None:
    assert _checks(written([episode(25)]))["split leakage"] == Check(
        "split leakage", "note", "a single episode cannot be split"
    )


@pytest.mark.parametrize(
    ("alignment", "expected"),
    [
        (
            Alignment({-1: 0.1, 0: 0.9, 1: 0.2}, ("state",)),
            (
                "ok",
                "R² of the change of state on the action of row t-1: 0.10, t: 0.90, t+1: 0.20",
            ),
        ),
        (
            Alignment({-1: 0.1, 0: 0.2, 1: 0.9}, ("qpos", "qvel")),
            (
                "problem",
                "actions have slipped: the change from row t to t+1 is explained best by row t+1; "
                "R² of the change of qpos, qvel on the action of row t-1: 0.10, t: 0.20, t+1: 0.90",
            ),
        ),
        (
            Alignment({}, ()),
            ("note", "cannot be told: actions explain no change of any column"),
        ),
    ],
)
def test_what_is_said_of_alignment(alignment: Alignment, expected: tuple[str, str]) -> None:
    found = check_alignment(alignment)
    assert (found.verdict, found.finding) == expected
