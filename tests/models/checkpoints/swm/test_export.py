from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.load import Choice, examine, load_model
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.swm.export import export_swm, released_tree
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA

GOLDEN = Path(__file__).parents[3] / "golden"
STATISTICS = ActionStatistics(mean=(0.1, -1.0), std=(1.0 / 3.0, 0.25))

UNEQUAL = ModelConfig(
    image_size=32,
    frame_skip=3,
    history=2,
    encoder=EncoderConfig(name="vit-small", patch_size=8, width=48, layers=2, heads=4),
    latent_width=40,
    projector_hidden=64,
    predictor=PredictorConfig(
        layers=1, heads=1, head_width=16, mlp_width=96, width=24, output_width=32, dropout=0
    ),
)
"""A size of its own for everything, so that no two can be confused."""


@pytest.mark.parametrize("family", ["lewm", "pldm"])
def test_round_trip_is_identity(
    tmp_path: Path, family: str, awaken: Callable[[JEPA], JEPA]
) -> None:
    model = awaken(
        JEPA(UNEQUAL, STATISTICS, family=family, world="push-t", train_seed=7, step=900)
    ).eval()
    export_swm(tmp_path, model)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert loaded.spec == model.spec
    assert loaded.action_statistics == STATISTICS
    assert loaded.statistics_source == "checkpoint"
    assert loaded.fingerprint == model.fingerprint
    for (name, tensor), (other, expected) in zip(
        loaded.state_dict().items(), model.state_dict().items(), strict=True
    ):
        assert name == other
        assert torch.equal(tensor, expected)


EXPORTED = (
    "What can be exported: the families lewm and pldm with the encoders vit-tiny, vit-small, "
    "vit-base, vit-large, vit-huge, as the recipes two-room/lewm and two-room/lewm-vit-cpu make. "
    "All else stays the .safetensors file it is, which every command reads."
)


def test_all_that_is_known_of_it_comes_back(tmp_path: Path) -> None:
    meta = Origin(
        family="lewm", world="push-t", seed=1, step=5, epoch=2, data_fingerprint="a", recipe="r"
    )
    export_swm(tmp_path, JEPA(UNEQUAL, STATISTICS), meta=meta)
    assert examine(locate(tmp_path), Choice()).meta == meta


@pytest.mark.parametrize("family", ["lewm", "pldm"])
def test_the_published_files_come_back(tmp_path: Path, family: str) -> None:
    """Saved anew, a published checkpoint has the published names, shapes, numbers and tree."""
    folder = GOLDEN / f"{family}-tiny"
    export_swm(tmp_path, load_model(folder, action_stats="identity"))
    published = torch.load(folder / "weights.pt", weights_only=True)
    saved = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert list(saved) == list(published)
    assert all(torch.equal(saved[name], published[name]) for name in published)
    tree = json.loads((tmp_path / "config.json").read_text())
    assert tree == json.loads((folder / "config.json").read_text())


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model = JEPA(UNEQUAL, STATISTICS)
    export_swm(tmp_path / "a", model)
    export_swm(tmp_path / "b", model)
    export_swm(tmp_path / "b", model)  # over itself
    for name in ("config.json", "weights.pt", "lewm_probe.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        "config.json",
        "lewm_probe.json",
        "weights.pt",
    ]


def test_models_without_a_released_shape(tmp_path: Path, small: JEPA) -> None:
    with pytest.raises(UserError) as caught:
        export_swm(tmp_path, small)
    assert str(caught.value) == (
        "A model with the encoder cnn has no released shape: the published code knows ViT encoders "
        f"only. {EXPORTED}"
    )
    with pytest.raises(UserError) as caught:
        released_tree(UNEQUAL, "dino_wm")
    assert str(caught.value) == (f"A model of the family dino_wm has no released shape. {EXPORTED}")
    wide = UNEQUAL.predictor.model_copy(update={"head_width": 24})
    with pytest.raises(UserError) as caught:
        released_tree(UNEQUAL.model_copy(update={"predictor": wide}), "lewm")
    assert str(caught.value) == (
        "A predictor with one attention head as wide as itself has no released shape: the "
        "published code leaves out its output layer. Keep it as the .safetensors file it is."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_run(tmp_path: Path) -> None:
    (tmp_path / "weights_epoch_3.pt").touch()
    with pytest.raises(UserError) as caught:
        export_swm(tmp_path, JEPA(UNEQUAL, STATISTICS))
    assert str(caught.value) == (
        f"{tmp_path} holds other checkpoints (weights_epoch_3.pt), and one folder holds one run. "
        "Choose another folder."
    )


@pytest.mark.parametrize("name", ["config.json", "weights.pt"])
def test_what_others_wrote_is_not_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(UserError) as caught:
        export_swm(tmp_path, JEPA(UNEQUAL, STATISTICS))
    assert str(caught.value) == (
        f"{tmp_path / name} is there already and was not written by lewm-probe, so it is not "
        "replaced. Choose another folder."
    )
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "{}")]


def test_a_sidecar_of_another_model(tmp_path: Path) -> None:
    export_swm(tmp_path, JEPA(UNEQUAL, STATISTICS))
    path = tmp_path / "lewm_probe.json"
    path.write_text(path.read_text().replace('"family": "lewm"', '"family": "pldm"'))
    with pytest.raises(UserError) as caught:
        load_model(tmp_path)
    assert str(caught.value) == (
        f"{path} says pldm, but {tmp_path}/config.json says lewm. Keep the two files that were "
        "written together."
    )


def test_a_sidecar_from_the_future_or_damaged(tmp_path: Path) -> None:
    export_swm(tmp_path, JEPA(UNEQUAL, STATISTICS))
    path = tmp_path / "lewm_probe.json"
    text = path.read_text()
    path.write_text(text.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(UserError) as caught:
        load_model(tmp_path)
    assert str(caught.value) == (
        f"{path} has version 2, and this lewm-probe reads up to 1. Install a newer lewm-probe."
    )
    path.write_text(re.sub(r'"action_std": \[\s*[^,]*', '"action_std": [0', text))
    with pytest.raises(UserError) as caught:
        load_model(tmp_path)
    assert str(caught.value) == (
        f"The action statistics in {path} have the mean [0.1, -1] and SD [0, 0.25], but finite "
        "numbers and SDs above zero were expected. A dimension that never changes gets SD 1."
    )
