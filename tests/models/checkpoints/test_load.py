from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.load import Choice, LoadOptions, examine, load_model
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.checkpoints.swm.export import export_swm
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.models.jepa import JEPA

GOLDEN = Path(__file__).parents[2] / "golden"

NEW_NAMES = {
    ".attention.attention.query.": ".attention.q_proj.",
    ".attention.attention.key.": ".attention.k_proj.",
    ".attention.attention.value.": ".attention.v_proj.",
    ".attention.output.dense.": ".attention.o_proj.",
    ".intermediate.dense.": ".mlp.fc1.",
    ".output.dense.": ".mlp.fc2.",
}
"""The spelling of transformers >= 5.9, written out from its description."""


def respelled(state: dict[str, Tensor]) -> dict[str, Tensor]:
    new = {}
    for name, tensor in state.items():
        if name.startswith("encoder.encoder.layer."):
            name = name.replace("encoder.encoder.layer.", "encoder.layers.")
            for old, other in NEW_NAMES.items():
                name = name.replace(old, other)
        new[name] = tensor
    return new


def prefixed(prefix: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


def lightning(state: dict[str, Tensor]) -> dict[str, Any]:
    beside = {
        "sigreg.weights": torch.ones(17),
        "idm.net.0.weight": torch.ones(2, 2),
        "callbacks_modules.probe.weight": torch.full((2,), torch.nan),
    }
    return {
        "epoch": 3,
        "global_step": 1234,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {**prefixed("model.")(state), **beside},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(5)}}, "param_groups": []}],
        "loops": {"fit_loop": {"state_dict": {}}},
    }


SHAPES: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "as published": lambda state: state,
    "transformers 5.9": respelled,
    "prefix model.": prefixed("model."),
    "prefix module.": prefixed("module."),
    "prefix model.module.": lambda state: prefixed("model.module.")(respelled(state)),
    "under state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "under model_state_dict": lambda state: {"model_state_dict": prefixed("module.")(state)},
    "under model": lambda state: {"model": state, "loss": 0.5},
    "under weights": lambda state: {"weights": state},
    "Lightning": lightning,
}


def golden(family: str) -> tuple[Path, dict[str, Tensor]]:
    folder = GOLDEN / f"{family}-tiny"
    with np.load(folder / "io.npz") as arrays:
        return folder, {name: torch.from_numpy(array) for name, array in arrays.items()}


def same_as_published(model: JEPA, io: dict[str, Tensor]) -> None:
    close = {"atol": 1e-5, "rtol": 0}
    with torch.no_grad():
        embedded = model.action_encoder(io["action"])
    torch.testing.assert_close(model.encode(io["pixels"]), io["emb"], **close)
    torch.testing.assert_close(embedded, io["act_emb"], **close)
    predicted = model.predict(io["emb"][:, :3], io["action"][:, :3])
    torch.testing.assert_close(predicted, io["pred"], **close)
    imagined = model.rollout(io["emb"][:, :1], io["action"][:, :0], io["rollout_actions"])
    torch.testing.assert_close(imagined, io["rollout_emb"][:, :, 1:], **close)


# ---- against the published implementation


@pytest.mark.parametrize("family", ["lewm", "pldm"])
@pytest.mark.parametrize("shape", SHAPES)
def test_golden_checkpoints_reproduce(tmp_path: Path, family: str, shape: str) -> None:
    folder, io = golden(family)
    shutil.copyfile(folder / "config.json", tmp_path / "config.json")
    state = torch.load(folder / "weights.pt", weights_only=True)
    name = "run_weights.ckpt" if shape == "Lightning" else "weights.pt"
    torch.save(SHAPES[shape](dict(state)), tmp_path / name)
    model = load_model(tmp_path, action_stats="identity")
    assert model.spec.family == family
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    same_as_published(model, io)
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in state.items())
    assert model.spec.step == (1234 if shape == "Lightning" else None)


