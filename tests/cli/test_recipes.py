from __future__ import annotations

import json
from pathlib import Path

from lewm_probe.core.resources import find_recipe, find_suite, recipe_names, suite_names

from .conftest import Run


def test_ls_names_everything_with_its_use(run: Run) -> None:
    answer = run("recipes", "ls")
    assert answer.exit_code == 0
    for name in recipe_names():
        assert f"lewm-probe train {name} " in answer.stdout
    for name in suite_names():
        assert f"lewm-probe audit CKPT --suite {name} " in answer.stdout


def test_ls_for_machines(run: Run) -> None:
    reported = json.loads(run("recipes", "ls", "--json").stdout)
    assert reported == {"recipes": recipe_names(), "suites": suite_names(), "wrote": []}


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
