from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.preview import LABEL, MARGIN, animate, contact_sheet


def _cell(sheet: np.ndarray, line: int, column: int) -> np.ndarray:
    """The image of one cell of a sheet of 16 px images, enlarged six times."""
    top = MARGIN + line * (96 + MARGIN + LABEL) + LABEL
    left = MARGIN + column * (96 + MARGIN)
    return sheet[top : top + 96, left : left + 96]


def test_the_sheet_shows_evenly_spaced_images(collected: Path, tmp_path: Path) -> None:
    with EpisodeFile(collected) as file:
        out = contact_sheet(file, tmp_path / "sheet.png", rows=3, columns=4)
        sheet = np.asarray(Image.open(out))
        for line, episode in enumerate((0, 5, 11)):
            for column, step in enumerate((0, 10, 20, 30)):
                frame = file.episode(episode, ["pixels"])["pixels"][step]
                enlarged = frame.repeat(6, axis=0).repeat(6, axis=1)
                np.testing.assert_array_equal(_cell(sheet, line, column), enlarged)


def test_the_sheet_of_one_episode(collected: Path, tmp_path: Path) -> None:
    with EpisodeFile(collected) as file:
        out = contact_sheet(file, tmp_path / "sheet.PNG", episode=4, rows=3, columns=5)
        sheet = np.asarray(Image.open(out))
        frames = file.episode(4, ["pixels"])["pixels"]
    for line, column, step in ((0, 0, 0), (1, 2, 15), (2, 4, 30)):
        enlarged = frames[step].repeat(6, axis=0).repeat(6, axis=1)
        np.testing.assert_array_equal(_cell(sheet, line, column), enlarged)


def test_short_episodes_fill_what_they_can(
    written: Callable, episode: Callable, tmp_path: Path
) -> None:
    with EpisodeFile(written([episode(2), episode(1)])) as file:
        assert contact_sheet(file, tmp_path / "sheet.png").is_file()


def test_the_animation_plays_every_row(collected: Path, tmp_path: Path) -> None:
    with EpisodeFile(collected) as file:
        out = animate(file, tmp_path / "video.gif", episode=2)
        frames = file.episode(2, ["pixels"])["pixels"]
    shown, milliseconds = [], 0
    with Image.open(out) as video:
        assert video.format == "GIF" and video.size == (96, 96)
        assert video.info["loop"] == 0
        for index in range(video.n_frames):
            video.seek(index)
            milliseconds += video.info["duration"]
            shown.append(np.asarray(video.convert("RGB")).astype(int))
    assert milliseconds == 31 * 50  # an image equal to the one before is only shown longer
    assert np.abs(shown[0][3::6, 3::6] - frames[0]).mean() < 4  # 256 colours
    assert np.abs(shown[-1][3::6, 3::6] - frames[-1]).mean() < 4


def test_other_kinds_of_file_are_refused(collected: Path, tmp_path: Path) -> None:
    with EpisodeFile(collected) as file:
        with pytest.raises(UsageError) as error:
            contact_sheet(file, tmp_path / "sheet.jpg")
        assert str(error.value) == (
            f"{tmp_path / 'sheet.jpg'} is not a name for a contact sheet, which is a .png file. "
            "Try sheet.png."
        )
        with pytest.raises(UsageError) as error:
            animate(file, tmp_path / "video")
        assert str(error.value) == (
            f"{tmp_path / 'video'} is not a name for an animation, which is a .gif file. "
            "Try video.gif."
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gif", [True, False])
def test_no_such_episode(collected: Path, tmp_path: Path, gif: bool) -> None:
    with EpisodeFile(collected) as file, pytest.raises(UserError) as error:
        if gif:
            animate(file, tmp_path / "video.gif", episode=12)
        else:
            contact_sheet(file, tmp_path / "sheet.png", episode=12)
    assert str(error.value) == (
        f"There is no episode 12 in {collected}: it has 12, counted from 0. Choose one from "
        "0 to 11."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("write", "suffix"), [(contact_sheet, "png"), (animate, "gif")])
def test_images_of_others_are_not_replaced_and_ours_are(
    collected: Path, tmp_path: Path, write: Callable[[EpisodeFile, Path], Path], suffix: str
) -> None:
    theirs = tmp_path / f"holiday.{suffix}"
    Image.new("RGB", (8, 8)).save(theirs)
    before = theirs.read_bytes()
    with EpisodeFile(collected) as file:
        with pytest.raises(UserError) as caught:
            write(file, theirs)
        ours = write(file, tmp_path / f"ours.{suffix}")
        assert write(file, ours) == ours
    assert str(caught.value) == (
        f"{theirs} is there already and was not written by lewm-probe, so it is not replaced. Move "
        "it away, or choose another name with --out."
    )
    assert theirs.read_bytes() == before
