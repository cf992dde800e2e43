from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.action_source import (
    CHECKPOINT,
    IDENTITY,
    Statistics,
    given_statistics,
    read_statistics,
    settle,
)

PATH = Path("a/weights.pt")
OWN = ActionStatistics((0.5, -1.0), (2.0, 0.25))
OTHER = ActionStatistics((0.0, 0.0), (1.0, 2.0))


def file_of(folder: Path, content: Any) -> Path:
    path = folder / "stats.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_file_of_statistics(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"mean": [0.5, -1], "std": [2, 0.25]})
    assert read_statistics(path) == OWN
    assert given_statistics(str(path), None) == Statistics(OWN, "file stats.json")
    assert given_statistics(None, None) is None
    assert given_statistics("identity", None) == IDENTITY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"mean": [0.0]}, "{} lacks the key 'std'. Add it."),
        (
            {"mean": [0.0], "std": [1.0], "sdt": [1.0]},
            "{} has an unknown key 'sdt'. Did you mean 'std'? Known keys there: mean, std.",
        ),
        (
            {"mean": [0.0], "std": ["1"]},
            "{}: 'std.0' is '1'. Input should be a valid number. Fix this value.",
        ),
        (
            {"mean": [0.0, 0.0], "std": [1.0]},
            "{} have 2 means and 1 SDs, but one of each was expected for each dimension of an "
            "environment action. Fix them.",
        ),
        (
            {"mean": [], "std": []},
            "{} have 0 means and 0 SDs, but one of each was expected for each dimension of an "
            "environment action. Fix them.",
        ),
        (
            {"mean": [0.0, 1.5], "std": [1.0, 0]},
            "{} have the mean [0, 1.5] and SD [1, 0], but finite numbers and SDs above zero were "
            "expected. A dimension that never changes gets SD 1.",
        ),
        ([1, 2], "{} must be a mapping of keys to values, not a list."),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: Any, message: str) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_statistics(path)
    assert str(caught.value) == message.format(f"The action statistics {path}")
    assert caught.value.exit_code == 1


def test_nan_is_no_statistic() -> None:
    with pytest.raises(UserError) as caught:
        given_statistics(ActionStatistics((float("nan"),), (1.0,)), None)
    assert str(caught.value) == (
        "The action statistics given have the mean [nan] and SD [1], but finite numbers and SDs "
        "above zero were expected. A dimension that never changes gets SD 1."
    )


def test_the_checkpoints_own_come_first() -> None:
    assert settle(PATH, OWN, None, 10) == Statistics(OWN, CHECKPOINT)
    assert settle(PATH, OWN, Statistics(OTHER, "given"), 10, insist=False).source == CHECKPOINT


def test_equal_ones_may_be_given_in_float32() -> None:
    rounded = ActionStatistics((0.5 + 1e-8, -1.0), (2.0, 0.25 - 1e-8))
    assert settle(PATH, OWN, Statistics(rounded, "given"), 10) == Statistics(OWN, CHECKPOINT)


@pytest.mark.parametrize("other", [OTHER, ActionStatistics((0.5,), (2.0,))])
def test_others_contradict(other: ActionStatistics) -> None:
    with pytest.raises(UserError, match=r"^a/weights.pt carries its own action statistics "):
        settle(PATH, OWN, Statistics(other, "given"), 10)


def test_a_data_set_may_have_others_than_its_training_split() -> None:
    whole = Statistics(OTHER, "data set x.h5")
    assert settle(PATH, OWN, whole, 10) == Statistics(OWN, CHECKPOINT)
    with pytest.raises(UserError) as caught:
        settle(PATH, OWN, Statistics(ActionStatistics((0.5,), (2.0,)), "data set x.h5"), 10)
    assert str(caught.value) == (
        "a/weights.pt carries its own action statistics (mean [0.5, -1], SD [2, 0.25]), and those "
        "given (data set x.h5: mean [0.5], SD [2]) are others. Leave out --action-stats and "
        "--dataset to use its own."
    )


def test_identity_assumes_the_released_frame_skip() -> None:
    assert settle(PATH, None, IDENTITY, 15).values == ActionStatistics((0.0,) * 3, (1.0,) * 3)
    with pytest.raises(UserError) as caught:
        settle(PATH, None, IDENTITY, 12)
    assert str(caught.value) == (
        "The action blocks of a/weights.pt have width 12, which is no multiple of the released "
        "frame-skip 5, so that `identity` does not tell how many environment actions they hold. "
        "Give a file with the mean 0 and SD 1 of each dimension instead (--action-stats FILE)."
    )


def test_statistics_that_do_not_share_out_the_block() -> None:
    with pytest.raises(UserError) as caught:
        settle(PATH, ActionStatistics((0.0,) * 3, (1.0,) * 3), None, 10)
    assert str(caught.value) == (
        "The action statistics (checkpoint) are of 3 dimensions, but the action blocks of "
        "a/weights.pt have width 10, which is no multiple of 3. Give those of the data it was "
        "trained on."
    )
