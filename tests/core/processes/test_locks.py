"""Locks, held by real processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.locks import alone

HOLD = """
import sys
from pathlib import Path
from lewm_probe.core.processes.locks import alone
with alone(Path(sys.argv[1]), beside=sys.argv[2] == "beside"):
    print("held", flush=True)
    sys.stdin.readline()
"""

PLACES = pytest.mark.parametrize("beside", [False, True], ids=["inside", "beside"])


@pytest.fixture
def hold() -> Iterator[Callable[[Path, bool], subprocess.Popen[str]]]:
    """Start a process that holds a place until it is told to end."""
    begun = []

    def begin(place: Path, beside: bool) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(place), "beside" if beside else "inside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@PLACES
@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_a_place_is_held_while_its_process_lives(
    hold: Callable[[Path, bool], subprocess.Popen[str]], tmp_path: Path, beside: bool, killed: bool
) -> None:
    place = tmp_path / "deep" / "place"
    holder = hold(place, beside)
    with pytest.raises(UserError) as caught, alone(place, "--cache", beside=beside):
        pytest.fail("two at once")
    assert str(caught.value) == (
        f"Another lewm-probe is writing in {place}. Wait for it, or choose another place with "
        "--cache."
    )
    if killed:
        holder.kill()
        holder.wait()
    else:
        holder.communicate("go\n")
    with alone(place, beside=beside):
        assert sorted(p.name for p in place.parent.iterdir()) == (
            [".place.lock"] if beside else ["place"]
        )
    # The folders that the killed one had made are no longer known to be ours to remove.
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert left == ([] if not killed else ["deep"] if beside else ["deep", "deep/place"])


@PLACES
def test_nothing_is_left_of_what_came_to_nothing(tmp_path: Path, beside: bool) -> None:
    place = tmp_path / "deep" / "place"
    with pytest.raises(ValueError), alone(place, beside=beside):
        raise ValueError
    assert os.listdir(tmp_path) == []
    with alone(place, beside=beside):
        place.mkdir(exist_ok=True)
        (place / "result").touch()
    assert [p.name for p in place.parent.rglob("*")] == ["place", "result"]


def test_whoever_waited_for_a_lock_that_went_does_not_hold_it(tmp_path: Path) -> None:
    """The other process opened the lock before it was unlinked, and takes it after."""
    taken = os.open(tmp_path / ".lock", os.O_CREAT | os.O_RDWR)
    with alone(tmp_path):
        assert os.fstat(taken).st_nlink == 1
    assert os.fstat(taken).st_nlink == 0  # what filelock looks at once it has the lock
    os.close(taken)
    with alone(tmp_path), pytest.raises(UserError), alone(tmp_path):
        pytest.fail("two at once")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    done = []
    with alone(tmp_path):
        done.append(True)
    assert done


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught, alone(tmp_path / "file" / "run"):
        pytest.fail("impossible")
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'run'} cannot be written (Not a directory). Choose another place "
        "with --out, or change the folder's permissions."
    )
