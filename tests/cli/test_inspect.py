from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from .conftest import Run


def test_a_checkpoint_says_what_it_is(run: Run, make_checkpoint: Callable[..., Path]) -> None:
    path = make_checkpoint("model.safetensors", family="pldm", seed=3, step=10)
    answer = run("inspect", path)
    assert answer.exit_code == 0
    cells = re.findall(r"│ +(.+?) +│ +(.+?) +│", answer.stdout)
    told = dict(cells)
    assert told["family"] == "pldm"
    assert told["world"] == "two-room"
    assert told["training seed"] == "3"
    assert told["step"] == "10"
    assert told["epoch"] == "–"
    assert told["picture"] == "32 px"
    assert told["action block"] == "10"
    assert told["action mean"] == "0 0"


def test_for_machines_and_a_run_folder(run: Run, make_checkpoint: Callable[..., Path]) -> None:
    path = make_checkpoint("r/model.safetensors")
    told = json.loads(run("inspect", "r", "--json").stdout)
    assert told["path"] == "r/model.safetensors"
    assert told["header"]["meta"]["recipe"] == "two-room/tiny"
    parts = told["parameters"]
    assert parts.pop("total") == sum(parts.values())
    from lewm_probe.models.checkpoint import load_checkpoint

    model = load_checkpoint(path)
    assert sum(parts.values()) == sum(p.numel() for p in model.parameters())
    assert told["fingerprint"] == model.fingerprint


def test_no_checkpoint(run: Run) -> None:
    answer = run("inspect", "nowhere")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: There is no checkpoint at nowhere. Give a .safetensors file or the folder of a "
        "training run.\n"
    )
