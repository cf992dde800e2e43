from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.seeding import stream
from lewm_probe.data.collect import RecordedEpisode, collect, record_episode
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.worlds import World, make_world

SMALL = {"size": 16, "length": 12, "seed": 5}
ROOT = Path(__file__).parents[2]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _left_beside(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if other != path]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty episodes, by one worker."""
    path = tmp_path_factory.mktemp("one") / "f.h5"
    collect("two-room", 30, path, workers=1, **SMALL)
    return path


@pytest.mark.parametrize("workers", [2, 3])
def test_the_bytes_do_not_depend_on_the_workers(
    uninterrupted: Path, tmp_path: Path, workers: int
) -> None:
    path = tmp_path / "f.h5"
    done = collect("two-room", 30, path, workers=workers, **SMALL)
    assert (done.path, done.episodes, done.rows) == (path, 30, 30 * 13)
    assert (done.already_there, done.reused) == (False, 0)
    assert _digest(path) == _digest(uninterrupted)
    assert _left_beside(path) == []


def test_more_episodes_begin_with_the_same_ones(uninterrupted: Path, tmp_path: Path) -> None:
    collect("two-room", 13, tmp_path / "f.h5", **SMALL)
    with EpisodeFile(uninterrupted) as many, EpisodeFile(tmp_path / "f.h5") as few:
        assert len(few) == 13
        for name in few.columns:
            np.testing.assert_array_equal(few.read(name), many.read(name, 0, few.rows))


def test_the_file_says_where_it_comes_from(uninterrupted: Path) -> None:
    with EpisodeFile(uninterrupted) as file:
        assert file.attrs.pop("lewm_probe_version")
        assert file.attrs == {
            "format_version": 1,
            "world": "two-room",
            "picture_size": 16,
            "seed": 5,
            "mode": "fixed",
            "length": 12,
            "policy": "expert",
        }


def test_rows_are_a_moment_and_the_action_taken_there(uninterrupted: Path) -> None:
    """Replay each recorded action in the world: it leads to the next row's columns and image."""
    world = make_world("two-room")
    with EpisodeFile(uninterrupted) as file:
        episode = file.episode(17)
    assert np.isnan(episode["action"][-1]).all()
    world.reset(options={"agent": episode["pos_agent"][0], "goal": episode["pos_target"][0]})
    for row in range(12):
        np.testing.assert_array_equal(world.render(16), episode["pixels"][row])
        np.testing.assert_array_equal(world.columns()["pos_agent"], episode["pos_agent"][row])
        world.step(episode["action"][row])
    np.testing.assert_array_equal(world.render(16), episode["pixels"][12])


def _recorded(mode: str, seed: int = 0, steps: int = 60) -> tuple[World, RecordedEpisode]:
    world = make_world("two-room")
    return world, record_episode(world, stream(seed, "test"), steps, mode)  # type: ignore[arg-type]


def test_a_recording_holds_one_moment_more_than_actions() -> None:
    world, recording = _recorded("fixed")
    assert recording.actions.shape == (60, 2) and recording.actions.dtype == np.float32
    assert len(recording.snapshots) == 61
    assert {len(v) for v in (*recording.columns.values(), *recording.states.values())} == {61}
    assert set(recording.states) == set(world.quantities)
    for index in (0, 17, 60):
        world.restore(recording.snapshots[index])
        for name, value in world.physical_state().items():
            np.testing.assert_array_equal(recording.states[name][index], value)
        for name, value in world.columns().items():
            np.testing.assert_array_equal(recording.columns[name][index], value)
    rows = recording.rows(world, 8)
    np.testing.assert_array_equal(rows["pixels"][60], world.render(8))
    assert np.isnan(rows["action"][60]).all()
    np.testing.assert_array_equal(rows["action"][:60], recording.actions)


def test_fixed_episodes_go_on_to_a_new_goal() -> None:
    _, recording = _recorded("fixed", seed=1, steps=400)
    assert len(recording.actions) == 400
    goals = recording.states["goal_position"]
    changes = np.flatnonzero((np.diff(goals, axis=0) != 0).any(axis=1))
    distances = np.linalg.norm(recording.states["agent_position"] - goals, axis=1)
    assert len(changes) > 1
    assert (distances >= 16).all()  # a row's goal is the one that its action heads for
    reached = np.linalg.norm(
        recording.states["agent_position"][changes + 1] - goals[changes], axis=1
    )
    assert (reached < 16).all()