def test_golden_weights_as_safetensors(released: Path) -> None:
    state = torch.load(released / "weights.pt", weights_only=True)
    save_file(dict(state), released / "model.safetensors")
    (released / "weights.pt").unlink()
    model = load_model(released, action_stats="identity")
    same_as_published(model, golden("lewm")[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_taken_as_float32(released: Path, dtype: torch.dtype) -> None:
    state = torch.load(released / "weights.pt", weights_only=True)
    half = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
    torch.save(half, released / "weights.pt")
    model = load_model(released, action_stats="identity")
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == (torch.int64 if "num_batches" in name else torch.float32)
        assert torch.equal(tensor, half[name].to(tensor.dtype))


def test_the_model_does_not_need_its_file(released: Path) -> None:
    model = load_model(released, action_stats="identity")
    before = model.fingerprint
    (released / "weights.pt").write_bytes(b"")
    model.requires_grad_(True)
    assert model.reinitialized(0).config == model.config
    del model._fingerprint
    model._fingerprint = None
    assert model.fingerprint == before


# ---- families


def test_names_for_either_are_lewm_unless_said(released: Path) -> None:
    config = (released / "config.json").read_text()
    (released / "config.json").write_text(
        config.replace("stable_worldmodel.wm.lewm.LeWM", "jepa.JEPA")
    )
    assert load_model(released, action_stats="identity").spec.family == "lewm"
    assert load_model(released, action_stats="identity", family="pldm").spec.family == "pldm"


def test_a_family_that_contradicts_the_configuration(released: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_model(released, action_stats="identity", family="pldm")
    assert str(caught.value) == (
        f"{released}/weights.pt is a checkpoint of the family lewm, as its configuration says, but "
        "--family says pldm. Leave out --family, or give another checkpoint."
    )
    export = released / "exported"
    export_swm(export, load_model(released, action_stats="identity"))
    config = (export / "config.json").read_text()
    for target in ("stable_worldmodel.wm.lewm.LeWM", "jepa.JEPA"):  # told by lewm_probe.json alone
        (export / "config.json").write_text(
            config.replace("stable_worldmodel.wm.lewm.LeWM", target)
        )
        with pytest.raises(UserError) as caught:
            load_model(export, family="pldm")
        assert str(caught.value) == (
            f"{export}/weights.pt is a checkpoint of the family lewm, as its configuration says, "
            "but --family says pldm. Leave out --family, or give another checkpoint."
        )
    with pytest.raises(UsageError) as caught:
        load_model(released, action_stats="identity", family="lewn")
    assert str(caught.value) == (
        f"Unknown family 'lewn'. Did you mean 'lewm'? Known: {', '.join(FAMILIES.names())}."
    )


# ---- action statistics


def test_without_statistics(released: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_model(released)
    assert str(caught.value) == (
        f"{released}/weights.pt does not carry the action statistics it was trained with, as "
        "released checkpoints do not, and without them its predictions mean nothing. Give them "
        'with --action-stats FILE (JSON: {"mean": [...], "std": [...]}, a number for each '
        "dimension of one environment action), or --dataset FILE (the data it was trained "
        "on), or say --action-stats identity if it takes actions as they are."
    )


def test_statistics_from_each_source(released: Path, tmp_path: Path) -> None:
    mean, std = (0.5, -1.0), (2.0, 0.25)
    file = tmp_path / "stats.json"
    file.write_text(json.dumps({"mean": mean, "std": std}))
    read = load_model(released, action_stats=file)
    assert read.action_statistics == ActionStatistics(mean, std)
    assert read.statistics_source == "file stats.json"
    given = load_model(released, action_stats=ActionStatistics(mean, std))
    assert (given.fingerprint, given.statistics_source) == (read.fingerprint, "given")
    data = GOLDEN / "released_layout.h5"
    fitted = load_model(released, dataset=data)
    with EpisodeFile(data) as episodes:
        assert fitted.action_statistics == ActionStatistics.fit(episodes)
    assert fitted.statistics_source == "data set released_layout.h5"
    identity = load_model(released, action_stats="identity")
    assert identity.action_statistics == ActionStatistics((0.0, 0.0), (1.0, 1.0))
    assert len({m.fingerprint for m in (read, fitted, identity)}) == 3
    for model in (read, given, fitted, identity):
        assert (model.spec.frame_skip, model.config.env_action_width) == (5, 2)


def test_the_frame_skip_follows_from_the_statistics(released: Path) -> None:
    model = load_model(released, action_stats=ActionStatistics((0.0,), (1.0,)))
    assert (model.spec.frame_skip, model.spec.action_width) == (10, 10)
    with pytest.raises(UserError) as caught:
        load_model(released, action_stats=ActionStatistics((0.0,) * 3, (1.0,) * 3))
    assert str(caught.value) == (
        "The action statistics (given) are of 3 dimensions, but the action blocks of "
        f"{released}/weights.pt have width 10, which is no multiple of 3. Give those of the data "
        "it was trained on."
    )


def test_a_checkpoint_of_ours_keeps_its_statistics(tmp_path: Path, small: JEPA) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, small, meta=Origin(family="lewm"))
    assert load_model(path).statistics_source == "checkpoint"
    same = load_model(path, action_stats=small.action_statistics)
    assert (same.statistics_source, same.fingerprint) == ("checkpoint", small.fingerprint)
    with pytest.raises(UserError) as caught:
        load_model(path, action_stats="identity")
    assert str(caught.value) == (
        f"{path} carries its own action statistics (mean [0.5, -1], SD [2, 0.25]), and those given "
        "(identity: mean [0, 0], SD [1, 1]) are others. Leave out --action-stats and --dataset to "
        "use its own."
    )
    with pytest.raises(UserError) as caught:
        load_model(path, family="pldm")
    assert str(caught.value) == (
        f"{path} is a checkpoint of the family lewm, as its configuration says, but --family says "
        "pldm. Leave out --family, or give another checkpoint."
    )


def test_statistics_given_twice(released: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(released, action_stats="identity", dataset=GOLDEN / "released_layout.h5")
    assert str(caught.value) == (
        "Action statistics were given twice, by --action-stats and by --dataset. Give one of them."
    )


# ---- epochs


@pytest.fixture
def epochs(released: Path) -> Path:
    state = torch.load(released / "weights.pt", weights_only=True)
    for epoch in (2, 10, 9):
        state["pred_proj.net.3.bias"].fill_(epoch)
        torch.save(state, released / f"weights_epoch_{epoch}.pt")
    (released / "weights.pt").unlink()
    return released


def test_the_last_epoch_of_several(epochs: Path) -> None:
    located = locate(epochs)
    assert located.weights == epochs / "weights_epoch_10.pt"
    assert [p.name for p in located.run_checkpoints] == [
        f"weights_epoch_{n}.pt" for n in (2, 9, 10)
    ]
    model = load_model(epochs, action_stats="identity")
    assert model.spec.step == 10
    assert set(model.pred_proj.net[3].bias.tolist()) == {10.0}
    named = load_model(epochs / "weights_epoch_9.pt", action_stats="identity")
    assert named.spec.step == 9
    assert locate(epochs / "weights_epoch_9.pt").run_checkpoints == ()


def test_an_epoch_that_knows_its_step(epochs: Path) -> None:
    state = torch.load(epochs / "weights_epoch_9.pt", weights_only=True)
    torch.save({"model": state, "global_step": 777}, epochs / "weights_epoch_9.pt")
    examined = examine(locate(epochs / "weights_epoch_9.pt"), Choice())
    assert (examined.meta.step, examined.meta.epoch, examined.model) == (777, 9, None)


# ---- what a command says


def test_options_for_one_and_for_all() -> None:
    options = LoadOptions(
        action_stats=("all.json", "pldm=identity"), dataset=("mine=a.h5",), family=("b=pldm",)
    )
    assert options.chosen("other") == Choice("all.json", None, None, None, False, False)
    assert options.chosen("pldm") == Choice("identity", None, None, None, True, False)
    assert options.chosen("mine") == Choice(None, "a.h5", None, None, True, False)
    assert options.chosen("b") == Choice("all.json", None, "pldm", None, False, True)
    assert options.meant().chosen("other").insist
    options.check_names(["pldm", "mine", "b"])
    with pytest.raises(UsageError) as caught:
        options.check_names(["pldm", "min", "b"])
    assert str(caught.value) == (
        "Unknown checkpoint 'mine'. Did you mean 'min'? Known: b, min, pldm."
    )


def test_options_given_twice() -> None:
    with pytest.raises(UsageError) as caught:
        LoadOptions(action_stats=("a.json", "b.json")).chosen("lewm")
    assert str(caught.value) == (
        "--action-stats was given twice for the checkpoint 'lewm' (a.json, b.json). Give it once, "
        "or once for each checkpoint as NAME=VALUE."
    )


# ---- whole size


def test_a_checkpoint_of_the_released_size(tmp_path: Path) -> None:
    from lewm_probe.models.config import ModelConfig

    model = JEPA(ModelConfig(), ActionStatistics((0.0, 0.0), (1.0, 1.0)), train_seed=1)
    export_swm(tmp_path / "full", model)
    examined = examine(locate(tmp_path / "full"), Choice())
    assert examined.tensors == 303
    assert sum(examined.parts.values()) == 18_034_478
    assert examined.model is not None
    assert examined.model.fingerprint == model.fingerprint


def test_an_unknown_filter() -> None:
    with pytest.raises(UsageError) as error:
        load_model(GOLDEN / "lewm-tiny", action_stats="identity", resize="bicubc")  # type: ignore[arg-type]
    assert str(error.value) == (
        "Unknown resize filter 'bicubc'. Did you mean 'bicubic'? Known: area, bicubic, bilinear, "
        "positions."
    )
