from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from .conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden"


def test_a_checkpoint_says_what_it_is(run: Run, make_checkpoint: Callable[..., Path]) -> None:
    path = make_checkpoint("model.safetensors", family="pldm", seed=3, step=10)
    answer = run("inspect", path)
    assert answer.exit_code == 0
    cells = re.findall(r"│ +(.+?) +│ +(.+?) +│", answer.stdout)
    reported = dict(cells)
    assert reported["kind"] == "lewm-probe checkpoint"
    assert reported["action statistics"] == "checkpoint"
    assert reported["family"] == "pldm"
    assert reported["world"] == "two-room"
    assert reported["training seed"] == "3"
    assert reported["step"] == "10"
    assert reported["epoch"] == "–"
    assert reported["image"] == "32 px"
    assert reported["action block"] == "10"
    assert reported["action mean"] == "0 0"


def test_for_machines_and_a_run_folder(run: Run, make_checkpoint: Callable[..., Path]) -> None:
    path = make_checkpoint("r/model.safetensors")
    reported = json.loads(run("inspect", "r", "--json").stdout)
    assert reported["path"] == "r/model.safetensors"
    assert reported["header"]["meta"]["recipe"] == "two-room/tiny"
    parts = reported["parameters"]
    assert parts.pop("total") == sum(parts.values())
    from lewm_probe.models.checkpoints.native import load_checkpoint

    model = load_checkpoint(path)
    assert sum(parts.values()) == sum(p.numel() for p in model.parameters())
    assert reported["fingerprint"] == model.fingerprint


def test_no_checkpoint(run: Run) -> None:
    answer = run("inspect", "nowhere")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: There is no checkpoint at nowhere. Give a run folder, a .safetensors file, a "
        "folder with config.json and weights.pt, or hf://user/repo.\n"
    )


# ---- released shapes


def cells(answer: str) -> dict[str, str]:
    return dict(re.findall(r"│ +(.+?) +│ +(.+?) +│", answer))


def test_a_released_checkpoint_without_statistics(run: Run) -> None:
    answer = run("inspect", GOLDEN / "pldm-tiny")
    assert answer.exit_code == 0, answer.stderr
    reported = cells(answer.stdout)
    unknown = "unknown: give --action-stats or --dataset"
    assert reported["kind"] == "released shape (PyTorch weights)"
    assert reported["family"] == "pldm"
    assert reported["configuration"] == "stable_worldmodel.wm.pldm.pldm.PLDM"
    assert reported["spelling"] == "transformers 4.x"
    assert (reported["wrapped"], reported["left aside"]) == ("no", "nothing")
    assert reported["tensors"] == "107"
    assert reported["action block"] == "10"
    for fact in ("action statistics", "action mean", "action SD", "frame-skip", "fingerprint"):
        assert reported[fact] == unknown


def test_a_released_checkpoint_with_statistics(run: Run) -> None:
    data = GOLDEN / "released_layout.h5"
    answer = run("inspect", GOLDEN / "lewm-tiny", "--dataset", data, "--json")
    assert answer.exit_code == 0, answer.stderr
    reported = json.loads(answer.stdout)
    assert reported["action_statistics"]["source"] == "data set released_layout.h5"
    assert (reported["frame_skip"], reported["config"]["env_action_width"]) == (5, 2)
    from lewm_probe import load_model

    assert reported["fingerprint"] == load_model(GOLDEN / "lewm-tiny", dataset=data).fingerprint
    named = run("inspect", GOLDEN / "lewm-tiny", "--action-stats", "lewm-tiny=identity", "--json")
    assert json.loads(named.stdout)["action_statistics"]["source"] == "identity"


def test_epochs_of_a_folder(run: Run, tmp_path: Path) -> None:
    shutil.copyfile(GOLDEN / "lewm-tiny" / "config.json", tmp_path / "config.json")
    for epoch in range(1, 9):
        shutil.copyfile(GOLDEN / "lewm-tiny" / "weights.pt", tmp_path / f"weights_epoch_{epoch}.pt")
    reported = cells(run("inspect", ".").stdout)
    assert (reported["step"], reported["epoch"]) == ("8", "8")
    assert reported["checkpoints of the run"] == (
        "weights_epoch_1.pt, weights_epoch_2.pt, weights_epoch_3.pt, … 2 more …, "
        "weights_epoch_6.pt, weights_epoch_7.pt, weights_epoch_8.pt"
    )


def test_options_for_another_name(run: Run) -> None:
    answer = run("inspect", GOLDEN / "lewm-tiny", "--action-stats", "lewm=identity")
    assert answer.exit_code == 2
    assert answer.stderr == (
        "Error: Unknown checkpoint 'lewm'. Did you mean 'lewm-tiny'? Known: lewm-tiny.\n"
    )
