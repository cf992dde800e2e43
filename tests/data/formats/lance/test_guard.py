from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.lance import guard
from lewm_probe.data.formats.lance.guard import check_lance_files, try_lance


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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The tables that the helper was asked about."""
    seen: list[Path] = []
    ask = guard._helper.ask

    def counted(path: Path) -> str | None:
        seen.append(path)
        return ask(path)

    monkeypatch.setattr(guard._helper, "ask", counted)
    return seen


def test_a_table_is_tried_once(table: Path, asked: list[Path]) -> None:
    try_lance(table, (str(table), 1))
    try_lance(table, (str(table), 1))
    assert asked == [table]
    try_lance(table, (str(table), 2))  # it has changed
    assert asked == [table, table]


def test_a_table_that_ends_the_process(table: Path) -> None:
    """Lance asks for 64 GB and is ended; this process lives on, and so does the next guard."""
    (data,) = table.glob("data/*.lance")
    sound = data.read_bytes()
    footer = list(struct.unpack("<QQQIIHH4s", sound[-40:]))
    footer[3] = footer[4] = 2**32 - 1
    data.write_bytes(sound[:-40] + struct.pack("<QQQIIHH4s", *footer))
    with pytest.raises(UserError) as error:
        try_lance(table, (str(table), "hostile"))
    assert str(error.value).startswith(f"{table} cannot be read as a Lance table (")
    assert str(error.value).endswith(
        "): it is truncated, damaged, or something else. Fetch or convert it again."
    )
    data.write_bytes(sound)
    try_lance(table, (str(table), "sound"))


def test_a_helper_that_is_gone_or_never_answers(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = (
        f"{table} cannot be read as a Lance table (Lance itself came to an end over it): it is "
        "truncated, damaged, or something else. Fetch or convert it again."
    )
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    monkeypatch.setattr(guard, "__name__", "time import sleep; sleep(60) #")
    helper = guard._Helper()
    monkeypatch.setattr(guard, "_helper", helper)
    with pytest.raises(UserError) as error:
        try_lance(table, (str(table), "slow"))
    assert str(error.value) == dead
    assert helper._process is None


def test_nothing_is_imported_from_where_the_user_stands(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (table.parent / "lance.py").write_text("open('executed', 'w')")
    (table.parent / "pyarrow.py").write_text("open('executed', 'w')")
    monkeypatch.chdir(table.parent)
    helper = guard._Helper()
    monkeypatch.setattr(guard, "_helper", helper)
    try_lance(table, (str(table), "here"))
    helper.stop()
    assert not (table.parent / "executed").exists()
