from __future__ import annotations

import errno
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from lewm_probe.core.disk import check_room, free_bytes, is_full
from lewm_probe.core.errors import NotWritten, UserError
from lewm_probe.core.files import atomic_folder, atomic_path


def wrapped(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        except type(cause):
            raise ValueError("it was not to be")  # noqa: B904 as libraries do
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EFBIG, "x"), True),
        (OSError("LanceError(IO): Generic LocalFileSystem: No space left on device"), True),
        (RuntimeError("write failed: Disk quota exceeded"), True),
        (wrapped(OSError(errno.ENOSPC, "x")), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError("no space in this name"), False),
    ],
)
def test_a_full_disk_is_known_however_it_is_said(error: BaseException, full: bool) -> None:
    assert is_full(error) is full


@pytest.mark.parametrize("writer", [atomic_path, atomic_folder])
def test_what_a_library_says_of_a_full_disk_is_one_readable_error(
    tmp_path: Path, writer: object
) -> None:
    target = tmp_path / "new"
    with pytest.raises(UserError) as caught, writer(target):  # type: ignore[operator]
        raise RuntimeError("LanceError(IO): No space left on device (os error 28)")
    assert str(caught.value) == (
        f"The disk is full: {target} could not be written. Nothing half-written was left behind. "
        "Free some space, or choose another place with --out, and run the command again."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("writer", [atomic_path, atomic_folder])
def test_other_errors_pass_as_they_are(tmp_path: Path, writer: object) -> None:
    wrong = ValueError("of the block itself")
    with pytest.raises(ValueError, match="^of the block itself$") as caught, writer(tmp_path / "n"):  # type: ignore[operator]
        raise wrong
    assert caught.value is wrong
    assert wrong.__cause__ is None


def test_what_the_disk_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=5_000_000))
    place = tmp_path / "a" / "b"
    assert free_bytes(place) == 5_000_000
    check_room(place, 5e6, "It", "less")
    with pytest.raises(NotWritten) as caught:
        check_room(place, 12.3e9, "600 episodes", "fewer --episodes")
    assert str(caught.value) == (
        f"600 episodes would take about 12,300 MB, and 5.0 MB are free at {place}. Free some "
        "space, choose another place with --out, or ask for less: fewer --episodes."
    )
