"""A whole study, tiny: real processes that are killed; the analyses are faked."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from lewm_probe.core.processes.locks import alone
from lewm_probe.core.resources import recipe_names
from lewm_probe.search.request import Asked as StudyAsked
from lewm_probe.search.request import make_study
from tests.cli.conftest import Asked, Run
from tests.cli.test_demo import PATIENCE, TINY, files, wait_for_the_end_of

SET = [word for item in TINY for word in ("--set", item)]

WORDS = [
    *("study", "two-room", "--families", "lewm,pldm", "--seeds", "1-2"),
    *("--out", "s", "--device", "cpu", *SET, "--set", "optimizer.epochs=2"),
]
NAMES = ["lewm-1", "pldm-1", "lewm-2", "pldm-2"]


def test_a_whole_study_and_nothing_of_it_twice(run: Run, asked: Asked) -> None:
    answer = run(*WORDS)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "Wrote s/audit/report.html"
    assert asked.names == ["probe", "voe", "straightness", "rollout", "geometry"]
    assert [len(labels) for _, labels, *_ in asked.calls] == [4] * 5
    assert "Plan" in answer.stderr
    for name in NAMES:
        assert f"{name}: trained" in answer.stderr
    kept = yaml.safe_load(Path("s/study.yaml").read_text())
    assert kept["seeds"] == [1, 2]
    assert kept["recipes"] == {"lewm": "two-room/lewm-cpu", "pldm": "two-room/pldm-cpu"}
    before = list(files(Path("s")))

    again = run(*WORDS)
    assert again.exit_code == 0, again.stderr
    assert len(asked.calls) == 5
    assert list(files(Path("s"))) == before

    other = run(*WORDS, "--trajectories", "40")
    assert (other.exit_code, other.stdout) == (2, "")
    assert other.stderr == (
        "Error: The study in s began with other settings: 'trajectories' was not given, and is 40 "
        "now. Go on with what s/study.yaml says, or choose another folder with --out.\n"
    )
    seeds = run(*["1-3" if word == "1-2" else word for word in WORDS])
    assert seeds.stderr == (
        "Error: The study in s began with other settings: 'seeds' was 1,2, and is 1-3 now. Go on "
        "with what s/study.yaml says, or choose another folder with --out.\n"
    )


def test_a_run_that_fails_is_named_and_the_others_are_audited(run: Run, asked: Asked) -> None:
    Path("s/training/pldm-1").mkdir(parents=True)
    Path("s/training/pldm-1/resume.safetensors").write_bytes(b"cut short")
    answer = run(*WORDS, "--json")
    assert answer.exit_code == 1
    why = (
        "s/training/pldm-1/resume.safetensors is not a whole training state. Train again into an "
        "empty folder."
    )
    assert answer.stderr == (
        f"Error: 1 of 4 runs failed. pldm-1: {why} The same command tries again.\n"
    )
    reported = json.loads(answer.stdout)
    assert reported["failed_runs"] == [{"run": "pldm-1", "why": why}]
    assert [len(labels) for _, labels, *_ in asked.calls] == [3] * 5
    shutil.rmtree("s/training/pldm-1")
    again = run(*WORDS)
    assert again.exit_code == 0, again.stderr
    assert [len(labels) for _, labels, *_ in asked.calls[5:]] == [4] * 5


DRIVER = """
import sys
from pathlib import Path

from lewm_probe.analyses.engine import run
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric


def fake(name, checkpoints, suite, **others):
    metrics = [
        Metric(**s.identity, world="two-room", analysis=name, metric="m", value=1.0)
        for s in checkpoints
    ]
    return Result([], [s.entry for s in checkpoints], metrics)


run.run = fake
from lewm_probe.cli.main import main

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_stopped_and_resumed_it_gives_the_same_weights(run: Run, number: int) -> None:
    Path("driver.py").write_text(DRIVER)
    words = [sys.executable, "driver.py", *WORDS, "--set", "optimizer.epochs=20"]
    words = ["lewm" if word == "lewm,pldm" else word for word in words]
    stopped = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not Path("s/training/lewm-1/resume.safetensors").is_file():
        assert stopped.poll() is None, stopped.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(stopped.pid, number)
    stopped.communicate()
    assert stopped.returncode != 0
    wait_for_the_end_of(stopped.pid)  # no orphan trains on
    assert not Path("s/training/lewm-1/model.safetensors").exists()

    subprocess.run(words, check=True, capture_output=True)
    assert Path("s/audit/report.html").is_file()

    from lewm_probe.training.loop import train
    from lewm_probe.training.recipe import load_recipe

    torch.set_num_threads(1)
    recipe = load_recipe("two-room/lewm-cpu", [*TINY, "optimizer.epochs=20", "seed=1"])
    uninterrupted = train(recipe, Path("s/data.h5"), Path("one"), device="cpu")
    resumed = Path("s/training/lewm-1/model.safetensors")
    assert uninterrupted.read_bytes() == resumed.read_bytes()


