"""Data sets that were made to harm: each ends in one error, soon, small, with nothing run."""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import hdf5plugin
import lance
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from lewm_probe.data.check.run import check_file
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.quantities import data_quantities
from lewm_probe.data.sampling.action_statistics import ActionStatistics

ROWS, EPISODES, SIDE = 40, 4, 8
Hostile = Callable[[Callable[[Path], Path], Callable[[Path], object], str], str]


def use(path: Path) -> None:
    """What ``data info`` and ``data check`` read: everything."""
    with open_episodes(path) as data:
        data_quantities(data)
        ActionStatistics.fit(data)
        _ = data.fingerprint
        check_file(data)


def whole(text: str) -> str:
    """A pattern for a whole message: ``PATH`` is any path ending in the data set's name."""
    folder = r"\S*/{name}"
    return re.escape(text).replace("PATH", folder).replace("ANY", ".{0,200}")


DAMAGED = (
    "PATH is damaged or was not written as a data set of episodes: {what}. Fetch or collect it "
    "again."
)
UNREADABLE = (
    "PATH cannot be read as HDF5 (ANY): it is truncated, damaged, or another kind of file. Fetch "
    "or collect it again."
)

# ---- HDF5


def sound(path: Path) -> h5py.File:
    """An open file of four episodes, without fault."""
    rng = np.random.default_rng(0)
    file = h5py.File(path, "w")
    pixels = rng.integers(0, 256, (ROWS, SIDE, SIDE, 3), np.uint8)
    file.create_dataset("pixels", data=pixels, chunks=(20, SIDE, SIDE, 3), **hdf5plugin.Blosc())
    action = rng.uniform(-1, 1, (ROWS, 2)).astype(np.float32)
    action[9::10] = np.nan
    file["action"] = action
    file["ep_offset"] = np.arange(EPISODES) * 10
    file["ep_len"] = np.full(EPISODES, 10, np.int32)
    return file


def changed(how: Callable[[h5py.File], object]) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = folder / "hostile.h5"
        with sound(path) as file:
            how(file)
        return path

    return build


def instead(name: str, values: Any = None, **how: Any) -> Callable[[h5py.File], object]:
    def replace(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **how)

    return replace


def entry(name: str, at: int, value: int) -> Callable[[h5py.File], object]:
    return lambda file: file[name].__setitem__(at, value)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((ROWS, 2), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "action", (ROWS, 2))
    del file["action"]
    file.create_virtual_dataset("action", layout)


def loop(file: h5py.File) -> None:
    """``pixels`` is the file's own root: pixels/pixels/pixels …"""
    del file["pixels"]
    file["pixels"] = file["/"]


def pickled(file: h5py.File) -> None:
    gadget = np.frombuffer(pickle.dumps(print), np.uint8)
    del file["action"]
    file["action"] = np.tile(gadget, (ROWS, 1)).view(f"V{len(gadget)}")


