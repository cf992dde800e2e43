from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.swm.config import (
    MODELS,
    VIT_FIXED,
    VIT_HARMLESS,
    ReleasedConfig,
    read_released_config,
)
from lewm_probe.models.config import ModelConfig

GOLDEN = Path(__file__).parents[3] / "golden"


def published(size: str = "tiny", width: int = 192) -> dict[str, Any]:
    """A released configuration with all that may be left out left out."""
    mlp = {
        "_target_": "module.MLP",
        "input_dim": 192,
        "hidden_dim": 2048,
        "norm_fn": {"_target_": "torch.nn.BatchNorm1d", "_partial_": True},
    }
    return {
        "_target_": "jepa.JEPA",
        "encoder": {
            "_target_": "stable_pretraining.backbone.utils.vit_hf",
            "size": size,
            "patch_size": 14,
            "use_mask_token": False,
        },
        "predictor": {
            "_target_": "module.ARPredictor",
            "num_frames": 3,
            "depth": 6,
            "heads": 16,
            "mlp_dim": 2048,
            "input_dim": 192,
            "hidden_dim": 192,
            "dropout": 0.1,
        },
        "action_encoder": {"_target_": "module.Embedder", "emb_dim": 192},
        "projector": {**mlp, "input_dim": width, "output_dim": 192},
        "pred_proj": mlp,
    }


def read(tmp_path: Path, tree: Any) -> ReleasedConfig:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    return read_released_config(path)


