"""One name, one thing: what the commands refuse before anything is averaged, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Run

Make = Callable[..., Path]
FAST = ("--device", "cpu", "-n", "4")


def test_one_name_for_two_families(run: Run, make_checkpoint: Make) -> None:
    lewm, pldm = make_checkpoint(), make_checkpoint("pldm.safetensors", family="pldm")
    answer = run("geometry", f"a={lewm}", f"a={pldm}", *FAST, "--out", "x")
    assert answer.exit_code == 2
    assert answer.stderr == (
        "Error: One name was given to checkpoints that do not belong together: 'a' is of the "
        "family lewm and of the family pldm. Reports average the training seeds of a name and draw "
        "its steps as one curve. Give one of them another name, as in name=path.\n"
    )
    assert not Path("x").exists()


def test_results_of_two_folders_that_cannot_be_told_apart(run: Run, make_checkpoint: Make) -> None:
    for folder, family, seed in (("x", "lewm", 0), ("y", "pldm", 1)):
        path = make_checkpoint(f"{family}.safetensors", family=family, seed=seed)
        answer = run("geometry", f"a={path}", *FAST, "--out", folder)
        assert answer.exit_code == 0, answer.stderr
    answer = run("report", "x", "y", "--out", "z")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: These results cannot be told apart when they are put together: 'a' is of the "
        "family lewm and of the family pldm. One name stands for one family, one architecture and, "
        "at a training seed and step, one set of weights. Report them apart, or audit one of them "
        "again under another name (name=path).\n"
    )
    assert not Path("z/report.html").exists()
    assert run("report", "x", "--out", "z").exit_code == 0


def test_a_model_in_another_world_is_told_once(run: Run, make_checkpoint: Make) -> None:
    words = ["geometry", f"a={make_checkpoint()}", "--world", "push-t", *FAST, "--out", "x"]
    answer = run(*words)
    assert answer.exit_code == 0, answer.stderr
    notes = json.loads(Path("x/results.json").read_text())["provenance"][0]["notes"]
    (told,) = [note for note in notes if "another world" in note]
    assert told == (
        "a, training seed 0, step 10 was trained in two-room and is asked in push-t, another "
        "world: its numbers say how it does on images and physics that it has not seen. Leave "
        "--world out, or say --world two-room, to ask it where it was trained."
    )
    shown = " ".join(answer.stdout.split())
    assert shown.count("another world: its numbers") == 1
    assert run("report", "x", "--out", "y").exit_code == 0
    assert Path("y/report.md").read_text().count("another world: its numbers") == 1
