from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.data.formats.hdf5.disk import DiskFile


def test_hdf5_reads_back_what_it_wrote(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 7))
    with DiskFile(tmp_path / "a.h5") as disk, h5py.File(disk, "w") as file:
        file.create_dataset("values", data=values, chunks=(3, 7))
        np.testing.assert_array_equal(file["values"][10:20], values[10:20])
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["values"][:], values)


def test_moves_and_cuts_like_a_file(tmp_path: Path) -> None:
    with DiskFile(tmp_path / "a") as disk:
        assert disk.write(memoryview(b"0123456789")) == 10
        assert disk.seek(-4, 2) == disk.tell() == 6
        assert disk.read(100) == b"6789"
        assert disk.seek(0) == 0 and disk.seek(3, 1) == 3
        into = bytearray(4)
        assert disk.readinto(memoryview(into)) == 4 and into == b"3456"
        assert disk.truncate(5) == 5
        assert disk.seek(0, 2) == 5
        disk.flush()
    assert (tmp_path / "a").read_bytes() == b"01234"


def test_a_full_disk_is_told_on_leaving_and_hdf5_closes(
    tmp_path: Path, full_disk: Callable
) -> None:
    full = pytest.raises(OSError, match="No space left on device")
    with full_disk(), full, DiskFile(tmp_path / "a.h5") as disk, h5py.File(disk, "w") as file:
        file.create_dataset("values", data=np.zeros(100_000))


def test_another_error_is_not_covered_up(tmp_path: Path, full_disk: Callable) -> None:
    with full_disk(), pytest.raises(KeyError, match="first"), DiskFile(tmp_path / "a") as disk:
        disk.write(memoryview(b"x"))
        raise KeyError("first")