def refused(tmp_path: Path, tree: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(tmp_path, tree)
    assert caught.value.exit_code == 1
    return str(caught.value)


def change(tree: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    *path, last = place.split("/")
    inner = tree
    for key in path:
        inner = inner[key]
    inner[last] = value
    return tree


def test_the_published_defaults_are_the_released_model(tmp_path: Path) -> None:
    config = read(tmp_path, published())
    assert config.model_config(env_action_width=2) == ModelConfig().resolved()
    assert (config.family, config.action_width, config.mask_token) == (None, 10, False)


def test_the_golden_configuration(golden_config: ModelConfig) -> None:
    for family in ("lewm", "pldm"):
        config = read_released_config(GOLDEN / f"{family}-tiny" / "config.json")
        assert config.family == family
        assert config.model_config(2) == golden_config.resolved()


@pytest.mark.parametrize(
    ("size", "width", "layers", "heads"),
    [
        ("tiny", 192, 12, 3),
        ("small", 384, 12, 6),
        ("base", 768, 12, 12),
        ("large", 1024, 24, 16),
        ("huge", 1280, 32, 16),
    ],
)
def test_sizes_of_vit_hf(tmp_path: Path, size: str, width: int, layers: int, heads: int) -> None:
    vit = read(tmp_path, published(size, width)).sizes.encoder.vit
    assert (vit.width, vit.layers, vit.heads, vit.mlp_width) == (width, layers, heads, 4 * width)


def test_another_width_keeps_the_named_size_s_mlp(tmp_path: Path) -> None:
    """vit_hf takes four times the named size's width, and only then the keywords."""
    tree = change(published("tiny", 96), "encoder/hidden_size", 96)
    assert read(tmp_path, tree).sizes.encoder.vit.mlp_width == 768


@pytest.mark.parametrize("name", MODELS)
def test_every_name_of_a_model(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, change(published(), "_target_", name)).family == MODELS[name]


@pytest.mark.parametrize("key", sorted(VIT_HARMLESS))
def test_fields_that_change_nothing(tmp_path: Path, key: str) -> None:
    assert read(tmp_path, change(published(), f"encoder/{key}", 0.5)) == read(tmp_path, published())


@pytest.mark.parametrize(
    ("key", "value", "only"),
    [
        ("hidden_act", "relu", "'gelu'"),
        ("layer_norm_eps", 1e-6, "1e-12"),
        ("qkv_bias", False, "True"),
        ("qkv_bias", 1, "True"),
        ("num_channels", 4, "3"),
    ],
)
def test_fields_that_change_the_computation(
    tmp_path: Path, key: str, value: Any, only: str
) -> None:
    assert refused(tmp_path, change(published(), f"encoder/{key}", value)) == (
        f"The configuration {tmp_path}/config.json: encoder.{key} is {value!r}, but only {only} is "
        "supported: another value changes what the encoder computes. Give a checkpoint with that "
        "value."
    )
    same = change(published(), f"encoder/{key}", VIT_FIXED[key])
    assert read(tmp_path, same) == read(tmp_path, published())


def test_layer_norm_is_the_published_default_and_not_ours(tmp_path: Path) -> None:
    tree = published()
    del tree["projector"]["norm_fn"]
    assert refused(tmp_path, tree) == (
        f"The configuration {tmp_path}/config.json: projector.norm_fn._target_ names "
        "torch.nn.LayerNorm (the default), which is not known here, and names from files are never "
        "imported. Known: torch.nn.BatchNorm1d, torch.nn.modules.batchnorm.BatchNorm1d."
    )


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (
            "_target_",
            "stable_worldmodel.wm.prejepa.PreJEPA",
            ": _target_ names stable_worldmodel.wm.prejepa.PreJEPA, which is not known here, and "
            "names from files are never imported. Did you mean stable_worldmodel.wm.lewm.JEPA? "
            "Known: stable_worldmodel.wm.lewm.LeWM, stable_worldmodel.wm.lewm.lewm.LeWM, "
            "stable_worldmodel.wm.pldm.PLDM, stable_worldmodel.wm.pldm.pldm.PLDM, "
            "stable_worldmodel.wm.lewm.JEPA, jepa.JEPA.",
        ),
        (
            "predictors",
            {},
            " has an unknown key 'predictors'. Did you mean 'predictor'? Known keys there: "
            "encoder, predictor, action_encoder, projector, pred_proj.",
        ),
        (
            "predictor/heads",
            "16",
            ", predictor: 'heads' is '16'. Input should be a valid integer. Fix this value.",
        ),
        (
            "encoder/size",
            "giant",
            ", encoder: 'size' is 'giant'. Input should be 'tiny', 'small', 'base', 'large' or "
            "'huge'. Fix this value.",
        ),
        (
            "action_encoder/smoothed_dim",
            12,
            ", action_encoder: 'smoothed_dim' is 12. Input should be 10. Fix this value.",
        ),
        (
            "predictor/mlp_dims",
            7,
            ", predictor has an unknown key 'mlp_dims'. Did you mean 'mlp_dim'? Known keys there: "
            "depth, dim_head, dropout, emb_dropout, heads, hidden_dim, input_dim, mlp_dim, "
            "num_frames, output_dim.",
        ),
        (
            "pred_proj/output_dim",
            128,
            ": pred_proj.output_dim is 128, but the parts around it need 192. Give the config.json "
            "that was saved with the weights.",
        ),
        (
            "projector",
            None,
            ": projector is no table of keys and values. Give the run's own config.json.",
        ),
        (
            "encoder/image_size",
            225,
            ": An image of 225 px cannot be cut into patches of 14 px: 225 is not a multiple of "
            "14. Set model.encoder.patch_size to a divisor of 225 (5, 9, 15, 25, 45, 75), or "
            "model.image_size to a multiple of 14, such as 224 or 238.",
        ),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, place: str, value: Any, message: str) -> None:
    reported = refused(tmp_path, change(published(), place, value))
    assert reported.removeprefix(
        f"The configuration {tmp_path}/config.json"
    ) == message or reported == (message.removeprefix(": "))


def test_a_missing_part(tmp_path: Path) -> None:
    tree = published()
    del tree["pred_proj"]
    assert refused(tmp_path, tree) == (
        f"The configuration {tmp_path}/config.json lacks the part 'pred_proj'. A LeWM or PLDM has "
        "encoder, predictor, action_encoder, projector, pred_proj; give the run's own config.json."
    )


def test_an_attention_without_output_layer(tmp_path: Path) -> None:
    tree = change(change(published(), "predictor/heads", 1), "predictor/dim_head", 192)
    assert refused(tmp_path, tree) == (
        f"The configuration {tmp_path}/config.json: predictor.heads 1 with dim_head 192, the whole "
        "width, leaves out the attention's output layer in the published code, which is not "
        "supported here. Give a model with more heads or another dim_head."
    )