def bomb(file: h5py.File) -> None:
    """3 TB of zeros in 20 kB: chunks that unpack ten-thousandfold, all of them there."""
    rows, chunk = 2**14 * 1024, (2**14, 64, 64, 3)
    for name in ("pixels", "action"):
        del file[name]
    file["action"] = np.zeros((rows, 1), np.float32)
    file.create_dataset("pixels", (rows, 64, 64, 3), "u1", chunks=chunk, compression="gzip")
    squeezed = zlib.compress(bytes(2**20), 9)
    for number in range(rows // chunk[0]):
        file["pixels"].id.write_direct_chunk((number * chunk[0], 0, 0, 0), squeezed)


def numbers_bomb(file: h5py.File) -> None:
    """The same among the states, which are read in one go: half a gigabyte from a few kB."""
    rows, width, chunk = ROWS, 2**21, 2**18
    file.create_dataset("state", (rows, width), "f8", chunks=(rows, chunk), compression="gzip")
    squeezed = zlib.compress(bytes(rows * chunk * 8), 9)
    for number in range(width // chunk):
        file["state"].id.write_direct_chunk((0, number * chunk), squeezed)


def unknown_filter(file: h5py.File) -> None:
    """Values that only code brought along by the file's author could unpack."""
    del file["pixels"]
    space = h5py.h5s.create_simple((ROWS, SIDE, SIDE, 3))
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_chunk((20, SIDE, SIDE, 3))
    how.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    pixels = h5py.h5d.create(file.id, b"pixels", h5py.h5t.NATIVE_UINT8, space, how)
    for start in (0, 20):
        pixels.write_direct_chunk((start, 0, 0, 0), b"pay me", 0)


def lying_chunk(file: h5py.File) -> None:
    """A chunk of other bytes than its filter writes."""
    file["pixels"].id.write_direct_chunk((20, 0, 0, 0), b"\xff" * 64, 0)


U64_END = np.iinfo(np.uint64).max
HDF5: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "dangling offset": (
        entry("ep_offset", 3, 35),
        DAMAGED.format(what="episode 3 claims the rows 35 to 45, but the file has 40"),
    ),
    "negative length": (
        entry("ep_len", 1, -10),
        DAMAGED.format(what="an episode has a negative offset or no rows"),
    ),
    "a billion episodes": (
        lambda file: [instead(n, shape=(10**9,), dtype="i8", chunks=(1024,))(file)
                      for n in ("ep_offset", "ep_len")],
        DAMAGED.format(what="it lists 1000000000 episodes over 40 rows"),
    ),
    "offsets that wrap round": (
        instead("ep_offset", np.full(EPISODES, U64_END, np.uint64)),
        DAMAGED.format(what="an episode reaches past the 40 rows of the file"),
    ),
    "lengths that overflow a sum": (
        instead("ep_len", np.full(EPISODES, 2**62)),
        DAMAGED.format(what="an episode reaches past the 40 rows of the file"),
    ),
    "external link": (
        lambda file: file.__setitem__("state", h5py.ExternalLink("/etc/passwd", "/")),
        DAMAGED.format(what="'state' is a link, and links are not followed"),
    ),
    "soft link": (
        lambda file: file.__setitem__("state", h5py.SoftLink("/nowhere/at/all")),
        DAMAGED.format(what="'state' is a link, and links are not followed"),
    ),
    "external storage": (
        instead("action", shape=(ROWS, 2), dtype="f4", external=[("/etc/passwd", 0, ROWS * 8)]),
        DAMAGED.format(what="'action' keeps its values in another file"),
    ),
    "virtual data set": (virtual, DAMAGED.format(what="'action' keeps its values in another file")),
    "chunks never written": (
        instead("pixels", shape=(ROWS, SIDE, SIDE, 3), dtype="u1", chunks=(20, SIDE, SIDE, 3)),
        DAMAGED.format(what="column 'pixels' holds 0 of the 2 chunks that its size promises"),
    ),
    "rows without end": (
        instead("pixels", shape=(2**60, 8, 8, 3), dtype="u1", chunks=(2**10, 8, 8, 3)),
        DAMAGED.format(
            what=f"column 'pixels' holds 0 of the {2**50} chunks that its size promises"
        ),
    ),
    "an image without end": (
        instead("pixels", shape=(ROWS, 2**40, 8, 3), dtype="u1", chunks=(1, 8, 8, 3)),
        DAMAGED.format(what="pixels has the impossible shape (40, 1099511627776, 8, 3)"),
    ),
    "a chunk of a gigabyte": (
        instead("pixels", shape=(2**20, 64, 64, 3), dtype="u1", chunks=(2**17, 64, 64, 3)),
        DAMAGED.format(what="column 'pixels' has chunks of 1610612736 bytes"),
    ),
    "a bomb of terabytes": (
        bomb,
        DAMAGED.format(what="column 'pixels' claims 206158430208 bytes, unpacked from ANY"),
    ),
    "a bomb among the states": (
        numbers_bomb,
        DAMAGED.format(what="column 'state' claims 671088640 bytes, unpacked from ANY"),
    ),
    "pickled objects": (
        pickled,
        "The actions in PATH are |VANY; expected float32, one row a step, the last of each episode "
        "NaN. Convert them and write the file again.",
    ),
    "words for numbers": (
        instead("action", np.array([["left"]] * ROWS, object), dtype=h5py.string_dtype()),
        "The actions in PATH are object; expected float32, one row a step, the last of each "
        "episode NaN. Convert them and write the file again.",
    ),
    "a file within itself": (
        loop,
        "PATH is not a data set of episodes: it lacks pixels (found: action, ep_len, ep_offset). "
        "Expected the columns pixels, action, ep_offset and ep_len. Give another file, or collect "
        "one with `lewm-probe data collect`.",
    ),
    "a filter of its author's": (unknown_filter, UNREADABLE),
    "a chunk that does not unpack": (lying_chunk, UNREADABLE),
    "a declaration without end": (
        lambda file: file.attrs.__setitem__("quantities", "[" * 4000),
        "The attribute 'quantities' of PATH is not JSON that can be read. Convert the data set "
        "again from its source.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HDF5)
def test_hdf5(hostile: Hostile, case: str) -> None:
    how, message = HDF5[case]
    hostile(changed(how), use, whole(message))


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.97])
def test_hdf5_broken_off(hostile: Hostile, kept: float) -> None:
    def build(folder: Path) -> Path:
        path = changed(lambda file: None)(folder)
        stored = path.read_bytes()
        path.write_bytes(stored[: int(len(stored) * kept)])
        return path

    hostile(build, use, whole(UNREADABLE))


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + b"\xff" * 400, b"PK\x03\x04" * 9])
def test_no_hdf5_at_all(hostile: Hostile, content: bytes) -> None:
    def build(folder: Path) -> Path:
        (folder / "hostile.h5").write_bytes(content)
        return folder / "hostile.h5"

    hostile(build, use, whole(UNREADABLE))


