from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.folder.episodes import FolderEpisodes
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.formats.lance.episodes import LanceEpisodes
from lewm_probe.data.formats.registry import FORMATS, format_of, open_episodes


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
    assert format_of(tmp_path / "c.with.dots")[0] == "folder"


def test_a_link_to_a_data_set_is_as_large_as_it(collected: Path, tmp_path: Path) -> None:
    (tmp_path / "link.h5").symlink_to(collected)
    with open_episodes(tmp_path / "link.h5") as data:
        assert data.stored_bytes() == collected.stat().st_size


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("not-there", "folder"),
        ("not-there.hdf5", "hdf5"),
        ("not-there.lance", "lance"),
        ("not.there", "hdf5"),
    ],
)
def test_what_is_to_be_written_is_known_by_its_name(tmp_path: Path, name: str, kind: str) -> None:
    assert format_of(tmp_path / name) == (kind, FORMATS.get(kind))


class ReadOnly:
    """A format that cannot write."""

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".sealed"

    def open(self, path: Path) -> EpisodeFile:
        return EpisodeFile(path)


def test_a_format_may_be_read_only(
    collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FORMATS, "_own", {"sealed": ReadOnly()})
    shutil.copy(collected, tmp_path / "a.sealed")
    convert(tmp_path / "a.sealed", tmp_path / "b.h5", episodes=(0, 1))
    with pytest.raises(UserError) as error:
        convert(tmp_path / "b.h5", tmp_path / "c.sealed")
    assert str(error.value) == (
        f"{tmp_path / 'c.sealed'} cannot be written: data sets of the format 'sealed' can only be "
        "read. Choose a name of one that can be written: folder, hdf5, lance."
    )


def test_nothing_there(tmp_path: Path) -> None:
    for name in ("x.h5", "x.lance", "x"):
        with pytest.raises(UserError) as error:
            open_episodes(tmp_path / name)
        assert str(error.value) == (
            f"The data set {tmp_path / name} does not exist. Check the path, or collect one with "
            "`lewm-probe data collect two-room --episodes 600 --out FILE.h5`."
        )
