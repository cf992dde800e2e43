from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.folder.episodes import FolderEpisodes
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.formats.lance.episodes import LanceEpisodes
from lewm_probe.data.formats.registry import open_episodes, storage_of


def test_each_kind_is_known_by_what_lies_there(collected: Path, tmp_path: Path) -> None:
    kinds = {"a.h5": EpisodeFile, "b.lance": LanceEpisodes, "c": FolderEpisodes}
    for name, kind in kinds.items():
        convert(collected, tmp_path / name, episodes=(0, 2))
        with open_episodes(tmp_path / name) as data:
            assert type(data) is kind
            assert (len(data), data.rows, data.frame_shape) == (2, 62, (16, 16, 3))
            assert data.action_width == 2
            assert data.world == "two-room"
            assert data.chunk_rows == 1
            assert data.stored_bytes() > 1000
    (tmp_path / "c").rename(tmp_path / "c.with.dots")
    assert storage_of(tmp_path / "c.with.dots") == "folder"
    assert storage_of(tmp_path / "not-there") == "folder"
    assert storage_of(tmp_path / "not-there.hdf5") == "hdf5"


def test_nothing_there(tmp_path: Path) -> None:
    for name in ("x.h5", "x.lance", "x"):
        with pytest.raises(UserError) as error:
            open_episodes(tmp_path / name)
        assert str(error.value) == (
            f"The data set {tmp_path / name} does not exist. Check the path, or collect one with "
            "`lewm-probe data collect two-room --episodes 600 --out FILE.h5`."
        )