def test_goal_episodes_end_on_arrival() -> None:
    ends = []
    for seed in range(8):
        _, recording = _recorded("goal", seed, steps=100)
        goals = recording.states["goal_position"]
        distances = np.linalg.norm(recording.states["agent_position"] - goals, axis=1)
        assert (distances[:-1] >= 16).all()
        assert (goals == goals[0]).all()
        assert len(recording.actions) == 100 or distances[-1] < 16
        ends.append(len(recording.actions))
    assert 1 <= min(ends) < 100


def test_a_policy_can_be_given() -> None:
    world = make_world("two-room")
    recording = record_episode(
        world, stream(0, "test"), 5, "fixed", policy=lambda world: np.zeros(2, np.float32)
    )
    assert not recording.actions.any()
    assert (recording.columns["pos_agent"] == recording.columns["pos_agent"][0]).all()


def test_a_second_call_does_nothing(uninterrupted: Path) -> None:
    before = uninterrupted.stat()
    beside = uninterrupted.with_name("f.h5.parts") / "left"
    beside.mkdir(parents=True)
    done = collect("two-room", 30, uninterrupted, workers=4, **SMALL)
    assert (done.already_there, done.episodes, done.rows) == (True, 30, 390)
    assert uninterrupted.stat() == before
    assert _left_beside(uninterrupted) == []


def test_a_file_of_an_earlier_version_will_do(uninterrupted: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    shutil.copy(uninterrupted, path)
    with h5py.File(path, "r+") as file:
        file.attrs["lewm_probe_version"] = "0.0.1"
    assert collect("two-room", 30, path, **SMALL).already_there


def test_a_file_of_other_settings_is_kept(uninterrupted: Path) -> None:
    with pytest.raises(UserError) as error:
        collect("two-room", 31, uninterrupted, size=16, length=12, seed=6)
    assert str(error.value) == (
        f"{uninterrupted} is there already and holds something else: seed 5 not 6, episodes 30 not "
        "31. Choose another place with --out, or give --overwrite to replace it."
    )


def test_another_kind_of_file_is_kept_unless_overwritten(
    uninterrupted: Path, tmp_path: Path
) -> None:
    path = tmp_path / "f.h5"
    path.write_text("my thesis")
    with pytest.raises(UserError) as error:
        collect("two-room", 3, path, **SMALL)
    assert str(error.value) == (
        f"{path} is there already, and is not a data set that can be read. Choose another place "
        "with --out, or give --overwrite to replace it."
    )
    assert path.read_text() == "my thesis"
    collect("two-room", 30, path, overwrite=True, **SMALL)
    assert _digest(path) == _digest(uninterrupted)


class _Stop:
    """Progress that raises once so much is done, as Ctrl-C would."""

    def __init__(self, after: float) -> None:
        self.left = after
        self.heard: list[float] = []

    def task(self, description: str, total: float | None) -> _Stop:
        assert (description, total) == ("Collecting two-room", 30)
        return self

    def __enter__(self) -> _Stop:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, amount: float = 1) -> None:
        self.heard.append(amount)
        self.left -= amount
        if self.left <= 0:
            raise KeyboardInterrupt


