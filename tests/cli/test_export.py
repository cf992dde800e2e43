from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Run

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("family", ["lewm", "pldm"])
def test_a_checkpoint_for_users_of_the_published_code(run: Run, family: str) -> None:
    from lewm_probe import load_model

    folder = GOLDEN / f"{family}-tiny"
    answer = run("export", folder, "--out", "out", "--action-stats", "identity", "--json")
    assert answer.exit_code == 0, answer.stderr
    reported = json.loads(answer.stdout)
    model = load_model("out")
    assert reported["fingerprint"] == model.fingerprint
    assert model.statistics_source == "identity"  # and not the checkpoint's own word
    assert reported["fingerprint"] == load_model(folder, action_stats="identity").fingerprint
    assert (reported["family"], reported["action_statistics"]) == (family, "identity")
    assert json.loads(Path("out/config.json").read_text()) == json.loads(
        (folder / "config.json").read_text()
    )


def test_one_of_ours_keeps_where_it_comes_from(run: Run, tmp_path: Path) -> None:
    from lewm_probe import load_model
    from lewm_probe.models.checkpoints.native import save_checkpoint
    from lewm_probe.models.family import Origin

    model = load_model(GOLDEN / "lewm-tiny", action_stats="identity")
    meta = Origin(family="lewm", world="push-t", seed=3, step=70, recipe="r", epoch=1)
    save_checkpoint(tmp_path / "run" / "model.safetensors", model, meta=meta)
    answer = run("export", "run", "--out", "out")
    assert answer.exit_code == 0, answer.stderr
    ours, released = load_model("run"), load_model("out")
    assert (released.spec, released.fingerprint) == (ours.spec, ours.fingerprint)
    assert json.loads(run("inspect", "out", "--json").stdout)["meta"] == meta.model_dump()


def test_what_has_no_released_shape(run: Run, make_checkpoint: Callable[..., Path]) -> None:
    make_checkpoint("r/model.safetensors")
    answer = run("export", "r", "--out", "out")
    assert answer.exit_code == 1
    assert answer.stderr == (
        "Error: A model with the encoder cnn has no released shape: the published code knows ViT "
        "encoders only. What can be exported: the families lewm and pldm with the encoders "
        "vit-tiny, vit-small, vit-base, vit-large, vit-huge, as the recipes two-room/lewm and "
        "two-room/lewm-vit-cpu make. All else stays the .safetensors file it is, which every "
        "command reads.\n"
    )
    assert not Path("out").exists()


def test_statistics_are_needed(run: Run) -> None:
    answer = run("export", GOLDEN / "lewm-tiny", "--out", "out")
    assert answer.exit_code == 1
    assert answer.stderr.startswith(
        f"Error: {GOLDEN}/lewm-tiny/weights.pt does not carry the action statistics"
    )
