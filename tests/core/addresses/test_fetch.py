from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from lewm_probe.core.addresses.address import Address, place
from lewm_probe.core.addresses.fetch import fetched
from lewm_probe.core.errors import UserError
from tests.fixtures.stores import Put


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(memory: Put, tmp_path: Path) -> Address:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    for name in ("a.pt", "config.json", "huge.h5", "checkpoints/b.pt"):
        (folder / name).write_text(name)
    found = place(memory(folder, "my-run"))
    assert isinstance(found, Address)
    return found


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_what_is_wanted_of_a_folder(run: Address, home: Path) -> None:
    copy = fetched(run, ["*.pt"], [])
    assert copy.is_relative_to(home / "lewm-probe/fetched")
    assert (copy.name, names(copy)) == ("my-run", ["a.pt", "checkpoints/b.pt"])
    assert (copy / "checkpoints/b.pt").read_text() == "checkpoints/b.pt"


def test_a_file_and_what_stands_beside_it(run: Address) -> None:
    copy = fetched(run / "a.pt", ["*"], ["config.json", "b.pt"])
    assert (copy.name, copy.read_text()) == ("a.pt", "a.pt")
    assert names(copy.parent) == ["a.pt", "config.json"]


def test_once_until_it_changes(run: Address) -> None:
    first = fetched(run, ["*.pt"], [])
    before = (first / "a.pt").stat().st_mtime_ns
    assert fetched(run, ["*.pt"], []) == first
    assert (first / "a.pt").stat().st_mtime_ns == before
    (first / "a.pt").unlink()  # as after a kill
    assert (fetched(run, ["*.pt"], []) / "a.pt").exists()
    fsspec.filesystem("memory").pipe("/shelf/my-run/a.pt", b"other")
    second = fetched(run, ["*.pt"], [])
    assert ((second / "a.pt").read_text(), (first / "a.pt").read_text()) == ("other", "a.pt")


def said(address: Path) -> str:
    assert isinstance(address, Address)
    with pytest.raises(UserError) as caught:
        fetched(address, ["*.pt"], [])
    return str(caught.value)


def test_nothing_to_fetch(run: Address) -> None:
    assert said(run.parent / "other") == (
        "There is no checkpoint at memory://shelf/other: nothing is there. Check the address."
    )
    fsspec.filesystem("memory").pipe("/shelf/text/a.txt", b"")
    assert said(run.parent / "text") == (
        "There is no checkpoint at memory://shelf/text: none of its files are a checkpoint's. "
        "Check the address."
    )


def test_a_name_that_leads_elsewhere(run: Address, home: Path) -> None:
    fsspec.filesystem("memory").store["/shelf/my-run/../../x.pt"] = fsspec.filesystem(
        "memory"
    ).store["/shelf/my-run/a.pt"]
    assert said(run) == (
        "memory://shelf/my-run holds a file named ../../x.pt, which would be written elsewhere. "
        "Fetch what you need of it by other means."
    )
    assert not list(home.rglob("x.pt"))