# ---- Lance

TABLE = (
    "PATH is damaged or was not written as a table of episodes: {what}. Fetch or convert it again."
)
NO_TABLE = (
    "PATH cannot be read as a Lance table (ANY): it is truncated, damaged, or something else. "
    "Fetch or convert it again."
)


def jpeg() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(held, "JPEG")
    return held.getvalue()


def giant_jpeg() -> bytes:
    """65,500 px a side in a few hundred bytes."""
    stored = bytearray(jpeg())
    at = stored.index(b"\xff\xc0")
    stored[at + 5 : at + 9] = struct.pack(">HH", 65500, 65500)
    return bytes(stored)


def lance_table(folder: Path, **changes: Any) -> Path:
    rows = 6
    columns = {
        "episode_idx": pa.array([0] * rows, pa.int32()),
        "step_idx": pa.array(range(rows), pa.int32()),
        "pixels": pa.array([jpeg()] * rows, pa.binary()),
        "action": pa.array([[0.0, i] for i in range(rows)], pa.list_(pa.float32(), 2)),
        **changes,
    }
    path = folder / "hostile.lance"
    lance.write_dataset(pa.table({k: v for k, v in columns.items() if v is not None}), str(path))
    return path


def one_file(path: Path, pattern: str) -> Path:
    (found,) = path.glob(pattern)
    return found


def broken_off(pattern: str, kept: float) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        path = lance_table(folder)
        file = one_file(path, pattern)
        stored = file.read_bytes()
        file.write_bytes(stored[: int(len(stored) * kept)])
        return path

    return build


def escaping_manifest(folder: Path) -> Path:
    """The list of files names one outside the table, by a path of the same length."""
    path = lance_table(folder)
    manifest = one_file(path, "_versions/*.manifest")
    own = one_file(path, "data/*.lance").name.encode()
    other = b"../" * 6 + b"etc/passwd"
    stored = manifest.read_bytes()
    assert own in stored
    manifest.write_bytes(stored.replace(own, other.rjust(len(own), b"/")))
    return path


def linked_data(folder: Path) -> Path:
    path = lance_table(folder)
    file = one_file(path, "data/*.lance")
    shutil.move(file, folder / "elsewhere")
    file.symlink_to(folder / "elsewhere")
    return path


