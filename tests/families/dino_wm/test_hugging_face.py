"""Encoders that transformers reads: tiny random ones of several kinds, saved by transformers."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lewm_probe.core.errors import UserError
from lewm_probe.families.dino_wm.config import HuggingFaceConfig
from lewm_probe.families.dino_wm.hugging_face import HuggingFaceEncoder, content_of
from lewm_probe.models.checkpoints.native import load_checkpoint
from lewm_probe.training.loop import train
from lewm_probe.training.recipe import Recipe, load_recipe, override
from tests.families.dino_wm.conftest import SHORT

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "patch_size": 8,
    "image_size": 16,
}


def models() -> dict[str, Any]:
    """One of each kind."""
    registers = {"num_register_tokens": 2}
    return {
        "dinov2_with_registers": transformers.Dinov2WithRegistersModel(
            transformers.Dinov2WithRegistersConfig(**SIZES, **registers)
        ),
        "dinov3": transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**SIZES, **registers)),
        "clip": transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**SIZES)),
        "vjepa2": transformers.VJEPA2Model(
            transformers.VJEPA2Config(
                patch_size=8,
                crop_size=16,
                frames_per_clip=2,
                hidden_size=24,
                num_attention_heads=2,
                num_hidden_layers=1,
                mlp_ratio=2,
                pred_hidden_size=24,
                pred_num_attention_heads=2,
                pred_num_hidden_layers=1,
            )
        ),
    }


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    found = {}
    for name, model in models().items():
        found[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(found[name])
    return found


@pytest.fixture
def recipe(folders: dict[str, Path]) -> Recipe:
    return override(
        load_recipe("two-room/frozen_encoder"),
        [
            *SHORT,
            "model.image_size=16",
            "model.encoder_size=16",
            "model.encoder.width=16",
            "model.encoder.patch_size=8",
            "model.predictor.layers=1",
            "model.predictor.mlp_width=16",
            f"model.encoder.weights={folders['dinov3']}",
        ],
    )


@pytest.mark.parametrize("name", ["dinov2_with_registers", "dinov3", "clip", "vjepa2"])
def test_tokens_are_the_patches_of_the_last_layer(name: str, folders: dict[str, Path]) -> None:
    width = 24 if name == "vjepa2" else 16
    config = HuggingFaceConfig(weights=str(folders[name]), width=width, patch_size=8)
    encoder, images = HuggingFaceEncoder(config, 16), torch.randn(3, 3, 16, 16)
    model = encoder.read()
    assert not any(parameter.requires_grad for parameter in model.parameters())
    if name == "vjepa2":
        clip = torch.stack([images, images], 1)
        wanted = model(pixel_values_videos=clip, skip_predictor=True).last_hidden_state
        prefix = 0
    else:
        wanted = model(pixel_values=images).last_hidden_state
        prefix = {"clip": 1}.get(name, 3)  # CLS, and two registers
    assert wanted.shape == (3, prefix + 4, width)
    torch.testing.assert_close(encoder.patches(images), wanted[:, prefix:])


def test_a_run_keeps_no_copy_and_knows_its_encoder(recipe: Recipe, small_data: Path) -> None:
    final = train(recipe, small_data, Path("run"), device="cpu")
    model = load_checkpoint(final)
    assert (model.spec.family, model.spec.tokens) == ("frozen_encoder", 4)
    assert not any(name.startswith("backbone") for name in model.state_dict())
    folder = Path(recipe.model.encoder.weights)
    assert model.config.encoder.content == content_of(folder)
    pixels = torch.randint(0, 256, (1, 3, 16, 16, 3), dtype=torch.uint8)
    assert model.encode(pixels).shape == (1, 3, 4, 16)
    assert train(recipe, small_data, Path("run"), device="cpu", resume=True) == final


def test_another_encoder_in_its_place_is_refused(
    recipe: Recipe, small_data: Path, folders: dict[str, Path]
) -> None:
    own = Path("own")
    shutil.copytree(folders["dinov3"], own)
    recipe = override(recipe, ["model.encoder.weights=own"])
    model = load_checkpoint(train(recipe, small_data, Path("run"), device="cpu"))
    shutil.rmtree(own)
    shutil.copytree(folders["dinov2_with_registers"], own)
    pixels = torch.zeros(1, 1, 16, 16, 3, dtype=torch.uint8)
    with pytest.raises(UserError) as caught:
        model.encode(pixels)
    assert str(caught.value) == (
        "The weights in own are not those that this model was trained with: their files have "
        "another hash. Put the original folder there."
    )
    shutil.rmtree(own)
    with pytest.raises(UserError) as caught:
        model.encode(pixels)
    assert str(caught.value) == (
        "There is no own, but the folder of a frozen encoder was expected there. Models of this "
        "family keep no copy of it: put it back, or train again."
    )


def test_what_it_gives_has_to_be_what_the_recipe_says(folders: dict[str, Path]) -> None:
    config = HuggingFaceConfig(weights=str(folders["clip"]), width=20, patch_size=8)
    with pytest.raises(UserError) as caught:
        HuggingFaceEncoder(config, 16).patches(torch.zeros(1, 3, 16, 16))
    assert str(caught.value) == (
        f"The encoder in {folders['clip']} gives 5 tokens of width 16 for an image of 16 px, but "
        "at least 4 of width 20 were expected. Set model.encoder.width, model.encoder.patch_size "
        "and model.encoder_size to what it gives."
    )


def test_code_and_pickles_in_a_folder_are_left_alone(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """A stranger's folder: its code would have to be run to make the model, so it is refused."""
    folder = tmp_path / "stranger"
    shutil.copytree(folders["clip"], folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModel": "mine.Mine", "AutoConfig": "mine.C"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('was run')")
    encoder = HuggingFaceEncoder(HuggingFaceConfig(weights=str(folder), width=12), 16)
    with pytest.raises(UserError) as caught:
        encoder.read()
    assert str(caught.value).startswith(f"transformers cannot read the encoder in {folder}: ")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError) as caught:
        content_of(folder)
    assert str(caught.value) == (
        f"{folder} holds no config.json with safetensors beside it. Other kinds of weights are not "
        "read here: save the model with safe_serialization."
    )


def test_without_transformers_the_error_names_the_extra(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    encoder = HuggingFaceEncoder(HuggingFaceConfig(weights=str(folders["clip"]), width=12), 16)
    with pytest.raises(UserError) as caught:
        encoder.read()
    assert str(caught.value) == (
        "Frozen encoders of the family frozen_encoder are read by transformers. Install it with "
        "`pip install lewm-probe[encoders]`."
    )


def test_a_recipe_without_an_encoder_says_where_to_get_one(small_data: Path) -> None:
    recipe = override(load_recipe("two-room/frozen_encoder"), [*SHORT, "model.image_size=16"])
    with pytest.raises(UserError) as caught:
        train(recipe, small_data, Path("run"), device="cpu")
    assert str(caught.value) == (
        "The recipe names no encoder. Give a local folder in the Hugging Face layout with --set "
        "model.encoder.weights=FOLDER; `hf download facebook/dinov3-vits16-pretrain-lvd1689m "
        "--local-dir FOLDER` fetches one where there is a network."
    )
