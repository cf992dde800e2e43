"""Hostile result folders: each ends in one readable error, quickly, with nothing unpacked."""

from __future__ import annotations

import json
import os
import resource
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lewm_probe.core.errors import UserError
from lewm_probe.results import untrusted
from lewm_probe.results.parts import part_name
from lewm_probe.results.result import Result, as_rows
from lewm_probe.results.schema import ROW_COLUMNS, Metric, Provenance
from lewm_probe.results.untrusted import AGAIN

MEMORY = 300 * 2**20
"""What one refused folder may cost at most, bytes."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small, whole result."""
    metric = Metric(model="a", family="a", world="w", analysis="voe", metric="auroc", value=0.5)
    rows = as_rows([{"model": "a", "metric": "mse", "trajectory_id": "t", "value": 1.0}])
    clips = {"film": np.zeros((2, 4, 4, 3), np.uint8)}
    Result([Provenance(command="c", version="0")], [], [metric], rows, clips).save(tmp_path / "r")
    return tmp_path / "r"


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Each case takes seconds and little memory."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - started < 20  # machines are shared
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        Result.load(folder)
    return str(caught.value)


# ---- results.json


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[" * 100_000, "RecursionError"),
        ("\ufeff{}", "JSONDecodeError"),
        ("", "JSONDecodeError"),
        ("null", "TypeError"),
    ],
)
def test_json_that_is_no_result(folder: Path, text: str, why: str) -> None:
    (folder / "results.json").write_text(text, encoding="utf-8")
    assert refused(folder) == (
        f"{folder / 'results.json'} is not a whole results file ({why}). It was cut short or is "
        "something else; run the analysis that wrote it again."
    )


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "results.json").write_bytes(b'{"schema_version": "\xff\xfe"}')
    assert refused(folder) == (
        f"{folder / 'results.json'} is not a whole results file (UnicodeDecodeError). It was cut "
        "short or is something else; run the analysis that wrote it again."
    )


def test_numbers_that_json_does_not_have_are_damage(folder: Path) -> None:
    path = folder / "results.json"
    text = path.read_text()
    assert '"auroc",0.5]' in text
    path.write_text(text.replace('"auroc",0.5]', '"auroc",NaN]'))
    assert refused(folder) == (
        f"{path} holds NaN, which is no number; numbers that could not be measured are stored as "
        "null. It was damaged, or edited by another program; run the analysis that wrote it again."
    )


@pytest.mark.parametrize("name", ["results.json", "rows.parquet", "pictures/film.png"])
def test_a_file_that_claims_gigabytes(folder: Path, name: str) -> None:
    with open(folder / name, "r+b") as file:
        file.truncate(2**40)  # sparse: takes no room
    limits = {"results.json": 128, "rows.parquet": 512, "pictures/film.png": 64}
    assert refused(folder) == (
        f"{folder / name} has 1048576 MiB; such a file of a result has at most {limits[name]} MiB. "
        f"{AGAIN}"
    )


