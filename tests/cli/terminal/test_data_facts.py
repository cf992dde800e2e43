from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.cli.terminal.data_facts import told
from lewm_probe.core.errors import UsageError
from lewm_probe.data.collect import collect
from lewm_probe.data.convert import convert
from tests.cli.conftest import Run, run  # noqa: F401 a fixture

FACTS = {
    "mode": "goal",
    "length": 101,
    "policy": "expert",
    "seed": 3,
    "world": "two-room",
    "lewm_probe_version": "0.1.0",
    "format_version": 1,
    "picture_size": 64,
    "layout": "of no released world",
    "episodes": 1200,
    "rows": 60_000,
    "rows_of_an_episode": {"least": 3, "mean": 50.0, "most": 102},
    "picture": [64, 48],
    "megabytes": 123.4,
    "columns": {"action": "float32 (2,)", "step_idx": "int64 ()"},
    "quantities": {"agent_position": "x, y in px"},
    "action_mean": [0.0, -1.0],
    "action_std": [1.0, 2.0],
    "fingerprint": "abc",
    "note": "a note",
    "hint": "a hint",
}


def test_facts_are_told_in_words() -> None:
    rows = dict(told(FACTS))
    plain = {label: text.replace("\N{NARROW NO-BREAK SPACE}", " ") for label, text in rows.items()}
    assert plain["episodes"] == "1 200 of 3 to 102 rows, 50.0 on average; 60 000 rows in all"
    assert plain["images"] == "48 × 64 px; the whole takes 123 MB on disk"
    assert plain["collected"] == (
        "in two-room by the policy expert, until the goal is reached, at most 101 steps, seed 3, "
        "with lewm-probe 0.1.0"
    )
    assert (plain["column action"], plain["column step_idx"]) == (
        "2 float32 a row",
        "one int64 a row",
    )
    assert (plain["quantity agent position"], plain["note"]) == ("x, y in px", "a note")
    assert list(rows)[-1] == "hint"
    assert not any("_" in label for label in rows if not label.startswith("column "))


def test_attributes_of_others_are_told_one_by_one() -> None:
    others = {k: v for k, v in FACTS.items() if k not in ("policy", "hint")}
    rows = dict(told(others))
    assert "collected" not in rows
    assert rows["seed"] == "3"


def test_a_data_set_fits_80_columns(
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    collect("two-room", 2, tmp_path / "a.h5", size=16)
    shown = run("data", "info", "a.h5").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown


def test_a_name_of_no_format_is_refused(tmp_path: Path) -> None:
    collect("two-room", 2, tmp_path / "a.h5", size=16)
    with pytest.raises(UsageError) as caught:
        convert(tmp_path / "a.h5", tmp_path / "x.zip")
    assert str(caught.value) == (
        f"{tmp_path / 'x.zip'} cannot be written: no format has names that end in '.zip'. Choose "
        "one that ends in .h5 (HDF5) or .lance (Lance), or one without an ending (a folder of "
        "images)."
    )


def test_episodes_beyond_the_last_are_refused(tmp_path: Path) -> None:
    collect("two-room", 2, tmp_path / "a.h5", size=16)
    with pytest.raises(UsageError) as caught:
        convert(tmp_path / "a.h5", tmp_path / "x.h5", episodes=(1, 99))
    assert str(caught.value) == (
        f"--episodes asks for those up to 99, and {tmp_path / 'a.h5'} has 2, counted from 0. Ask "
        "for some of them, e.g. --episodes 0:2."
    )
