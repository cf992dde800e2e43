"""Files from untrusted sources: each fault is one readable error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile

DAMAGED = (
    "{path} is damaged or was not written as a data set of episodes: {what}. Fetch or collect it "
    "again."
)


def _set(name: str, index: int, value: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][index] = value

    return change


def _replace(name: str, values: np.ndarray | None, **how: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **how)

    return change


def _link(file: h5py.File) -> None:
    file["secret"] = h5py.ExternalLink("/etc/passwd", "/")


def _external(file: h5py.File) -> None:
    file.create_dataset("secret", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/tmp/elsewhere.h5", "values", (4,))
    file.create_virtual_dataset("secret", layout)


U64_END = np.iinfo(np.uint64).max
FAULTS = {
    "overlap": (_set("ep_offset", 3, 70), "the episodes 2 and 3 share rows"),
    "negative offset": (_set("ep_offset", 0, -5), "an episode has a negative offset or no rows"),
    "no rows": (_set("ep_len", 2, 0), "an episode has a negative offset or no rows"),
    "dangling offset": (
        _set("ep_offset", 11, 360),
        "episode 11 claims the rows 360 to 391, but the file has 372",
    ),
    "far offset": (
        _set("ep_offset", 11, 2**62),
        "an episode reaches past the 372 rows of the file",
    ),
    "wrapping offset": (
        _replace("ep_offset", np.full(12, U64_END, np.uint64)),
        "an episode reaches past the 372 rows of the file",
    ),
    "fractional lengths": (
        _replace("ep_len", np.full(12, 31.0)),
        "ep_len is float64 of shape (12,), not a list of integers",
    ),
    "other count": (
        _replace("ep_len", np.full(11, 31)),
        "ep_offset lists 12 episodes, but ep_len 11",
    ),
    "no episodes": (
        lambda file: [_replace(n, np.zeros(0, int))(file) for n in ("ep_len", "ep_offset")],
        "it lists 0 episodes over 372 rows",
    ),
    "short action": (
        _replace("action", np.zeros((371, 2), np.float32)),
        "column 'action' has 371 rows, but pixels has 372",
    ),
    "short column": (
        _replace("proprio", np.zeros((9, 2), np.float32)),
        "column 'proprio' has 9 rows, but pixels has 372",
    ),
    "absurd size, nothing stored": (
        _replace("pixels", None, shape=(2**50, 64, 64, 3), dtype=np.uint8, chunks=(1, 64, 64, 3)),
        f"column 'pixels' holds 0 of the {2**50} chunks that its size promises",
    ),
    "absurd chunk": (
        _replace(
            "pixels", None, shape=(2**20, 64, 64, 3), dtype=np.uint8, chunks=(2**18, 64, 64, 3)
        ),
        "column 'pixels' has chunks of 3221225472 bytes",
    ),
    "absurd image": (
        _replace("pixels", None, shape=(372, 2**40, 64, 3), dtype=np.uint8, chunks=(1, 64, 64, 3)),
        "pixels has the impossible shape (372, 1099511627776, 64, 3)",
    ),
    "contiguous, nothing stored": (
        _replace("action", None, shape=(372, 2), dtype=np.float32),
        "column 'action' promises values that were never written",
    ),
    "external link": (_link, "'secret' is a link, and links are not followed"),
    "external storage": (_external, "'secret' keeps its values in another file"),
    "virtual data set": (_virtual, "'secret' keeps its values in another file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_refused(changed: Callable, fault: str) -> None:
    change, what = FAULTS[fault]
    path = changed(change)
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == DAMAGED.format(path=path, what=what)


def test_missing_columns_are_named(changed: Callable) -> None:
    def strip(file: h5py.File) -> None:
        for name in set(file) - {"step_idx", "pixels"}:
            del file[name]

    path = changed(strip)
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == (
        f"{path} is not a data set of episodes: it lacks action, ep_offset, ep_len (found: pixels, "
        "step_idx). Expected the columns pixels, action, ep_offset and ep_len. Give another file, "
        "or collect one with `lewm-probe data collect`."
    )


@pytest.mark.parametrize("bad", [True, False])
def test_floating_point_pixels_are_refused(changed: Callable, bad: bool) -> None:
    pixels = np.zeros((372, 4, 4, 3), np.float32)
    if bad:
        pixels[0, 1, 1] = np.nan
    path = changed(_replace("pixels", pixels))
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == (
        f"The pixels in {path} are float32{', some of them NaN or infinite' if bad else ''}; "
        "expected uint8 grey levels 0–255. Convert them (values × 255, rounded) and write the file "
        "again."
    )


def test_channels_first_pixels_are_refused(changed: Callable) -> None:
    path = changed(_replace("pixels", np.zeros((372, 3, 16, 16), np.uint8)))
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == (
        f"The pixels in {path} have shape (372, 3, 16, 16); expected (rows, height, width, 3), "
        "channels last. Transpose them and write the file again."
    )


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (
            np.zeros((372, 2), np.int64),
            "The actions in {path} are int64; expected float32, one row a step, the last of each "
            "episode NaN. Convert them and write the file again.",
        ),
        (
            np.zeros(372, np.float32),
            "The actions in {path} have shape (372,); expected (rows, action width). Reshape them "
            "and write the file again.",
        ),
    ],
)
def test_odd_actions_are_refused(changed: Callable, actions: np.ndarray, message: str) -> None:
    path = changed(_replace("action", actions))
    with pytest.raises(UserError) as error:
        EpisodeFile(path)
    assert str(error.value) == message.format(path=path)


def test_a_truncated_file_is_refused_wherever_it_ends(collected: Path, tmp_path: Path) -> None:
    whole = collected.read_bytes()
    path = tmp_path / "truncated.h5"
    for length in (0, 1, 100, len(whole) // 3, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as error:
            EpisodeFile(path)
        assert str(error.value).startswith(f"{path} cannot be read as HDF5 (")
        assert str(error.value).endswith(
            "): it is truncated, damaged, or another kind of file. Fetch or collect it again."
        )


def test_flipped_bytes_never_escape_as_anything_else(collected: Path, tmp_path: Path) -> None:
    whole = bytearray(collected.read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.h5"
    refused = 0
    for _ in range(40):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 200):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            with EpisodeFile(path) as file:
                for index in range(len(file)):
                    file.episode(index)
        except UserError:
            refused += 1
    assert refused > 30


def test_other_things_in_a_file_are_left_alone(changed: Callable) -> None:
    def add(file: h5py.File) -> None:
        file.create_dataset("instruction", data=["push"] * 372)
        file.create_group("extras")["note"] = 3
        file.create_dataset("scalar", data=7)
        file.attrs["long"] = "x" * 40_000
        file.attrs["several"] = [1, 2]
        file.attrs["bytes"] = np.bytes_("abc")

    with EpisodeFile(changed(add)) as file:
        assert not {"instruction", "extras", "scalar"} & set(file.columns)
        assert not {"long", "several"} & set(file.attrs)
        assert file.attrs["bytes"] == "abc"
