from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lewm_probe.core.addresses import ranges
from lewm_probe.core.addresses.address import place
from lewm_probe.core.addresses.ranges import Ranges, ranges_of
from lewm_probe.core.errors import UserError
from tests.fixtures.stores import Put


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """First byte and end of each request, of a kilobyte at the most."""
    import s3fs

    asked: list[tuple[int, int]] = []
    plainly = s3fs.S3File._fetch_range

    def fetch(self: s3fs.S3File, start: int, end: int) -> bytes:
        asked.append((start, end))
        return plainly(self, start, end)

    monkeypatch.setattr(s3fs.S3File, "_fetch_range", fetch)
    monkeypatch.setattr(ranges, "BLOCK", 1024)
    monkeypatch.setattr(ranges, "BLOCKS", 4)
    return asked


def test_only_what_is_read_is_fetched(
    s3: Put, fetched: list[tuple[int, int]], tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    data = np.random.default_rng(0).bytes(100 * 1024 + 5)
    path.write_bytes(data)
    with Ranges(place(s3(path, "a.bin"))) as file:  # type: ignore[arg-type]
        assert (file.readable(), file.seekable(), file.tell(), fetched) == (True, True, 0, [])
        for at in (50_000, 50_100, 50_100):
            file.seek(at)
            assert file.read(20) == data[at : at + 20]
        assert fetched == [(48 * 1024, 49 * 1024)]
        file.seek(-5, 2)
        assert (file.read(20), file.tell()) == (data[-5:], len(data))
        for block in range(20, 30):  # more than are kept
            file.seek(block * 1024)
            file.read(1)
        file.seek(50_000)
        assert file.read(2000) == data[50_000:52_000]
        assert sum(end - start for start, end in fetched) < 20 * 1024
    assert file.closed


def test_a_path_has_none(tmp_path: Path) -> None:
    assert ranges_of(tmp_path) is None


def test_nothing_there(s3: Put) -> None:
    with pytest.raises(UserError) as caught:
        ranges_of(place("s3://bucket/a.bin"))
    assert str(caught.value).startswith(
        "s3://bucket/a.bin cannot be reached (FileNotFoundError: bucket/a.bin)."
    )


def test_the_first_failure_is_remembered(
    memory: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    file = ranges_of(place(memory(tmp_path / "a", "a")))
    assert file is not None

    def broken(*_: object) -> bytes:
        raise TimeoutError("no answer")

    monkeypatch.setattr(file, "_file", type("", (), {"read": broken, "close": lambda *_: None})())
    with pytest.raises(OSError, match=r"a cannot be reached \(TimeoutError: no answer\)"):
        file.read(2)
    assert str(file.failure).startswith("memory://shelf/a cannot be reached (TimeoutError: no ")
