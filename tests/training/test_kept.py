"""Encoded frames on disk: exact up to float16, bounded, resumed, and told beforehand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lewm_probe.core import disk
from lewm_probe.core.errors import NotWritten, UserError
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.training.kept import KeptFrames, keep_frames

CPU = torch.device("cpu")
SIZE = 180 * 2 * 3 * 2
"""Bytes of six episodes of 30 rows as (2, 3) numbers each."""


class Corners:
    """The upper left colour and the lower right one: (2, 3)."""

    shape: tuple[int, ...] = (2, 3)

    def __init__(self, name: str = "corners", scale: float = 1.0, stop_after: int = 10**9) -> None:
        self.fingerprint, self.scale, self.left = name, scale, stop_after
        self.calls = 0

    def __call__(self, frames: Tensor) -> Tensor:
        self.calls += len(frames)
        if self.calls > self.left:
            raise KeyboardInterrupt
        return self.scale * torch.stack([frames[:, 0, 0], frames[:, -1, -1]], 1).float()


def keep(data: Path, frozen: Corners, folder: Path, **keys: Any) -> KeptFrames | None:
    with open_episodes(data) as file:
        return keep_frames(file, frozen, CPU, **{"limit_gb": 1.0, "folder": folder, **keys})


def test_windows_of_kept_frames_are_those_of_the_images(small_data: Path, tmp_path: Path) -> None:
    kept = keep(small_data, Corners(), tmp_path / "kept")
    with open_episodes(small_data) as file:
        images = Windows(file, [1, 3, 4], frames=3, frame_skip=2)
        encoded = Windows(file, [1, 3, 4], frames=3, frame_skip=2, encoded=kept)
        assert not encoded.in_memory
        which = [0, 5, 40, 7]
        seen, given = images.batch(which), encoded.batch(which)
    assert given.keys() == {"encoded", "action"}
    assert given["encoded"].dtype == np.float16
    np.testing.assert_array_equal(given["action"], seen["action"])
    np.testing.assert_array_equal(given["encoded"][:, :, 0], seen["pixels"][:, :, 0, 0])
    np.testing.assert_array_equal(given["encoded"][:, :, 1], seen["pixels"][:, :, -1, -1])


def test_sizes_are_said_before_anything_is_written(small_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    told: list[tuple[dict[str, Any], bool]] = []

    def tell(record: Any) -> None:
        told.append(({**record}, any(folder.glob("*.f16"))))

    keep(small_data, Corners(), folder, tell=tell)
    first, there = told[0]
    assert not there
    assert first == {
        "split": "encoding",
        "step": 0,
        "of": 180,
        "megabytes": SIZE / 1e6,
        "frames": 0,
    }
    assert told[-1][0]["frames"] == 180
    assert [path.stat().st_size for path in folder.glob("*.f16")] == [SIZE]


def test_an_entry_is_made_once_for_an_encoder_and_a_data_set(
    small_data: Path, tmp_path: Path
) -> None:
    first, again, other = Corners(), Corners(), Corners("other")
    for frozen in (first, again, other):
        keep(small_data, frozen, tmp_path / "kept")
    assert (first.calls, again.calls, other.calls) == (180, 0, 180)
    assert keep(small_data, again, tmp_path / "kept", limit_gb=0) is None


def test_a_stopped_encoding_goes_on(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lewm_probe.training.kept.BLOCK_BYTES", 20 * 16 * 16 * 3)
    monkeypatch.setattr("lewm_probe.training.kept._SAVED_EVERY", 1)
    folder = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        keep(small_data, Corners(stop_after=70), folder)
    (place,) = folder.glob("*.json")
    assert json.loads(place.read_text()) == {"rows": 60}
    rest = Corners()
    keep(small_data, rest, folder)
    assert rest.calls == 120
    (entry,) = folder.glob("*.f16")
    whole = keep(small_data, Corners(), tmp_path / "whole")
    assert whole is not None
    assert entry.read_bytes() == whole.path.read_bytes()
    assert not list(folder.glob("*.json"))


def test_a_place_that_was_tampered_with_is_not_believed(small_data: Path, tmp_path: Path) -> None:
    whole = keep(small_data, Corners(), tmp_path / "whole")
    assert whole is not None
    folder = tmp_path / "kept"
    folder.mkdir()
    for text in ('{"rows": 10000}', "no JSON", '{"rows": -1}', "[]"):
        (folder / f"{whole.path.stem}.partial.f16").write_bytes(b"xx")
        (folder / f"{whole.path.stem}.partial.json").write_text(text)
        kept = keep(small_data, Corners(), folder)
        assert kept is not None
        assert kept.path.read_bytes() == whole.path.read_bytes()
        kept.path.unlink()


def test_what_was_longest_unused_goes_first(small_data: Path, tmp_path: Path) -> None:
    folder, limit = tmp_path / "kept", 2.5 * SIZE / 1e9
    names = {}
    for age, name in enumerate(("old", "older", "new")):
        before = set(folder.glob("*.f16"))
        keep(small_data, Corners(name), folder, limit_gb=limit)
        (names[name],) = set(folder.glob("*.f16")) - before
        if name != "new":
            os.utime(names[name], (100 - age, 100 - age))
    assert set(folder.glob("*.f16")) == {names["old"], names["new"]}


def test_more_than_the_limit_is_refused(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        keep(small_data, Corners(), tmp_path / "kept", limit_gb=1e-6)
    assert str(caught.value) == (
        f"The encoded frames of {small_data} would take 0.0 MB on disk, more than data.cache_gb "
        "allows (1e-06 GB). Raise it, or set it to 0: frames are then encoded anew at every step, "
        "which takes longer and no space."
    )
    assert not (tmp_path / "kept").exists()


def test_what_the_disk_would_not_hold_is_refused(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda place: 1000)
    folder = tmp_path / "kept"
    with pytest.raises(NotWritten) as caught:
        keep(small_data, Corners(), folder)
    assert str(caught.value) == (
        f"Keeping the encoded frames would take about 0.0 MB, and 0.0 MB are free at {folder}. "
        "Free some space, choose another place with --out, or ask for less: data.cache_gb=0, which "
        "keeps none."
    )
    assert not list(folder.glob("*.f16"))


def test_numbers_beyond_float16_are_refused(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        keep(small_data, Corners(scale=1000.0), tmp_path / "kept")
    assert str(caught.value) == (
        f"The frozen encoder gives numbers beyond float16 for frames 0 to 179 of {small_data}. Set "
        "data.cache_gb=0 to encode frames anew at every step, in float32."
    )
