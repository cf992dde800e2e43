from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.data.convert import convert
from lewm_probe.data.formats.lance import trial
from lewm_probe.data.formats.lance.trial import try_lance


@pytest.fixture
def table(collected: Path, tmp_path: Path) -> Path:
    convert(collected, tmp_path / "t.lance", episodes=(0, 2))
    return tmp_path / "t.lance"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The tables that the helper was asked about."""
    seen: list[Path] = []
    ask = trial._helper.ask

    def counted(path: Path) -> str | None:
        seen.append(path)
        return ask(path)

    monkeypatch.setattr(trial._helper, "ask", counted)
    return seen


def test_a_table_is_tried_once(table: Path, asked: list[Path]) -> None:
    try_lance(table, (str(table), 1))
    try_lance(table, (str(table), 1))
    assert asked == [table]
    try_lance(table, (str(table), 2))  # it has changed
    assert asked == [table, table]


def test_a_table_that_ends_the_process(table: Path) -> None:
    """Lance asks for 64 GB and is ended; this process lives on, and so does the next trial."""
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
    monkeypatch.setattr(trial, "SECONDS", 0.2)
    monkeypatch.setattr(trial, "__name__", "time import sleep; sleep(60) #")
    helper = trial._Helper()
    monkeypatch.setattr(trial, "_helper", helper)
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
    helper = trial._Helper()
    monkeypatch.setattr(trial, "_helper", helper)
    try_lance(table, (str(table), "here"))
    helper.stop()
    assert not (table.parent / "executed").exists()
