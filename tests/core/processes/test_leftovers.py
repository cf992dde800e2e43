"""What killed writers leave, removed by the next one, and never a living one's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lewm_probe.core.files import atomic_folder, atomic_path, write_text
from lewm_probe.core.processes.leftovers import remove_stale

WRITE = """
import sys
from pathlib import Path
from lewm_probe.core import files
write = getattr(files, sys.argv[1])
with write(Path(sys.argv[2])) as temporary:
    (temporary if temporary.is_file() else temporary / "x").write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
"""

Start = Callable[[str, Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that is in the middle of writing a file or folder."""
    begun = []

    def begin(how: str, path: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITE, how, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


KINDS = pytest.mark.parametrize(
    ("how", "name"), [("atomic_path", "a.png"), ("atomic_folder", "a.lance")]
)


@KINDS
def test_the_next_writer_removes_what_a_killed_one_left(
    start: Start, tmp_path: Path, how: str, name: str
) -> None:
    for _ in range(2):
        killed = start(how, tmp_path / name)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    (left,) = names(tmp_path)  # the second one has removed the first one's
    assert left.startswith(f".{name}.") and ".partial" in left
    write_text(tmp_path / "b.txt", "another file")
    assert names(tmp_path) == [left, "b.txt"]
    write = {"atomic_path": atomic_path, "atomic_folder": atomic_folder}[how]
    with write(tmp_path / name) as temporary:
        assert names(tmp_path) == sorted([temporary.name, "b.txt"])
    assert names(tmp_path) == [name, "b.txt"]


@KINDS
def test_a_living_writers_is_never_removed(
    start: Start, tmp_path: Path, how: str, name: str
) -> None:
    living = start(how, tmp_path / name)
    (its,) = names(tmp_path)
    write = {"atomic_path": atomic_path, "atomic_folder": atomic_folder}[how]
    with write(tmp_path / name) as temporary:
        (temporary if temporary.is_file() else temporary / "x").write_text("ours")
        assert its in names(tmp_path)
    remove_stale(tmp_path)
    assert its in names(tmp_path)
    living.communicate("go\n")
    assert living.returncode == 0
    assert names(tmp_path) == [name]


def test_only_our_names_are_removed(tmp_path: Path) -> None:
    kept = [".bashrc", ".a.partial", ".a.png.partial", "a.abcdefgh.partial", ".a.ABCDEFGH.old"]
    for name in kept:
        (tmp_path / name).touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").touch()
    (tmp_path / ".a.abcdefgh.partial").symlink_to(elsewhere)
    (tmp_path / ".a.png.abcdefgh.partial.png").touch()
    (tmp_path / ".a.abcdefg_.old").mkdir()
    remove_stale(tmp_path)
    assert names(tmp_path) == sorted([*kept, "elsewhere"])
    assert names(elsewhere) == ["precious"]


def test_a_folder_that_was_set_aside_by_a_killed_process_is_put_back(tmp_path: Path) -> None:
    aside = tmp_path / ".a.lance.abcdefgh.old" / "a.lance"
    aside.mkdir(parents=True)
    (aside / "x").write_text("old")
    with pytest.raises(ValueError), atomic_folder(tmp_path / "a.lance"):
        assert (tmp_path / "a.lance" / "x").read_text() == "old"
        raise ValueError
    assert names(tmp_path) == ["a.lance"]


def test_a_folder_that_cannot_be_read_is_written_all_the_same(tmp_path: Path) -> None:
    remove_stale(tmp_path / "none")
    with pytest.raises(ValueError), atomic_path(tmp_path / "a"):
        raise ValueError
    assert names(tmp_path) == []
