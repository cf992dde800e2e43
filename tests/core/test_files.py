from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lewm_probe.core.config import read_yaml_file
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import (
    atomic_folder,
    atomic_path,
    content_hash,
    file_hash,
    kind_of,
    regular_file,
    safe_name,
    write_error,
    write_text,
)
from lewm_probe.core.processes.locks import alone
from lewm_probe.core.resources import find_recipe, find_suite


def test_a_file_appears_whole_with_ordinary_permissions(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".txt"
        assert temporary.parent == target.parent
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    plain = tmp_path / "plain"
    plain.touch()
    assert target.stat().st_mode == plain.stat().st_mode
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_file_is_hashed_once_while_it_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"first")
    first = file_hash(path)
    assert first == content_hash(b"first")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
        assert file_hash(path) == first
    path.write_bytes(b"longer")
    assert file_hash(path) == content_hash(b"longer")


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.lance"
    for text in ("first", "second"):
        with atomic_folder(target) as temporary:
            assert (temporary.suffix, temporary.parent) == (".lance", target.parent)
            (temporary / "x").write_text(text)
        assert (target / "x").read_text() == text
        assert os.listdir(target.parent) == ["a.lance"]
    plain = tmp_path / "plain"
    plain.mkdir()
    assert target.stat().st_mode == plain.stat().st_mode


def test_a_folder_is_left_as_it_was_when_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    target.mkdir()
    (target / "x").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as temporary:
        (temporary / "x").write_text("half")
        raise KeyboardInterrupt
    assert ((target / "x").read_text(), os.listdir(tmp_path)) == ("old", ["a"])
    move, moved = os.replace, []

    def replace(source: Path, to: Path) -> None:
        moved.append(to)
        if len(moved) == 2:  # the new folder, when the old one is out of the way
            raise OSError(errno.ENOSPC, "full")
        move(source, to)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(UserError), atomic_folder(target) as temporary:
        (temporary / "x").write_text("new")
    assert ((target / "x").read_text(), os.listdir(tmp_path)) == ("old", ["a"])


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(stop), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise stop
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_readable_paragraph(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with pytest.raises(UserError) as caught, atomic_path(target):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value) == (
        f"The disk is full: {target} could not be written. Nothing half-written was left behind. "
        "Free some space, or choose another place with --out, and run the command again."
    )
    assert os.listdir(tmp_path) == []


def test_a_real_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("x")
        full.flush()
    assert isinstance(write_error(Path("a"), caught.value), UserError)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(UserError) as caught:
        write_text(tmp_path / "a" / "b.txt", "text")
    assert str(caught.value) in (  # Linux names either
        f"{tmp_path / 'a' / 'b.txt'} cannot be written (Not a directory). "
        "Choose another place with --out, or change the folder's permissions.",
        f"{tmp_path / 'a' / 'b.txt'} cannot be written (File exists). "
        "Choose another place with --out, or change the folder's permissions.",
    )


@pytest.mark.parametrize(
    ("target", "why"),
    [("itself", "a link that leads back to itself"), ("gone/x", "a link that leads nowhere")],
)
def test_a_link_where_a_folder_should_be(tmp_path: Path, target: str, why: str) -> None:
    (tmp_path / "itself").symlink_to(tmp_path / target)
    with pytest.raises(UserError) as caught, alone(tmp_path / "itself"):
        pytest.fail("it was made")
    assert str(caught.value) == (
        f"{tmp_path / 'itself'} cannot be written (it is {why}). "
        "Choose another place with --out, or change the folder's permissions."
    )


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError) as caught:
        write_text(tmp_path / "a.txt", "text")
    assert str(caught.value) == (
        f"{tmp_path / 'a.txt'} cannot be written (Is a directory). "
        "Choose another place with --out, or change the folder's permissions."
    )


def test_other_errors_pass_through() -> None:
    error = OSError(errno.EIO, "Input/output error")
    assert write_error(Path("a"), error) is error


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "λ → Δ")
    assert (tmp_path / "a.txt").read_bytes() == "λ → Δ".encode()


