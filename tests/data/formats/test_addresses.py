"""Data sets where others keep them: HDF5 in ranges, Lance by its own store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lewm_probe.cli.main import app
from lewm_probe.core.addresses import ranges
from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.formats.lance import guard
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.results.result import Result
from tests.fixtures.stores import Put


def test_a_file_is_read_in_ranges(
    s3: Put, collected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    address, asked = s3(collected, "sets/two-room.h5"), []
    plainly = s3fs.S3File._fetch_range

    def fetch(self: s3fs.S3File, start: int, end: int) -> bytes:
        asked.append(end - start)
        return plainly(self, start, end)

    monkeypatch.setattr(s3fs.S3File, "_fetch_range", fetch)
    monkeypatch.setattr(ranges, "BLOCK", 4096)
    with open_episodes(address) as data, open_episodes(collected) as local:
        assert (str(data.path), data.columns) == (address, local.columns)
        np.testing.assert_array_equal(data.read("pixels", 40, 44), local.read("pixels", 40, 44))
        assert sum(asked) < collected.stat().st_size / 2
        assert data.stored_bytes() == collected.stat().st_size
        assert data.fingerprint == local.fingerprint


def test_a_table_is_read_by_lance_itself(s3: Put, collected: Path, tmp_path: Path) -> None:
    table = tmp_path / "two-room.lance"
    convert(collected, table, episodes=(0, 3))
    guard._helper.stop()  # which may have been started before there was a server
    with open_episodes(s3(table, "two-room.lance")) as data, open_episodes(table) as local:
        assert len(data) == 3
        assert data.fingerprint == local.fingerprint
        rows = np.array([5, 3, 5])
        np.testing.assert_array_equal(data.take("pixels", rows), local.take("pixels", rows))


def test_a_table_broken_off_is_refused(s3: Put, collected: Path, tmp_path: Path) -> None:
    table = tmp_path / "two-room.lance"
    convert(collected, table, episodes=(0, 1))
    broken = next(table.rglob("data/*.lance"))
    broken.write_bytes(broken.read_bytes()[:-7])
    with pytest.raises(UserError) as caught:
        open_episodes(s3(table, "two-room.lance"))
    assert str(caught.value) == (
        f"s3://bucket/two-room.lance cannot be read as a Lance table (data/{broken.name} is not "
        "whole). Check the address, the variables in which its store looks for credentials and "
        "region, and the network; or fetch the table, which may be damaged."
    )


def test_what_the_command_line_makes_of_it(
    memory: Put, collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = memory(collected, "two-room.h5")

    def run(*words: str) -> str:
        answer = CliRunner().invoke(app, list(words), prog_name="lewm-probe", env={"COLUMNS": "80"})
        return f"{answer.exit_code}: {answer.output}"

    assert '"episodes": 12' in run("data", "info", address, "--json")
    copy = tmp_path / "copy.h5"
    assert run("data", "convert", address, str(copy), "-q") == "0: "
    with open_episodes(copy) as data, open_episodes(collected) as local:
        assert data.fingerprint == local.fingerprint
    monkeypatch.chdir(tmp_path)
    assert run("data", "preview", address, "-q") == "0: "
    assert (tmp_path / "two-room.png").is_file()


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("data", "convert", "copy.h5", "s3://bucket/a"), ""),
        (("data", "collect", "two-room", "-n", "1", "--out", "s3://bucket/a"), " with --out"),
        (("data", "preview", "copy.h5", "--out", "s3://bucket/a.png"), " with --out"),
        (("train", "two-room/lewm-cpu", "--data", "copy.h5", "--out", "s3://bucket/a"), None),
        (("study", "two-room", "--families", "lewm", "--out", "s3://bucket/a"), " with --out"),
        (("report", "results", "--out", "s3://bucket/a"), " with --out"),
    ],
)
def test_addresses_are_not_written(
    collected: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    option: str | None,
) -> None:
    (tmp_path / "copy.h5").symlink_to(collected)
    monkeypatch.chdir(tmp_path)
    Result([], [], []).save(tmp_path / "results")
    answer = CliRunner().invoke(app, list(words), prog_name="lewm-probe")
    told = " ".join(answer.stderr.split())
    assert answer.exit_code == 2, told
    how = "" if option is None else f"{option}, and copy what comes out of it."
    assert (
        f"Error: {words[-1]} cannot be written: addresses are only read. Give a path{how}" in told
    )
    assert not list(tmp_path.glob("s3*"))


def said(address: str) -> str:
    with pytest.raises(UserError) as caught:
        open_episodes(address)
    return str(caught.value)


def test_nothing_is_there(memory: Put) -> None:
    assert said("memory://shelf/a.h5") == (
        "The data set memory://shelf/a.h5 does not exist. Check the path, or collect one with "
        "`lewm-probe data collect two-room --episodes 600 --out FILE.h5`."
    )


def test_a_folder_of_images_is_refused(memory: Put, collected: Path, tmp_path: Path) -> None:
    convert(collected, tmp_path / "images", episodes=(0, 1))
    assert said(memory(tmp_path / "images", "images")) == (
        "memory://shelf/images is a folder, and folders of images are not read by address: every "
        "image would be a request. Copy it to this machine, or convert it to .h5 or .lance where "
        "it lies."
    )


def test_a_broken_file_is_told_from_a_broken_line(
    memory: Put, collected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = memory(collected, "a.h5")
    (tmp_path / "b.h5").write_bytes(collected.read_bytes()[:3000])
    assert said(memory(tmp_path / "b.h5", "b.h5")).startswith(
        "memory://shelf/b.h5 cannot be read as HDF5 ("
    )
    with EpisodeFile(whole) as file:
        read = file._ranges._file.read  # type: ignore[union-attr]
        unplugged = [False]

        def broken(size: int) -> bytes:
            if unplugged[0]:
                raise TimeoutError("no answer")
            return read(size)

        monkeypatch.setattr(file._ranges._file, "read", broken)  # type: ignore[union-attr]
        file.row("pixels", 0)
        unplugged[0] = True
        with pytest.raises(UserError) as caught:
            file.row("pixels", 200)
        unplugged[0] = False
    assert str(caught.value) == (
        "memory://shelf/a.h5 cannot be reached (TimeoutError: no answer). Check the address, your "
        "credentials and the network, or copy what is there to this machine."
    )
