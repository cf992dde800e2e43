from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.lance.files import check_lance_files


@pytest.fixture
def table(collected: Path, tmp_path: Path) -> Path:
    convert(collected, tmp_path / "t.lance", episodes=(0, 2))
    return tmp_path / "t.lance"


def test_a_sound_table_passes(table: Path) -> None:
    check_lance_files(table)


FOOTER = ("first", "columns", "buffers", "n_buffers", "n_columns")


@pytest.mark.parametrize("field", FOOTER)
@pytest.mark.parametrize("value", [2**32 - 1, 2**31])
def test_counts_and_places_must_fit(table: Path, field: str, value: int) -> None:
    (data,) = table.glob("data/*.lance")
    stored = bytearray(data.read_bytes())
    footer = list(struct.unpack("<QQQIIHH4s", stored[-40:]))
    footer[FOOTER.index(field)] = value
    data.write_bytes(stored[:-40] + struct.pack("<QQQIIHH4s", *footer))
    with pytest.raises(UserError) as error:
        check_lance_files(table)
    assert str(error.value) == (
        f"{table} cannot be read as a Lance table (data/{data.name} is not whole): it is "
        "truncated, damaged, or something else. Fetch or convert it again."
    )


@pytest.mark.parametrize("content", [b"", b"LANC", bytes(40), b"\xff" * 12 + b"LANC"])
def test_files_that_are_something_else(table: Path, content: bytes) -> None:
    for pattern in ("_versions/*.manifest", "data/*.lance"):
        (file,) = table.glob(pattern)
        kept = file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(UserError) as error:
            check_lance_files(table)
        assert f"{file.relative_to(table)} is not whole" in str(error.value)
        file.write_bytes(kept)
    check_lance_files(table)