LANCE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "rows broken off": (broken_off("data/*.lance", 0.5), NO_TABLE),
    "no rows file": (broken_off("data/*.lance", 0), NO_TABLE),
    "list of files broken off": (broken_off("_versions/*.manifest", 0.5), NO_TABLE),
    "an escape in the list of files": (
        escaping_manifest,
        NO_TABLE.replace("ANY", "it keeps rows in files outside its folder"),
    ),
    "a link": (
        linked_data,
        "PATH holds the link ANY.lance, and links in data sets are not followed. Fetch or copy the "
        "table with its files.",
    ),
    "no JPEG": (
        lambda folder: lance_table(folder, pixels=pa.array([b"GIF89a"] * 6, pa.binary())),
        "The image in row 0 of PATH is not a whole JPEG image. Fetch or convert the table "
        "again.",
    ),
    "an image without end": (
        lambda folder: lance_table(folder, pixels=pa.array([giant_jpeg()] * 6, pa.binary())),
        "The image in row 0 of PATH claims ANY. Fetch or convert the table again.",
    ),
    "a late image without end": (
        lambda folder: lance_table(
            folder, pixels=pa.array([*[jpeg()] * 5, giant_jpeg()], pa.binary())
        ),
        "The image in row 5 of PATH claims ANY. Fetch or convert the table again.",
    ),
    "no actions": (
        lambda folder: lance_table(folder, action=None),
        "PATH is not a table of episodes: it lacks action, or they are not numbers (found: "
        "episode_idx, step_idx, pixels). Expected pixels, action, episode_idx and step_idx. Give "
        "another table.",
    ),
    "words for actions": (
        lambda folder: lance_table(folder, action=pa.array(["left"] * 6)),
        "PATH is not a table of episodes: it lacks action, or they are not numbers (found: "
        "episode_idx, step_idx, pixels, action). Expected pixels, action, episode_idx and "
        "step_idx. Give another table.",
    ),
    "steps that jump": (
        lambda folder: lance_table(folder, step_idx=pa.array([0, 1, 7, 3, 4, 5], pa.int32())),
        TABLE.format(what="step_idx does not count from 0 in every episode"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LANCE)
def test_lance(hostile: Hostile, case: str) -> None:
    build, message = LANCE[case]
    hostile(build, use, whole(message))


def test_lance_of_nothing(hostile: Hostile) -> None:
    def build(folder: Path) -> Path:
        (folder / "hostile.lance").mkdir()
        return folder / "hostile.lance"

    hostile(build, use, whole(NO_TABLE))


# ---- folders

FOLDER = (
    "PATH/episodes.csv does not describe a folder of episodes: {what}. lewm_probe/data/README.md "
    "shows how it has to look."
)
A_LINK = "is a link, and links in data sets are not followed. Put the file itself there."
LINES = ["episode,step,action_0", *(f"a,{step},0.{step}" for step in range(5))]


def png() -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE)).save(held, "PNG")
    return held.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def giant_png(side: int) -> bytes:
    """A PNG that is whole but for its size: one row of zeros of many that it promises."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1 + 3 * min(side, 10**5))))
        + chunk(b"IEND", b"")
    )


def texts_png() -> bytes:
    """Compressed comments of a gigabyte before the first pixel."""
    stored = png()
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**28), 9))
    return stored[:33] + text * 4 + stored[33:]


def folder_set(how: Callable[[Path], object]) -> Callable[[Path], Path]:
    """A sound folder of one episode of five lines, then changed."""

    def build(folder: Path) -> Path:
        path = folder / "hostile"
        (path / "a").mkdir(parents=True)
        (path / "episodes.csv").write_text("\n".join(LINES) + "\n")
        for step in range(5):
            (path / "a" / f"{step:06d}.png").write_bytes(png())
        how(path)
        return path

    return build


def table(*lines: str) -> Callable[[Path], object]:
    return lambda path: (path / "episodes.csv").write_text("\n".join(lines) + "\n")


def image(content: bytes, step: int = 0) -> Callable[[Path], object]:
    return lambda path: (path / "a" / f"{step:06d}.png").write_bytes(content)


def linked(inside: str, to: str) -> Callable[[Path], object]:
    def link(path: Path) -> None:
        file = path / inside
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
        file.symlink_to(to)

    return link


def pipe(path: Path) -> None:
    (path / "a" / "000000.png").unlink()
    os.mkfifo(path / "a" / "000000.png")


def video(frames: int, suffix: str = ".avi") -> Callable[[Path], object]:
    def write(path: Path) -> None:
        shutil.rmtree(path / "a", ignore_errors=True)
        codec = cv2.VideoWriter.fourcc(*("MJPG" if suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path / f"a{suffix}"), codec, 10, (16, 16))
        for step in range(frames):
            writer.write(np.full((16, 16, 3), 20 * step, np.uint8))
        writer.release()

    return write


def cut_video(suffix: str, kept: float) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        video(5, suffix)(path)
        stored = (path / f"a{suffix}").read_bytes()
        (path / f"a{suffix}").write_bytes(stored[: int(len(stored) * kept)])

    return write


def lying_video(path: Path) -> None:
    """An AVI that says it holds five frames and holds two."""
    video(2)(path)
    stored = bytearray((path / "a.avi").read_bytes())
    for at in (stored.index(b"avih") + 24, stored.index(b"strh") + 40):
        stored[at : at + 4] = struct.pack("<I", 5)
    index = stored.index(b"idx1")
    (path / "a.avi").write_bytes(stored[:index])


def giant_video(path: Path) -> None:
    """From its second image on, each claims to be 60,000 px a side."""
    video(5)(path)
    stored = bytearray((path / "a.avi").read_bytes())
    starts = [found.start() for found in re.finditer(b"\xff\xc0", stored)]
    assert len(starts) == 5
    for at in starts[1:]:
        stored[at + 5 : at + 9] = struct.pack(">HH", 60000, 60000)
    (path / "a.avi").write_bytes(stored)


def wide_video(path: Path) -> None:
    shutil.rmtree(path / "a")
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path / "a.avi"), codec, 10, (5008, 16))
    for _ in range(5):
        writer.write(np.zeros((16, 5008, 3), np.uint8))
    writer.release()


def playlist(path: Path) -> None:
    shutil.rmtree(path / "a")
    (path / "a.mp4").write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n")


NO_VIDEO = (
    "PATH/a{suffix} cannot be decoded: it is broken off, damaged, or of a codec that OpenCV does "
    "not have. Encode it again (H.264 in MP4), or give PNG images."
)
FEWER = (
    "PATH/a.avi has {count} images that can be decoded, but episodes.csv has 5 lines of this "
    "episode. There must be one image a line; encode the video again without dropping or "
    "repeating images."
)
NO_NAME = (
    "{name} is no name for an episode (letters, digits, '_', '-' and '.', the first a letter or "
    "digit)"
)
NO_NUMBER = "some field is not a number, or lines differ in length (ANY)"
FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an escape as a name": (
        table(LINES[0], "../../etc,0,1"), FOLDER.format(what=NO_NAME.format(name="'../../etc'")),
    ),
    "an absolute name": (
        table(LINES[0], "/etc/passwd,0,1"),
        FOLDER.format(what=NO_NAME.format(name="'/etc/passwd'")),
    ),
    "a folder for a name": (
        table(LINES[0], "..,0,1"), FOLDER.format(what=NO_NAME.format(name="'..'")),
    ),
    "a linked table": (linked("episodes.csv", "/etc/passwd"), f"PATH/episodes.csv {A_LINK}"),
    "a linked description": (linked("dataset.yaml", "/etc/passwd"), f"PATH/dataset.yaml {A_LINK}"),
    "a linked image": (
        linked("a/000002.png", "/etc/passwd"), f"PATH/a/000002.png {A_LINK}",
    ),
    "a linked folder": (
        linked("a", "/etc"),
        "PATH/a is a link or a file, not a folder of images; links in data sets are not "
        "followed. Put the images themselves there.",
    ),
    "a linked video": (
        lambda path: (video(5)(path), linked("a.avi", "/etc/passwd")(path)),
        f"PATH/a.avi {A_LINK}",
    ),
    "a pipe that never ends": (
        pipe,
        "PATH/a/000000.png is not a file. A folder data set has episodes.csv and, for each episode "
        "in it, a folder of images <episode>/000000.png … or a video <episode>.mp4; "
        "lewm_probe/data/README.md shows one.",
    ),
    "an image without end": (
        image(giant_png(2**31 - 1)), "PATH/a/000000.png claims ANY. Write it again.",
    ),
    "a large image of zeros": (
        image(giant_png(20000)), "PATH/a/000000.png claims ANY. Write it again.",
    ),
    "comments without end": (
        image(texts_png(), 3), "PATH/a/000003.png is not a whole PNG image. Write it again.",
    ),
    "no image": (
        image(b"#!/bin/sh\nrm -rf /\n", 1),
        "PATH/a/000001.png is not a whole PNG image. Write it again.",
    ),
    "an image broken off": (
        image(png()[:45], 4), "PATH/a/000004.png is not a whole PNG image. Write it again.",
    ),
    "a formula": (
        table(*LINES[:3], "a,2,=HYPERLINK(A1)"), FOLDER.format(what=NO_NUMBER),
    ),
    "a field without end": (
        table(*LINES[:3], "a,2," + "9" * 50_000_000), FOLDER.format(what=NO_NUMBER),
    ),
    "a header without end": (
        lambda path: (path / "episodes.csv").write_bytes(b"episode,step,action_0" + b",x" * 2**20),
        FOLDER.format(what="its first line names ANY fields"),
    ),
    "a table of bytes": (
        lambda path: (path / "episodes.csv").write_bytes(bytes(range(256)) * 40),
        FOLDER.format(what="it lacks episode, step, action_0 (found: ANY)"),
    ),
    "steps that are not numbers": (
        table(*LINES[:3], "a,nan,1"), FOLDER.format(what="the field 'step' is empty in 1 lines"),
    ),
    "a missing line": (
        table(*LINES[:3], *LINES[4:]),
        FOLDER.format(what="line 4 is step 3 of episode 'a', where step 2 should stand: steps "
                           "count from 0 without a gap"),
    ),
    "fewer lines than images": (
        table(*LINES[:4]),
        "PATH/a holds 5 PNG images, but episodes.csv has 3 lines of this episode. There must be "
        "one image a line, 000000.png for step 0.",
    ),
    "YAML that runs": (
        lambda path: (path / "quantities.yaml").write_text(
            f"a: !!python/object/apply:os.system ['touch {path.parent}/executed']"
        ),
        "PATH/quantities.yaml is not a YAML file that can be read (ConstructorError: could "
            "not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.system'). Fix its syntax.",
    ),
    "YAML that unfolds": (
        lambda path: (path / "dataset.yaml").write_text(
            "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 20))
        ),
        "PATH/dataset.yaml is not a YAML file that can be read (ConstructorError: aliases (*name) "
        "can unfold without end; write the value out). Fix its syntax.",
    ),
    "a video broken off": (cut_video(".mp4", 0.5), NO_VIDEO.replace("{suffix}", ".mp4")),
    "a video's first bytes": (cut_video(".avi", 0.02), NO_VIDEO.replace("{suffix}", ".avi")),
    "a video of fewer images": (video(4), FEWER.format(count=4)),
    "a video that lies": (lying_video, FEWER.format(count=2)),
    "a video without end": (giant_video, FEWER.format(count=1)),
    "a video too wide": (
        wide_video,
        "PATH/a.avi claims images of 5008×16 px, where 1 to 4096 on a side are read. Encode "
        "it again, smaller.",
    ),
    "a playlist": (
        playlist,
        "PATH/a.mp4 is not a video: it does not begin like an MP4, MOV, AVI, MKV or WebM file. "
        "Encode it again, or give a folder of PNG images.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_folders(hostile: Hostile, case: str) -> None:
    how, message = FOLDERS[case]
    hostile(folder_set(how), use, whole(message))


def test_the_sound_ones_are_read(tmp_path: Path) -> None:
    """So that the cases above fail for their fault and nothing else."""
    for path in (
        changed(lambda file: None)(tmp_path),
        lance_table(tmp_path),
        folder_set(lambda path: None)(tmp_path / "png"),
        folder_set(video(5))(tmp_path / "film"),
    ):
        use(path)
