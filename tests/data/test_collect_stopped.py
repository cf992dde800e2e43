"""A collection that is stopped or wanted by two, by real signals through the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.core.processes.locks import alone
from lewm_probe.data.collect import collect

WORDS = [
    "data",
    "collect",
    "two-room",
    "-n",
    "100",
    "--size",
    "16",
    "--length",
    "40",
    "--seed",
    "5",
]
PATIENCE = 240


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "f.h5"
    collect("two-room", 100, path, size=16, length=40, seed=5)
    return path.read_bytes()


def begin(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lewm_probe.cli.main", *WORDS, "--out", "f.h5", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Two workers at work that have finished a part."""
    process = begin(tmp_path, "--workers", "2")
    try:
        deadline = time.monotonic() + PATIENCE
        while not list(tmp_path.glob("f.h5.parts/*/0*.h5")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("everybody", [False, True], ids=["the command", "its whole group"])
def test_stopped_it_says_so_alone_and_goes_on_later(
    collecting: subprocess.Popen[str], tmp_path: Path, whole: bytes, number: int, everybody: bool
) -> None:
    (os.killpg if everybody else os.kill)(collecting.pid, number)
    _, errors = collecting.communicate(timeout=PATIENCE)
    assert collecting.returncode == 1
    assert errors.splitlines()[-1] == (
        "Error: Stopped. Finished episodes are kept in f.h5.parts. Run the same command again to "
        "go on."
    )
    assert "Traceback" not in errors and "leaked" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5.parts"]
    again = begin(tmp_path)
    assert again.communicate(timeout=PATIENCE) and again.returncode == 0
    assert (tmp_path / "f.h5").read_bytes() == whole
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]


def test_a_worker_that_is_ended_is_told(
    collecting: subprocess.Popen[str], tmp_path: Path, whole: bytes
) -> None:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(collecting.pid)], capture_output=True, text=True
    )
    workers = [line.split()[0] for line in listed.stdout.splitlines() if "spawn_main" in line]
    os.kill(int(workers[0]), signal.SIGTERM)
    _, errors = collecting.communicate(timeout=PATIENCE)
    assert collecting.returncode == 1
    assert errors.splitlines()[-1] == (
        "Error: A collecting process was ended from outside, most likely because memory ran out. "
        "What it had finished is kept: run the same command again, with fewer --workers."
    )
    again = begin(tmp_path)
    assert again.communicate(timeout=PATIENCE) and again.returncode == 0
    assert (tmp_path / "f.h5").read_bytes() == whole


END = """
import os, signal, sys, time
from lewm_probe.data import collect
number, real = int(sys.argv.pop()), collect.os.replace
def replace(source, target):
    real(source, target)
    if str(target).endswith("f.h5") and "parts" not in str(target):
        os.kill(os.getpid(), number)
        time.sleep(0.01)
signal.signal(signal.SIGINT, signal.default_int_handler)
collect.os.replace = replace
from lewm_probe.cli.main import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_at_its_very_end_it_is_whole_and_says_something(
    tmp_path: Path, whole: bytes, number: int
) -> None:
    command = [sys.executable, "-c", END, *WORDS, "--out", "f.h5", "--workers", "1"]
    ended = subprocess.run(
        [*command, str(int(number))], cwd=tmp_path, capture_output=True, text=True
    )
    assert (tmp_path / "f.h5").read_bytes() == whole
    if number == signal.SIGKILL:
        assert ended.returncode == -signal.SIGKILL
    else:
        assert ended.returncode == 1
        assert ended.stderr.splitlines()[-1].startswith("Error: Stopped. ")
        assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]
    again = begin(tmp_path)
    assert "already there" in again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0
    assert [path.name for path in tmp_path.iterdir() if path.name != ".f.h5.lock"] == ["f.h5"]


def test_two_do_not_collect_into_one_file(tmp_path: Path, whole: bytes) -> None:
    with alone(tmp_path / "f.h5", beside=True):
        other = begin(tmp_path)
        _, errors = other.communicate(timeout=PATIENCE)
    assert other.returncode == 1
    assert errors.splitlines()[-1] == (
        "Error: Another lewm-probe is writing in f.h5. Wait for it, or choose another place with "
        "--out."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_short_is_not_taken_for_the_data_set(
    tmp_path: Path, whole: bytes
) -> None:
    path = tmp_path / "f.h5"
    path.write_bytes(whole[:-1000])
    with pytest.raises(UserError) as caught:
        collect("two-room", 100, path, size=16, length=40, seed=5)
    assert str(caught.value) == (
        f"{path} is there already, and is not a data set that can be read. Choose another place "
        "with --out, or give --overwrite to replace it."
    )
