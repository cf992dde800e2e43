from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from lewm_probe.core.addresses.address import Address, place, stored
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import FILE, FOLDER, NOTHING, kind_of, resolved
from tests.fixtures.stores import Put


@pytest.mark.parametrize(
    "text", ["s3://bucket/a/b.h5", "hf://datasets/user/repo/b.h5", "gs://bucket", "memory://a/b.h5"]
)
def test_an_address_stays_what_it_was(text: str) -> None:
    for typed in (text, Path(text), place(text)):  # a path has lost a slash
        found = place(typed)
        assert isinstance(found, Address)
        assert (str(found), f"{found}") == (text, text)
    joined = place(text) / "c.d"
    assert isinstance(joined, Address)
    assert (str(joined), joined.name, joined.suffix) == (f"{text}/c.d", "c.d", ".d")
    assert str(joined.parent) == text
    assert str(joined.relative_to(place(text))) == "c.d"
    assert resolved(joined) == joined


@pytest.mark.parametrize(
    "text", ["a.h5", "/a/b.h5", "c:/a.h5", "file:///a.h5", "simplecache::s3://bucket/a", "a b://c"]
)
def test_what_is_no_address_is_a_path(text: str) -> None:
    assert not isinstance(place(text), Address)
    assert place(text) == Path(text)


def test_what_is_there(memory: Put, tmp_path: Path) -> None:
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "folder/a").write_bytes(b"abc")
    (tmp_path / "folder/inner/b").write_bytes(b"")
    folder = place(memory(tmp_path / "folder", "folder"))
    assert [kind_of(folder), kind_of(folder / "a"), kind_of(folder / "c")] == [
        FOLDER,
        FILE,
        NOTHING,
    ]
    assert (folder.exists(), (folder / "c").exists()) == (True, False)
    found = stored(folder)
    assert [(str(file.path), file.size) for file in found] == [
        (f"{folder}/a", 3),
        (f"{folder}/inner/b", 0),
    ]
    assert [file.path for file in stored(folder / "a")] == [folder / "a"]
    assert stored(folder) == found
    (tmp_path / "a").write_bytes(b"abd")
    memory(tmp_path / "a", "folder/a")
    assert stored(folder)[0].version != found[0].version


def test_what_is_stored_at_a_path(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/b").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("inner")
    assert [(file.path.name, file.size) for file in stored(tmp_path)] == [("b", 3), ("link", 5)]


def said(text: str) -> str:
    with pytest.raises(UserError) as caught:
        kind_of(place(text))
    return str(caught.value)


def test_no_such_store() -> None:
    assert said("nowhere://a/b.h5") == (
        "nowhere://a/b.h5 is no address that can be read: no store is called nowhere://. Give one "
        "such as s3://bucket/data.h5 or hf://datasets/user/repo/data.h5, or a path."
    )


def test_a_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.get_filesystem_class", missing)
    assert said("s3://bucket/a.h5") == (
        "s3://bucket/a.h5 is read by a package that is not installed. Install it with `pip install "
        "'lewm-probe[s3]'`, or copy what is there to this machine."
    )
    assert said("gs://bucket/a.h5") == (
        "gs://bucket/a.h5 is read by a package that is not installed. ImportError: Install s3fs to "
        "access S3, or copy what is there to this machine."
    )


def test_a_store_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fsspec.get_filesystem_class("memory"), "isfile", lambda *_: 1 / 0, raising=False
    )
    assert said("memory://a/b.h5") == (
        "memory://a/b.h5 cannot be reached (ZeroDivisionError: division by zero). Check the "
        "address, your credentials and the network, or copy what is there to this machine."
    )