def test_an_interrupted_collection_goes_on(uninterrupted: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        collect("two-room", 30, path, progress=_Stop(20), **SMALL)
    assert not path.exists()
    (half,) = path.with_name("f.h5.parts").iterdir()
    parts = sorted(half.iterdir())
    assert [part.name for part in parts] == ["0000000-0000010.h5", "0000010-0000020.h5"]
    parts[0].write_bytes(parts[0].read_bytes()[:-100])  # damaged since: made again
    watched = _Stop(1e9)
    done = collect("two-room", 30, path, progress=watched, **SMALL)
    assert done.reused == 10
    assert watched.heard == [10, 10, 10]
    assert _digest(path) == _digest(uninterrupted)
    assert _left_beside(path) == []


def test_other_settings_do_not_take_over_parts(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        collect("two-room", 30, path, progress=_Stop(10), **SMALL)
    done = collect("two-room", 30, path, **(SMALL | {"seed": 6}))
    assert done.reused == 0
    assert _left_beside(path) == []


SCRIPT = """
import sys
from pathlib import Path
from lewm_probe.data.collect import collect

if __name__ == "__main__":
    try:
        collect("two-room", 100, Path(sys.argv[1]), size=16, length=40, seed=5, workers=2)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process with two workers that has finished its first part, in a session of its own."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "f.h5"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 240
        while not list(tmp_path.glob("f.h5.parts/*/0*.h5")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_killed_collection_leaves_no_half_file_and_no_workers(
    collecting: subprocess.Popen[str], tmp_path: Path
) -> None:
    collecting.kill()
    collecting.wait()
    # Workers hold the other ends of these pipes: both end when the last worker does.
    collecting.communicate(timeout=240)
    path = tmp_path / "f.h5"
    assert not path.exists()
    kept = 10 * len(list(tmp_path.glob("f.h5.parts/*/0*.h5")))
    settings = {"size": 16, "length": 40, "seed": 5}
    done = collect("two-room", 100, path, **settings)
    assert 0 < done.reused == kept < 100
    collect("two-room", 100, tmp_path / "uninterrupted.h5", **settings)
    assert _digest(path) == _digest(tmp_path / "uninterrupted.h5")


def test_ctrl_c_is_quiet_and_keeps_what_is_finished(
    collecting: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.killpg(collecting.pid, signal.SIGINT)  # what a terminal does: parent and workers
    out, err = collecting.communicate(timeout=240)
    assert (out, err, collecting.returncode) == ("stopped\n", "", 0)
    names = [path.name for path in tmp_path.glob("f.h5*")]
    assert names == ["f.h5.parts"]
    assert list(tmp_path.glob("f.h5.parts/*/.*")) == []


def test_a_worker_that_dies_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's world, registered by its package, whose process ends without a word."""
    info = tmp_path / "site" / "fatal-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fatal\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lewm_probe.worlds]\nfatal = fatal_world:Fatal\n")
    (tmp_path / "site" / "fatal_world.py").write_text(
        "import os\n"
        "from lewm_probe.worlds.two_room.env import TwoRoom\n"
        "class Fatal(TwoRoom):\n"
        "    def reset(self, **kw):\n"
        "        os._exit(9)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    path = tmp_path / "out" / "f.h5"
    with pytest.raises(UserError) as error:
        collect("fatal", 20, path, workers=2, **SMALL)
    assert str(error.value) == (
        "A collecting process was ended from outside, most likely because memory ran out. What it "
        "had finished is kept: run the same command again, with fewer --workers."
    )
    assert not path.parent.exists()


def test_an_error_in_a_worker_arrives_whole(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        collect("two-room", 20, tmp_path / "f.h5", size=300, length=3, workers=2)
    assert str(error.value) == (
        "An image of 300 px cannot be drawn: two-room draws squares of 1 to 224 px. Choose a size "
        "in between."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, full_disk: Callable) -> None:
    with (
        full_disk(),
        pytest.raises(UserError, match="^The disk is full: .*0000000-0000003.h5 could"),
    ):
        collect("two-room", 3, tmp_path / "f.h5", **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"episodes": 0}, "--episodes is 0; it must be at least 1."),
        ({"workers": 0}, "--workers is 0; it must be at least 1."),
        ({"size": 4}, "--size is 4; it must be at least 8."),
        ({"length": 0}, "--length is 0; it must be at least 1."),
        ({"seed": -1}, "--seed is -1; it must be at least 0."),
        (
            {"mode": "forever"},
            "Unknown mode 'forever'. Choose fixed (every episode takes --length steps) or goal (an "
            "episode ends on arrival).",
        ),
        (
            {"world": "two-rom"},
            "Unknown world 'two-rom'. Did you mean 'two-room'? "
            "Known: push-t, push-t-gym, two-room.",
        ),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, wrong: dict, message: str) -> None:
    asked = {"world": "two-room", "episodes": 3, "out": tmp_path / "f.h5"} | wrong
    with pytest.raises(UsageError) as error:
        collect(**asked)
    assert str(error.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        collect("two-room", 3, tmp_path, **SMALL)
    assert (
        str(error.value) == f"{tmp_path} is a folder. Give the name of a file to write with --out."
    )
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "f.h5"
    with pytest.raises(UserError) as error:
        collect("two-room", 3, path, **SMALL)
    assert str(error.value) == (
        f"{path} cannot be written (Not a directory). Choose another place with --out, or change "
        "the folder's permissions."
    )


def test_workers_do_not_import_torch() -> None:
    code = "import sys, lewm_probe.data.collect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_a_name_of_another_format(tmp_path: Path) -> None:
    out = tmp_path / "data.lance"
    with pytest.raises(UsageError) as error:
        collect("two-room", 1, out)
    assert str(error.value) == (
        f"{out} would be taken for a data set of the format 'lance', but what is collected is "
        "HDF5. Give a name that ends in .h5 with --out, and then run `lewm-probe data convert`."
    )
    assert not list(tmp_path.iterdir())
