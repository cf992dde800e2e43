import shutil
from pathlib import Path

import pytest
import torch

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model, load_checkpoints
from lewm_probe.analyses.engine.asked.earlier_checkpoints import (
    at_checkpoint,
    earlier_checkpoints,
    thinned,
)
from lewm_probe.models.checkpoints.load import LoadOptions
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin

GOLDEN = Path(__file__).parents[3] / "golden" / "lewm-tiny"


@pytest.fixture
def run(tmp_path, make_lewm):
    for step in (0, 10, 20, 30):
        meta = Origin(family="lewm", world="two-room", seed=1, step=step)
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, make_lewm(step), meta=meta)
    return tmp_path / "run"


def test_evenly_spaced_with_both_ends():
    assert thinned(0, 12) == []
    assert thinned(1, 12) == [0]
    assert thinned(12, 12) == list(range(12))
    assert thinned(100, 4) == [0, 33, 66, 99]


def test_all_but_the_step_it_is_at(run):
    (checkpoint,) = load_checkpoints([f"lewm={run}"])
    assert checkpoint.model.spec.step == 30
    assert [p.stem for p in earlier_checkpoints(checkpoint)] == [
        "step_0000000",
        "step_0000010",
        "step_0000020",
    ]
    assert [p.stem for p in earlier_checkpoints(checkpoint, limit=2)] == ["step_0000000"]


def test_the_subject_as_it_was(run):
    (checkpoint,) = load_checkpoints([f"lewm={run}"])
    earlier = at_checkpoint(checkpoint, checkpoint.earlier_checkpoints[1])
    assert (earlier.name, earlier.model.spec.step, earlier.entry.step) == ("lewm", 10, 10)
    assert earlier.model.fingerprint != checkpoint.model.fingerprint
    assert not any(p.requires_grad for p in earlier.model.parameters())


def test_no_run_no_history(make_lewm):
    assert earlier_checkpoints(checkpoint_from_model("lewm", make_lewm())) == []


def test_epochs_of_a_released_folder(tmp_path):
    state = torch.load(GOLDEN / "weights.pt", weights_only=True)
    shutil.copyfile(GOLDEN / "config.json", tmp_path / "config.json")
    for epoch in (2, 10, 9):
        state["pred_proj.net.3.bias"].fill_(epoch)
        torch.save(state, tmp_path / f"weights_epoch_{epoch}.pt")
    options = LoadOptions(dataset=(str(GOLDEN.parent / "released_layout.h5"),), resize="area")
    (checkpoint,) = load_checkpoints([f"theirs={tmp_path}"], options=options)
    assert checkpoint.model.spec.step == 10
    earlier = earlier_checkpoints(checkpoint)
    assert [p.name for p in earlier] == ["weights_epoch_2.pt", "weights_epoch_9.pt"]
    second = at_checkpoint(checkpoint, earlier[0])
    assert (second.model.spec.step, second.entry.step) == (2, 2)
    assert second.model.action_statistics == checkpoint.model.action_statistics
    assert second.model.resize == "area"
    assert set(second.model.pred_proj.net[3].bias.tolist()) == {2.0}
