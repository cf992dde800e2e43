from __future__ import annotations

import json
from pathlib import Path

from lewm_probe.core.resources import find_recipe, find_suite, recipe_names, suite_names

from .conftest import Run


def test_ls_names_everything_and_what_it_takes(run: Run) -> None:
    answer = run("recipes", "ls")
    assert answer.exit_code == 0
    rows = [line.strip("│ ").split() for line in answer.stdout.splitlines()]
    cells = {row[0]: [word for word in row[1:] if word != "│"] for row in rows if row}
    for name in (*recipe_names(), *suite_names()):
        assert name in cells
    assert cells["two-room/lewm-cpu"] == ["0.76", "M", "cpu", "3.5"]
    assert cells["push-t/pldm"] == ["18.03", "M", "gpu", "–"]
    assert "measured on 2 cores (AMD EPYC)" in answer.stdout
    assert max(len(line) for line in answer.stdout.splitlines() if "│" in line) <= 80


def test_ls_for_machines(run: Run) -> None:
    reported = json.loads(run("recipes", "ls", "--json").stdout)
    assert reported["recipes"] == recipe_names()
    assert reported["suites"] == suite_names()
    assert reported["facts"].keys() == set(recipe_names())
    assert reported["facts"]["two-room/lewm"] == {
        "parameters": 18_034_478,
        "device": "gpu",
        "minutes": None,
        "measured_on": None,
    }


def test_cp_copies_and_says_how_to_use_it(run: Run) -> None:
    answer = run("recipes", "cp", "two-room/lewm-cpu")
    assert answer.exit_code == 0
    assert answer.stdout == (
        "Change it, then: lewm-probe train lewm-cpu.yaml\nWrote lewm-cpu.yaml\n"
    )
    assert Path("lewm-cpu.yaml").read_bytes() == find_recipe("two-room/lewm-cpu").read_bytes()
    assert run("train", "lewm-cpu.yaml").stderr.startswith("Error: The recipe two-room/lewm-cpu ")


def test_cp_takes_a_folder_or_a_file_name(run: Run) -> None:
    run("recipes", "cp", "two-room", "mine/suite.yaml", "--quiet")
    run("recipes", "cp", "two-room", "folder", "--quiet")
    for path in ("mine/suite.yaml", "folder/two-room.yaml"):
        assert Path(path).read_bytes() == find_suite("two-room").read_bytes()


def test_cp_replaces_nothing_unasked(run: Run) -> None:
    Path("lewm.yaml").write_text("mine")
    answer = run("recipes", "cp", "two-room/lewm")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: lewm.yaml is already there. Give another place, or --force to replace it: "
        "lewm-probe recipes cp two-room/lewm PLACE\n"
    )
    assert Path("lewm.yaml").read_text() == "mine"
    assert run("recipes", "cp", "two-room/lewm", "--force").exit_code == 0
    assert Path("lewm.yaml").read_bytes() == find_recipe("two-room/lewm").read_bytes()