def test_the_plan_alone(run: Run) -> None:
    answer = run(*WORDS, "--dry-run", "--json")
    assert answer.exit_code == 0, answer.stderr
    stages = json.loads(answer.stdout)["plan"]
    assert [stage["name"] for stage in stages] == ["data", "training", "audit"]
    assert stages[0]["what"] == "8 episodes of two-room, 16 px"
    assert stages[1]["what"].startswith("4 runs, ")
    assert all(stage["minutes"] > 0 and stage["megabytes"] > 0 for stage in stages)
    assert not Path("s").exists()


def test_a_disk_too_small_is_told_before_any_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)  # type: ignore[attr-defined]
    monkeypatch.setattr("lewm_probe.core.disk.shutil.disk_usage", lambda path: small)
    answer = run(*WORDS)
    assert answer.exit_code == 1
    message = " ".join(answer.stderr[answer.stderr.index("Error") :].split())
    wanted = re.fullmatch(
        r"Error: The study would take about (\d+) MB, and 1\.0 MB are free at (\S+)\. Free "
        r"some space, choose another place with --out, or ask for less: fewer --seeds, fewer "
        r"episodes \(--set data\.collect\.episodes=…\)\.",
        message,
    )
    assert wanted is not None, message
    assert int(wanted[1]) > 1
    assert wanted[2] == "s"
    assert not Path("s").exists()


SMALL_FAMILIES = sorted(
    name.removeprefix("two-room/").removesuffix("-cpu")
    for name in recipe_names()
    if name.startswith("two-room/") and name.endswith("-cpu")
)
"""What a machine without a GPU is offered."""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["two-room"],
            "Say what to train: either --families, e.g. --families lewm,pldm, or --recipes, e.g. "
            "--recipes two-room/lewm-vit-cpu,mine.yaml.",
        ),
        (
            ["two-room", "--families", "lewn"],
            f"Unknown family 'lewn'. Did you mean 'lewm'? Known: {', '.join(SMALL_FAMILIES)}.",
        ),
        (
            ["two-rom", "--families", "lewm"],
            "Unknown world 'two-rom'. Did you mean 'two-room'? Known: push-t, two-room.",
        ),
        (
            ["two-room", "--families", "lewm,lewm"],
            "--families names lewm twice. Name each once; two recipes of one file name need other "
            "file names, as models are called so in the report.",
        ),
        (
            ["two-room", "--families", "lewm,"],
            "'lewm,' has an empty name. Write names with commas between: lewm,pldm.",
        ),
        (
            ["two-room", "--recipes", "two-room/lewm-cpu,push-t/pldm-cpu"],
            "The recipe push-t/pldm-cpu is of the world push-t, but the study is of two-room. "
            "Choose recipes of one world.",
        ),
        (
            ["two-room", "--recipes", "two-room/lewm-cpu,two-room/pldm"],
            "lewm-cpu and pldm ask for different data sets: 'data.collect.episodes' is 600 for the "
            "one and 10000 for the other. Make them the same with --set "
            "data.collect.episodes=…, or give a data set with --data.",
        ),
        (
            ["two-room", "--families", "lewm", "--data", "none.h5"],
            "There is no data set at none.h5. Check the path given with --data.",
        ),
    ],
)
def test_what_cannot_be_a_study_is_told(run: Run, words: list[str], message: str) -> None:
    answer = run("study", *words, "--device", "cpu")
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == f"Error: {message}\n"


def test_two_studies_do_not_share_a_folder(run: Run) -> None:
    with alone(Path("s")):
        answer = run(*WORDS, "--quiet")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: Another lewm-probe is writing in s. Wait for it, or choose another place with "
        "--out.\n"
    )


def test_a_fast_study_has_recipes_that_say_so(tmp_path: Path) -> None:
    asked = StudyAsked(
        world="two-room", recipes={"lewm": "two-room/lewm-cpu"}, seeds=(4, 5), fast=True
    )
    made = make_study(asked, tmp_path)
    assert {run.recipe.name for run in made.runs} == {"two-room/lewm-cpu (fast)"}
    assert [run.recipe.seed for run in made.runs] == [4, 5]
    steps = {run.recipe.steps for run in made.runs}
    assert max(step or 0 for step in steps) < 450
