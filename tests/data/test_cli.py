"""``lewm-probe data …`` as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from lewm_probe.cli import data
from lewm_probe.cli.terminal.errors import ReadableErrors

app = typer.Typer(cls=ReadableErrors)
app.add_typer(data.app, name="data")


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


def test_collect_info_preview_check(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    asked = ("collect", "two-room", "--episodes", 4, "--out", path, "--size", 16)
    asked = (*asked, "--length", 25, "--workers", 1, "--seed", 2)
    first = _run(*asked, "--json")
    assert first.exit_code == 0, first.output
    reported = json.loads(first.stdout)
    assert reported["wrote"] == [str(path)]
    assert (reported["episodes"], reported["rows"], reported["already_there"]) == (4, 104, False)
    again = _run(*asked)
    assert again.exit_code == 0
    assert "already there, nothing to do" in again.stdout
    assert f"Wrote {path}" in again.stdout

    reported = json.loads(_run("info", path, "--json").stdout)
    assert (reported["world"], reported["episodes"], reported["mode"], reported["seed"]) == (
        "two-room",
        4,
        "fixed",
        2,
    )
    assert reported["columns"]["pixels"] == "uint8 (16, 16, 3)"
    assert reported["rows_of_an_episode"] == {"least": 26, "mean": 26.0, "most": 26}
    shown = _run("info", path).stdout
    assert "two-room" in shown and reported["fingerprint"] in shown

    assert _run("preview", path).exit_code == 0
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert (
        _run("preview", path, "--gif", "--episode", 1, "--out", tmp_path / "b.gif").exit_code == 0
    )
    assert (tmp_path / "b.gif").read_bytes().startswith(b"GIF89a")

    checked = _run("check", path, "--json")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["passed"] is True
    assert len(json.loads(checked.stdout)["checks"]) == 9
    assert "action alignment" in _run("check", path).stdout


def test_check_fails_on_a_faulty_file(changed: Callable) -> None:
    def spoil(file: h5py.File) -> None:
        file["action"][3] = np.nan
        file["proprio"][3] = np.nan

    path = changed(spoil)
    found = _run("check", path, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["passed"] is False
    assert found.stderr == (
        f"Error: {path} has 2 problems: actions, states. Fix the file, or collect it again, "
        "before training on it.\n"
    )
    assert _run("check", path, "--quiet").stdout == ""


def test_convert_and_every_command_on_every_kind(
    collected: Path, released: Callable, tmp_path: Path
) -> None:
    for name in ("t.h5", "t", "t.lance"):
        target = tmp_path / name
        asked = ("convert", collected, target, "--episodes", "2:6", "--size", 8)
        done = _run(*asked, "--mend-last-actions", "--json")
        assert done.exit_code == 0, done.output
        reported = json.loads(done.stdout)
        assert (reported["episodes"], reported["rows"], reported["picture"]) == (4, 124, [8, 8])
        assert reported["wrote"] == [str(target)]
        assert _run(*asked).exit_code == 1  # it is there
        again = _run(*asked, "--overwrite")
        assert again.exit_code == 0
        assert "8×8 px" in again.stdout

        info = json.loads(_run("info", target, "--json").stdout)
        assert (info["world"], info["layout"]) == ("two-room", "as released for two-room")
        assert info["quantities"]["agent_position"] == "x, y in px, from pos_agent"
        assert (info["resized_from"], info["source_episodes"]) == (16, "2:6")
        assert "hint" not in info
        assert ("lossy JPEG" in info.get("note", "")) == (name == "t.lance")
        assert _run("preview", target).exit_code == 0
        assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
        checked = _run("check", target, "--frame-skip", 1)
        assert checked.exit_code == 0, checked.output


def test_info_on_a_released_file(released: Callable) -> None:
    path = released("ogb-cube")
    reported = json.loads(_run("info", path, "--json").stdout)
    assert reported["layout"] == "as released for ogb-cube"
    assert reported["quantities"]["block_yaw"] == (
        "yaw in rad (angle, symmetry 4), from privileged_block_0_yaw"
    )
    assert reported["hint"] == (
        "100 images are decoded for each one read at random. Training reads them in order; for "
        f"everything else convert once: lewm-probe data convert {path} {path.stem}-fast.h5"
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ("check", "FILE", "--validation-fraction", "1"),
            2,
            "--validation-fraction is 1.0; it must lie between 0 and 1.",
        ),
        (
            ("collect", "two-rom", "--episodes", "1", "--out", "x.h5"),
            2,
            "Unknown world 'two-rom'. Did you mean 'two-room'? "
            "Known: push-t, push-t-gym, two-room.",
        ),
        (
            ("convert", "FILE", "x.h5", "--episodes", "3"),
            2,
            "--episodes is '3'; expected A:B, two whole numbers from 0 up of which either may be "
            "left out. Write for example --episodes 0:100.",
        ),
        (
            ("info", "nowhere.h5"),
            1,
            "The data set nowhere.h5 does not exist. Check the path, or collect one with "
            "`lewm-probe data collect two-room --episodes 600 --out FILE.h5`.",
        ),
        (
            ("preview", "FILE", "--episode", "99"),
            1,
            "There is no episode 99 in FILE: it has 12, counted from 0. Choose one from 0 to 11.",
        ),
    ],
)
def test_errors_are_one_paragraph(
    collected: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    found = _run(*(word.replace("FILE", str(collected)) for word in words))
    assert found.exit_code == code
    assert found.stderr == f"Error: {message.replace('in FILE', f'in {collected}')}\n"
    assert found.stdout == ""