def test_a_hash_sees_content_type_and_shape() -> None:
    a = np.arange(6, dtype=np.float32)
    different = [
        (a,),
        (a.astype(np.float64),),
        (a.reshape(2, 3),),
        (a.reshape(3, 2),),
        (a[::-1],),
        (a[:3], a[3:]),
        (a[:4], a[4:]),
        (a.tobytes(),),
        (np.float32(0),),
        (np.zeros((0, 3)),),
        (np.zeros((0, 4)),),
        ("ab", "c"),
        ("a", "bc"),
        ("1",),
        (1,),
        (1.0,),
        (True,),
        (None,),
        (),
    ]
    hashes = [content_hash(*parts) for parts in different]
    assert len(set(hashes)) == len(different)
    assert all(len(h) == 32 and int(h, 16) >= 0 for h in hashes)


@given(arrays.arrays(np.uint8, (3, 4, 2)))
def test_a_hash_sees_values_not_memory_layout(array: np.ndarray) -> None:
    assert content_hash(np.asfortranarray(array)) == content_hash(array.copy())


@given(st.binary(min_size=1, max_size=64), st.integers(0, 511))
def test_every_bit_counts(data: bytes, bit: int) -> None:
    place, mask = (bit // 8) % len(data), 1 << bit % 8
    changed = bytes(b ^ mask if i == place else b for i, b in enumerate(data))
    assert content_hash(data) != content_hash(changed)


@given(st.text(max_size=300))
def test_any_text_becomes_the_name_of_a_file(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert len(name) <= 100
    assert safe_name(name) == name


def test_names_that_look_alike_stay_different() -> None:
    assert len({safe_name(text) for text in ("a b", "a/b", "a-b", "../a-b", "a:b")}) == 5
    assert safe_name("two-room_1.5") == "two-room_1.5"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """One path of each kind, by what it is."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-file").symlink_to("file")
    (tmp_path / "to-folder").symlink_to("folder")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        yield {
            "file": tmp_path / "file",
            "linked file": tmp_path / "to-file",
            "folder": tmp_path / "folder",
            "linked folder": tmp_path / "to-folder",
            "pipe": tmp_path / "pipe",
            "device": Path("/dev/null"),
            "socket": tmp_path / "socket",
            "dangling": tmp_path / "dangling",
            "loop": tmp_path / "loop",
            "below a loop": tmp_path / "loop" / "file",
            "below a file": tmp_path / "file" / "more",
            "nothing": tmp_path / "none",
            "zero byte": Path(f"{tmp_path}/a\0b"),
            "too long": tmp_path / ("x" * 300),
        }


KINDS = {
    "file": "an ordinary file",
    "linked file": "an ordinary file",
    "folder": "a folder",
    "linked folder": "a folder",
    "pipe": "a pipe",
    "device": "a device",
    "socket": "a socket",
    "dangling": "a link that leads nowhere",
    "loop": "a link that leads back to itself",
    "below a loop": "a link that leads back to itself",
    "below a file": "nothing",
    "nothing": "nothing",
    "zero byte": "nothing",
    "too long": "hidden from you (File name too long)",
}


def test_what_is_at_a_path_is_said(places: dict[str, Path]) -> None:
    assert {name: kind_of(path) for name, path in places.items()} == KINDS


@pytest.mark.parametrize("name", ["folder", "pipe", "device", "dangling", "loop"])
def test_only_an_ordinary_file_is_opened(name: str, places: dict[str, Path]) -> None:
    with pytest.raises(UserError) as caught:
        regular_file(places[name])
    assert str(caught.value) == (
        f"{places[name]} is {KINDS[name]}, but an ordinary file was expected there. Give the path "
        "of the file itself."
    )
    regular_file(places["linked file"])


@pytest.mark.parametrize("kind", ["recipe", "suite"])
@pytest.mark.parametrize("name", ["folder", "pipe", "device", "dangling", "loop"])
def test_recipes_and_suites_say_what_they_are_instead(
    name: str, kind: str, places: dict[str, Path]
) -> None:
    find = {"recipe": find_recipe, "suite": find_suite}[kind]
    with pytest.raises(UsageError) as caught:
        find(places[name])
    assert str(caught.value) == (
        f"{places[name]} is {KINDS[name]}, but a {kind} was expected there: a YAML file, or a name "
        "from `lewm-probe recipes ls`."
    )
    with pytest.raises(UsageError) as caught:
        read_yaml_file(places[name], "gate")
    assert str(caught.value) == (
        f"{places[name]} is {KINDS[name]}, but a gate was expected there: a YAML file. Check the "
        "path."
    )


def test_a_yaml_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UsageError) as caught:
        read_yaml_file(path, "recipe")
    assert str(caught.value) == (
        f"{path} has 1,048,577 bytes, but a recipe has under 1,048,576. It is something else; "
        "check the path."
    )
