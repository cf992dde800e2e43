from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.collect import collect
from lewm_probe.data.estimate import Estimate


def test_a_collection_says_beforehand_what_it_takes(tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "a.h5"
    collect("two-room", 40, out, size=16, length=60, say=said.append)
    (told,) = said
    assert told.startswith("40 episodes, at most 2,440 rows: about ")
    size = float(told.split("about ")[1].split(" MB")[0])
    assert size == pytest.approx(out.stat().st_size / 1e6, rel=1, abs=0.2)


def test_a_small_one_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    collect("two-room", 2, tmp_path / "a.h5", size=16, say=said.append)
    assert said == []


def test_what_the_disk_cannot_hold_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2_000_000))
    with pytest.raises(UserError) as caught:
        collect("two-room", 2**31 - 1, tmp_path / "a.h5", length=100)
    message = str(caught.value)
    assert message.startswith("2,147,483,647 episodes of at most 216,895,848,347 rows would take")
    assert message.endswith(
        f"and 2.0 MB are free at {tmp_path}. Free some space, choose another place with --out, or "
        "ask for less: fewer --episodes, a smaller --length or --size."
    )
    assert not list(tmp_path.iterdir())


def test_parts_that_are_there_take_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = tmp_path / "done.h5"
    collect("two-room", 40, done, size=16, length=60)
    size = done.stat().st_size
    left = tmp_path / "a.h5.parts" / "settings"
    left.mkdir(parents=True)
    done.rename(left / "0000000-0000040.h5")
    # Room for the whole beside these parts, not for parts and the whole.
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1.5 * size))
    assert collect("two-room", 40, tmp_path / "a.h5", size=16, length=60).episodes == 40
    with pytest.raises(UserError, match="^40 episodes of at most 2,440 rows would take about"):
        collect("two-room", 40, tmp_path / "b.h5", size=16, length=60)


def test_episodes_that_end_on_arrival_are_taken_at_their_mean(tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "a.h5"
    collect("two-room", 60, out, size=16, mode="goal", length=100, say=said.append)
    size = float(said[0].split("about ")[1].split(" MB")[0])
    assert size == pytest.approx(out.stat().st_size / 1e6, rel=1, abs=0.2)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"length": 10**9, "episodes": 10**12}, "--episodes is 1000000000000; it must be at most"),
        ({"size": 100_000}, "--size is 100000; it must be at most 4,096."),
        ({"seed": 10**30}, f"--seed is {10**30}; it must be at most 2,147,483,647."),
    ],
)
def test_numbers_beyond_all_use_are_refused(
    tmp_path: Path, asked: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        collect("two-room", asked.pop("episodes", 1), tmp_path / "a.h5", **asked)  # type: ignore[arg-type]


def test_time_is_said_in_units_that_people_use() -> None:
    shown = [str(Estimate(1, 1, 1e6, seconds)) for seconds in (0.2, 90, 500, 2e4, 1e6, 1e9)]
    assert [text.split("and ")[1] for text in shown] == [
        "1 s.",
        "90 s.",
        "8 min.",
        "6 hours.",
        "12 days.",
        "32 years.",
    ]
