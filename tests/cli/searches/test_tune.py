"""``tune`` as a command: one tiny real search, its plan, and what cannot be searched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lewm_probe.core.processes.locks import alone
from lewm_probe.data.collect import collect
from lewm_probe.search.tuning import optuna_search
from tests.cli.conftest import Run
from tests.cli.test_demo import PATIENCE, TINY, wait_for_the_end_of

SET = [word for item in TINY for word in ("--set", item)]
WORDS = [
    "tune",
    "two-room/lewm-cpu",
    "--data",
    "d.h5",
    "--out",
    "t",
    "--device",
    "cpu",
    "--rank",
    "2",
    *SET,
]
SMALL = ["--set", "optimizer.epochs=1", "--tolerance", "400", "--rank", "1.1"]


@pytest.fixture
def data(tmp_path: Path) -> None:
    collect("two-room", 8, tmp_path / "d.h5", size=16, length=40)


@pytest.mark.usefixtures("data")
def test_a_real_search_in_small_and_nothing_of_it_twice(run: Run) -> None:
    answer = run(*WORDS, *SMALL, "--against", "grid", "--json")
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["wrote"] == ["t/tune.md"]
    assert told["keys"] == ["objective.sigreg_weight"]
    assert told["smallest_that_passes"] in (1e-4, 0.0316228, 10.0)
    assert told["safe"][1] == 10.0
    for trial in told["trials"]:
        (line,) = trial["seeds"]
        assert (line["status"], line["steps"]) == ("done", 2)
        assert line["rank"] > 0 and line["seconds"] > 0 and line["scores"]["rollout"] > 0
        assert (Path("t") / line["folder"] / "model.safetensors").is_file()
    assert told["costs"][-1]["way"] == "grid of 3, the same resolution"
    before = {p: p.stat().st_mtime_ns for p in Path("t/runs").rglob("*.safetensors")}
    assert run(*WORDS, *SMALL, "--quiet").exit_code == 0
    after = {p: p.stat().st_mtime_ns for p in Path("t/runs").rglob("*.safetensors")}
    assert before == after


@pytest.mark.usefixtures("data")
def test_killed_in_a_training_it_goes_on(run: Run) -> None:
    words = [sys.executable, "-m", "lewm_probe.cli.main", *WORDS, *SMALL[2:]]
    words += ["--set", "optimizer.epochs=12"]
    process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not list(Path("t").glob("runs/*/seed-3072/resume.safetensors")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for_the_end_of(process.pid)
    assert not Path("t/trials.jsonl").exists()
    answer = run(*WORDS, *SMALL[2:], "--set", "optimizer.epochs=12")
    assert answer.exit_code == 0, answer.stderr
    lines = [json.loads(line) for line in Path("t/trials.jsonl").read_text().splitlines()]
    assert {line["status"] for line in lines} == {"done"}
    assert answer.stdout.splitlines()[-1] == "Wrote t/tune.md"


def test_the_plan_alone(run: Run) -> None:
    answer = run(*WORDS, "--dry-run", "--seeds", "1-2", "--json", "--grid", "5")
    assert answer.exit_code == 0, answer.stderr
    stages = {stage["name"]: stage for stage in json.loads(answer.stdout)["plan"]}
    assert list(stages) == ["bisection", "golden section", "grid"]
    assert stages["bisection"]["what"] == (
        "objective.sigreg_weight among 30 from 0.0001 to 10: at most 5 values, 10 trainings"
    )
    assert stages["golden section"]["what"] == "best rollout: at most 8 values, 16 trainings"
    assert all(stage["minutes"] > 0 and stage["megabytes"] > 0 for stage in stages.values())
    assert not Path("t").exists()


def test_a_plan_of_short_trainings_says_so(run: Run) -> None:
    words = ["tune", "two-room/lewm-cpu", "--steps", "90", "--dry-run", "--json"]
    told = json.loads(run(*words, "--device", "cpu").stdout)
    assert told["shortened"] == (
        "Trainings were shortened to 90 steps (the recipe: 900): a quick look. What is best after "
        "few steps need not be so after many."
    )


@pytest.mark.usefixtures("data")
def test_two_searches_do_not_share_a_folder(run: Run) -> None:
    with alone(Path("t")):
        answer = run(*WORDS, "--quiet")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: Another lewm-probe is writing in t. Wait for it, or choose another place with "
        "--out.\n"
    )


RANGE = "The search, as asked: "


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--low", "1", "--high", "0.1"],
            f"{RANGE}'low' is 1 and 'high' is 0.1, but the range has to run from a smaller value "
            "to a larger one. Fix this value.",
        ),
        (
            ["--tolerance", "1"],
            f"{RANGE}'tolerance' is 1.0. Input should be greater than 1. Fix this value.",
        ),
        (
            ["--score", "rolout"],
            "Unknown score 'rolout'. Did you mean 'rollout'? Known: probe, rollout.",
        ),
        (
            ["--key", "objective.sigreg_wait"],
            "The recipe two-room/lewm-cpu has no number 'objective.sigreg_wait' to search for, "
            "which --key or its section 'tune' names. Unknown number 'objective.sigreg_wait'. Did "
            "you mean 'objective.sigreg_weight'? Known: objective.directions, objective.knots, "
            "objective.reconstruction_weight, objective.sigreg_weight. Weights of an objective are "
            "searched for together with --search optuna.",
        ),
        (
            ["--key", "objective.name"],
            "'objective.name' of the recipe two-room/lewm-cpu is 'lewm', which is no number to "
            "search for. Name one with --key, e.g. --key objective.sigreg_weight.",
        ),
        (
            ["--rank", "300"],
            "The rank is to reach 300, but latents of two-room/lewm-cpu are 128 wide. Give a "
            "smaller bound with --rank, or in the recipe's section 'tune'.",
        ),
        (
            ["--trials", "3"],
            "--trials allows 3 values, but a bisection among the 30 from 0.0001 to 10, a factor of "
            "1.5 apart, may take 5. Raise --trials, or --tolerance.",
        ),
        (
            ["--seed", "1", "--seeds", "1-2"],
            "Give only one of --seed and --seeds: --seeds names every seed itself.",
        ),
        (
            ["--fast", "--steps", "9"],
            "Give only one of --fast and --steps: both say how long to train.",
        ),
        (
            ["--search", "optuna", "--grid", "9"],
            "--grid is for the bisection of one number; a grid of all weights is only counted. "
            "Leave it out, or give --search bisection.",
        ),
        (
            ["--against", "pldn"],
            "Unknown rival of a search 'pldn'. Did you mean 'pldm'? Known: grid, pldm.",
        ),
        (
            ["--data", "none.h5"],
            "There is no data set at none.h5. Check the path given with --data.",
        ),
    ],
)
def test_what_cannot_be_searched_is_told(run: Run, words: list[str], message: str) -> None:
    answer = run("tune", "two-room/lewm-cpu", *words, "--device", "cpu", "--quiet")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"Error: {message}\n"
    assert not Path("runs").exists()


def test_a_recipe_without_a_rival_is_told(run: Run) -> None:
    answer = run("tune", "two-room/lewm-vit-cpu", "--against", "pldm", "--device", "cpu")
    assert answer.exit_code == 2
    assert answer.stderr == (
        "Error: --against pldm needs the recipe that forms a pair with two-room/lewm-vit-cpu, and "
        "none is shipped. Search one yourself: lewm-probe tune RECIPE --search optuna --trials "
        "12.\n"
    )


def test_without_optuna_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    answer = run(*["tune", "two-room/pldm-cpu", "--search", "optuna", "--dry-run"])
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: Searching several weights needs Optuna, which is not installed. Install it with "
        "`pip install 'lewm-probe[optuna]'`, or search for one number by bisection with --key.\n"
    )
    assert optuna_search.BEYOND > 1e5
