"""Against Hugging Face's own implementation, on tiny random models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.dinov2 import read_dinov2
from lewm_probe.models.nn.dinov2 import spelled

transformers = pytest.importorskip("transformers")

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "image_size": 56,
    "patch_size": 14,
}


def theirs(registers: int, **sizes: Any) -> nn.Module:
    """A model of transformers with weights of which none is trivial."""
    torch.manual_seed(0)
    if registers:
        config = transformers.Dinov2WithRegistersConfig(
            **SIZES, **sizes, num_register_tokens=registers
        )
        model = transformers.Dinov2WithRegistersModel(config)
    else:
        model = transformers.Dinov2Model(transformers.Dinov2Config(**SIZES, **sizes))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.mark.parametrize("registers", [0, 4])
@pytest.mark.parametrize("sizes", [{}, {"use_swiglu_ffn": True, "qkv_bias": False}])
def test_features_are_those_of_transformers(
    registers: int, sizes: dict[str, Any], tmp_path: Path
) -> None:
    model = theirs(registers, **sizes)
    model.save_pretrained(tmp_path)
    ours = read_dinov2(tmp_path)
    assert not ours.training
    assert not any(parameter.requires_grad for parameter in ours.parameters())
    for height, width in ((56, 56), (84, 84), (28, 70), (28, 112)):
        images = torch.randn(2, 3, height, width)
        with torch.no_grad():
            expected = model(images).last_hidden_state
            torch.testing.assert_close(ours(images), expected, atol=1e-5, rtol=1e-5)
            patches = ours.patches(images)
        assert patches.shape == (2, height * width // 14**2, 24)
        torch.testing.assert_close(patches, expected[:, 1 + registers :], atol=1e-5, rtol=1e-5)


def older(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As transformers 4.x named and packed them."""
    found = {}
    for name, tensor in tensors.items():
        for new, old in (
            ("attention.q_proj", "attention.attention.query"),
            ("attention.k_proj", "attention.attention.key"),
            ("attention.v_proj", "attention.attention.value"),
            ("attention.o_proj", "attention.output.dense"),
            ("mlp.down_proj", "mlp.weights_out"),
        ):
            name = name.replace(new, old)
        found[name] = tensor
    for name in [n for n in found if "gate_proj" in n]:
        halves = found.pop(name), found.pop(name.replace("gate_proj", "up_proj"))
        found[name.replace("gate_proj", "weights_in")] = torch.cat(halves)
    return found


def newer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("spelling", [older, newer])
@pytest.mark.parametrize("prefix", ["", "dinov2.", "backbone."])
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_every_spelling(
    gated: bool,
    spelling: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    prefix: str,
    kind: str,
    tmp_path: Path,
) -> None:
    model = theirs(0, use_swiglu_ffn=gated)
    model.config.save_pretrained(tmp_path)
    state = {f"{prefix}{n}": t.half() for n, t in spelling(dict(model.state_dict())).items()}
    del state[f"{prefix}embeddings.mask_token"]
    if prefix:
        state["classifier.bias"] = torch.zeros(3)
    if kind == "bin":
        torch.save(state, tmp_path / "pytorch_model.bin")
    else:
        save_file(state, tmp_path / "model.safetensors")
    images = torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        expected = model.half().float()(images).last_hidden_state
        torch.testing.assert_close(read_dinov2(tmp_path)(images), expected, atol=1e-4, rtol=1e-4)


def test_spelled_leaves_the_older_names_alone() -> None:
    state = older(dict(theirs(4, use_swiglu_ffn=True).state_dict()))
    assert spelled(state).keys() == state.keys()


def said(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_dinov2(folder)
    return str(caught.value)


FETCH = (
    "`hf download facebook/dinov2-small --local-dir dinov2-small` fetches the released ViT-S/14 "
    "where there is a network."
)


def test_what_is_not_there(tmp_path: Path) -> None:
    assert said(tmp_path / "none") == (
        f"There is no {tmp_path}/none, where a folder of DINOv2 weights was expected. {FETCH}"
    )
    theirs(0).config.save_pretrained(tmp_path)
    assert said(tmp_path) == (
        f"{tmp_path} holds no weights, neither model.safetensors nor pytorch_model.bin. {FETCH}"
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        (
            {"model_type": "vit"},
            "describes a model of the type 'vit', not dinov2 or dinov2_with_registers. " + FETCH,
        ),
        (
            {"hidden_act": "relu"},
            "asks for the activation 'relu' and 3 channels; DINOv2 has 'gelu' and 3.",
        ),
        (
            {"mlp_ratio": 1e9},
            "has tokens of width 24 and an MLP 1000000000.0 times as wide, which are no sizes. "
            "Fetch it again.",
        ),
    ],
)
def test_another_configuration(changes: dict[str, Any], what: str, tmp_path: Path) -> None:
    import json

    config = tmp_path / "config.json"
    config.write_text(json.dumps(theirs(0).config.to_dict() | changes))
    assert said(tmp_path) == f"{config} {what}"


def test_tensors_of_another_configuration(tmp_path: Path) -> None:
    model = theirs(0)
    model.save_pretrained(tmp_path)
    transformers.Dinov2Config(**{**SIZES, "hidden_size": 48}).save_pretrained(tmp_path)
    assert said(tmp_path).startswith("The tensor ")
    assert said(tmp_path).endswith("Give the config.json that was saved with these weights.")