@pytest.mark.parametrize("name", ["results.json", "rows.parquet", "pictures/film.png", "pictures"])
def test_links_that_leave_the_folder(folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    shown = folder / name if name != "pictures" else folder / name / "film.png"
    assert refused(folder) == (
        f"{shown} is a link that leaves its folder; a result folder is read on its own. Put the "
        "file itself there if you trust what it points to."
    )


def test_links_within_the_folder_and_to_it_are_read(folder: Path, tmp_path: Path) -> None:
    (folder / "rows.parquet").rename(folder / "kept.parquet")
    (folder / "rows.parquet").symlink_to("kept.parquet")
    (tmp_path / "link").symlink_to(folder)
    assert len(Result.load(tmp_path / "link").rows) == 1


def test_pipes_are_not_waited_for(folder: Path) -> None:
    for name in ("rows.parquet", "pictures/film.png"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
    loaded = Result.load(folder)
    assert len(loaded.rows) == 0 and loaded.images == {}


@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_settings_nested_too_deep(folder: Path, opening: str) -> None:
    path = folder / "results.json"
    closing = "}" if opening.startswith("{") else "]"
    deep = opening * 60 + "0" + closing * 60
    text = path.read_text().replace('"settings": {}', f'"settings": {{"x": {deep}}}')
    path.write_text(text)
    assert refused(folder) == (
        f"{path} holds settings nested more than 40 levels deep, which no result has. {AGAIN}"
    )


# ---- rows.parquet


def write(folder: Path, **columns: Any) -> Path:
    path = folder / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_rows_that_are_cut_anywhere(folder: Path) -> None:
    path = folder / "rows.parquet"
    whole = path.read_bytes()
    message = (
        f"{path} cannot be read as Parquet. It was cut short or is something else; run the "
        "analysis that wrote it again."
    )
    for size in (0, 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert refused(folder) == message
    path.write_bytes(b"PAR1" + os.urandom(64) + struct.pack("<i", 2**31 - 1) + b"PAR1")
    assert refused(folder) == message


def test_columns_that_rows_do_not_have(folder: Path) -> None:
    path = write(folder, value=pa.array([1.0]), payload=pa.array(["x"]))
    assert refused(folder) == (
        f"{path} has columns that rows of a result do not have: payload. "
        f"Known: {', '.join(ROW_COLUMNS)}. {AGAIN}"
    )


@pytest.mark.parametrize(
    ("name", "array", "kind"),
    [
        ("value", pa.array(["x"]), "float32"),
        ("model", pa.array([1]), "string"),
        ("model", pa.array([b"x"]), "string"),
        ("frame", pa.array([0.5]), "Int32"),
        ("step", pa.array([["x"]]), "Int64"),
        ("value", pa.array([{"x": 1.0}]), "float32"),
    ],
)
def test_columns_of_other_types(folder: Path, name: str, array: pa.Array, kind: str) -> None:
    path = write(folder, **{name: array})
    message = refused(folder)
    assert message.startswith(f"The column '{name}' of {path} holds ")
    assert message.endswith(f", where rows of a result hold {kind}. {AGAIN}")


def test_numbers_that_do_not_fit(folder: Path) -> None:
    path = write(folder, frame=pa.array([2**40]))
    assert refused(folder).startswith(f"{path} holds numbers that rows of a result cannot hold (")


def test_many_rows_in_few_bytes(folder: Path) -> None:
    path = folder / "rows.parquet"
    chunk = pa.table({"value": pa.array(np.zeros(untrusted.MAX_ROWS // 4 + 1, np.float32))})
    with pq.ParquetWriter(path, chunk.schema, compression="zstd") as writer:
        for _ in range(4):
            writer.write_table(chunk)
    assert path.stat().st_size < 2**20
    assert refused(folder) == (
        f"{path} claims 10,000,004 rows; a result has at most 10,000,000. {AGAIN}"
    )


def test_many_bytes_behind_a_small_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrusted, "MAX_ROWS_UNPACKED", 2**20)
    table = pa.table({"value": pa.array(np.zeros(2**20, np.float32))})
    path = folder / "rows.parquet"
    pq.write_table(table, path, use_dictionary=False, compression="zstd")
    assert path.stat().st_size < 2**16
    assert refused(folder) == f"{path} claims 4 MiB of rows; a result has at most 1 MiB. {AGAIN}"


def test_a_long_text_that_every_row_repeats(folder: Path) -> None:
    values = pa.array(["x" * 2**20])
    indices = pa.array(np.zeros(5000, np.int32))
    path = write(folder, subject=pa.DictionaryArray.from_arrays(indices, values))
    assert path.stat().st_size < 2**21
    assert refused(folder) == (
        f"The column 'subject' of {path} holds 5,000 MiB of text; in a result it has at most 1,024 "
        f"MiB. {AGAIN}"
    )


def test_what_a_file_says_of_its_index_is_not_believed(folder: Path) -> None:
    """Parquet files carry notes for pandas; rows of a result have no index."""
    frame = pd.DataFrame({"value": [1.0], "frame": [3]}).set_index("frame")
    frame.to_parquet(folder / "rows.parquet")
    rows = Result.load(folder).rows
    assert rows["frame"].tolist() == [3] and rows.index.tolist() == [0]


# ---- rows in parts


def split(folder: Path, *parts: pa.Table) -> None:
    for number, table in enumerate(parts, 1):
        pq.write_table(table, folder / part_name(number))


def test_limits_are_of_all_parts_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = pa.table({"value": pa.array(np.zeros(untrusted.MAX_ROWS // 2 + 1, np.float32))})
    split(folder, half, half)
    assert refused(folder) == (
        f"The rows of {folder} claim to be 10,000,002 in 2 files; a result has at most "
        f"10,000,000. {AGAIN}"
    )
    few = pa.table({"value": np.arange(2**18, dtype=np.float32), "subject": ["four"] * 2**18})
    split(folder, few, few)
    sizes = {"MAX_ROWS_FILE": (folder / "rows.parquet").stat().st_size}
    sizes["MAX_ROWS_UNPACKED"] = (
        pq.ParquetFile(folder / "rows.parquet").metadata.row_group(0).total_byte_size
    )
    sizes["MAX_TEXT"] = 2**20
    for limit, size in sizes.items():
        with monkeypatch.context() as patch:
            patch.setattr(untrusted, limit, size)  # one file alone would do
            message = refused(folder)
        assert message == (
            f"The rows of {folder} take {2 * size / 2**20:,.0f} MiB in all their files; those of a "
            f"result take at most {size // 2**20:,} MiB. {AGAIN}"
        )


def test_a_part_that_is_missing(folder: Path) -> None:
    table = pa.table({"value": pa.array([1.0])})
    split(folder, table, table, table)
    (folder / "rows-2.parquet").unlink()
    message = (
        "is missing, and {} continues it. Get the folder again from where it came, or run the "
        "analysis that wrote it again."
    )
    missing = folder / "rows-2.parquet"
    assert refused(folder) == f"{missing} {message.format('rows-3.parquet')}"
    (folder / "rows.parquet").unlink()
    assert refused(folder) == f"{folder / 'rows.parquet'} {message.format('rows-3.parquet')}"


def test_a_later_part_is_read_as_carefully_as_the_first(folder: Path, tmp_path: Path) -> None:
    later = folder / "rows-2.parquet"
    later.write_bytes(b"PAR1")
    assert refused(folder) == (
        f"{later} cannot be read as Parquet. It was cut short or is something else; run the "
        "analysis that wrote it again."
    )
    later.unlink()
    (folder / "rows.parquet").rename(tmp_path / "outside")
    split(folder, pa.table({"value": pa.array([1.0])}))
    later.symlink_to(tmp_path / "outside")
    assert refused(folder).startswith(f"{later} is a link that leaves its folder")
    later.unlink()
    pq.write_table(pa.table({"value": pa.array(["x"])}), later)
    assert refused(folder).startswith(f"The column 'value' of {later} holds string")


# ---- images


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size and whose body holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(2**31 - 1, 2**31 - 1), (10_000, 10_000), (8200, 8200)])
def test_images_that_claim_to_be_huge(folder: Path, size: tuple[int, int]) -> None:
    path = folder / "pictures" / "film.png"
    path.write_bytes(png(*size))
    assert refused(folder) == (
        f"{path} claims more than 64 million pixels, which no filmstrip has. {AGAIN}"
    )


def test_images_that_are_no_strip_of_squares(folder: Path) -> None:
    path = folder / "pictures" / "film.png"
    path.write_bytes(png(10, 4))
    assert refused(folder) == (
        f"{path} is 10 px by 4 px and no filmstrip: those are square frames side by side. {AGAIN}"
    )


@pytest.mark.parametrize("kind", ["text", "cut", "empty", "other", "zero"])
def test_images_that_are_none(folder: Path, kind: str) -> None:
    path = folder / "pictures" / "film.png"
    whole = path.read_bytes()
    if kind == "other":
        Image.new("RGB", (8, 4)).save(path, format="BMP")
    else:
        path.write_bytes(
            {"text": b"no image", "cut": whole[:45], "empty": b"", "zero": png(4, 0)}[kind]
        )
    assert refused(folder) == f"{path} cannot be read as a PNG image. {AGAIN}"


def test_images_that_are_many(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = (folder / "pictures" / "film.png").read_bytes()
    (folder / "pictures" / "other.png").write_bytes(clip)
    monkeypatch.setattr(untrusted, "MAX_IMAGES", 1)
    assert refused(folder) == (
        f"{folder / 'images'} holds 2 images; a result has at most 1. {AGAIN}"
    )
    monkeypatch.undo()
    monkeypatch.setattr(untrusted, "MAX_IMAGE_PIXELS", 50)  # each has 32
    assert refused(folder) == (
        f"The images in {folder / 'images'} have more than 0 million pixels together, which no "
        f"result has. {AGAIN}"
    )


# ---- names


def test_names_in_results_never_make_a_path(folder: Path, tmp_path: Path) -> None:
    from lewm_probe.reports import write_report

    evil = "../../../evil$\\frac{<b>"
    raw = json.loads((folder / "results.json").read_text())
    metric = {"family": evil, "analysis": "voe", "world": evil, "metric": "auroc", "value": 0.5}
    raw["schema_version"] = 2  # metrics one by one
    raw["metrics"] = [
        {**metric, "model": f"{evil}{k}", "subject": f"teleport_{evil}", "window": "onset"}
        | {"ci_low": 0.4, "ci_high": 0.6, "n": 5}
        for k in "ab"
    ]
    (folder / "results.json").write_text(json.dumps(raw))
    out = tmp_path / "deep" / "deeper" / "deepest" / "out"
    report = write_report(Result.load(folder), out)
    assert "<b>" not in report.html.read_text()
    assert report.tables and report.figures
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in files if not path.is_relative_to(folder)} == {
        path for path in out.rglob("*") if path.is_file()
    }
    assert all(path.resolve().is_relative_to(out) for path in (*report.tables, *report.figures))
