"""Frozen DINOv2 weights from a local folder in the Hugging Face layout.

``config.json`` with ``model_type`` ``dinov2`` or ``dinov2_with_registers``, and beside it
``model.safetensors`` or ``pytorch_model.bin``; names as transformers 4.x or 5.x write them, with
or without the prefix of a model around the encoder. Nothing in a file is executed or imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lewm_probe.core.config import parse
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import FOLDER, NOTHING, kind_of
from lewm_probe.core.strict_json import read_json
from lewm_probe.models.checkpoints.native import read_safetensors
from lewm_probe.models.checkpoints.places import CONFIG, inside
from lewm_probe.models.checkpoints.tensors import check_finite, check_tensors
from lewm_probe.models.checkpoints.torch_file import read_torch_file
from lewm_probe.models.nn.dinov2 import Dinov2, Dinov2Shape, spelled

KINDS = ("dinov2", "dinov2_with_registers")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
PREFIXES = ("", "dinov2.", "dinov2_with_registers.", "backbone.")
"""What stands before every name where the encoder is part of another model."""

WHERE_FROM = (
    "`hf download facebook/dinov2-small --local-dir dinov2-small` fetches the released ViT-S/14 "
    "where there is a network"
)


def read_dinov2(folder: Path) -> Dinov2:
    """The encoder in a folder: in eval mode, frozen, float32.

    Raises:
        UserError: no such folder or files, another kind of model, or tensors that are not those
            of its configuration.
    """
    folder = Path(folder)
    if (there := kind_of(folder)) != FOLDER:
        found = "There is no" if there == NOTHING else f"{there.capitalize()} stands at"
        raise UserError(
            f"{found} {folder}, where a folder of DINOv2 weights was expected. {WHERE_FROM}."
        )
    if not (folder / CONFIG).exists():
        raise UserError(f"{folder} holds no {CONFIG}, so no DINOv2 weights. {WHERE_FROM}.")
    shape = shape_of(inside(folder, folder / CONFIG))
    path = next((inside(folder, folder / n) for n in WEIGHTS if (folder / n).exists()), None)
    if path is None:
        raise UserError(
            f"{folder} holds no weights, neither {' nor '.join(WEIGHTS)}. {WHERE_FROM}."
        )
    tensors = _bare(path, spelled(_read(path)))
    with torch.device("meta"):
        model = Dinov2(shape)
    expected = model.state_dict()
    if "embeddings.mask_token" not in tensors:  # of pre-training; later files leave it out
        tensors["embeddings.mask_token"] = torch.zeros(expected["embeddings.mask_token"].shape)
    advice = "Give the config.json that was saved with these weights."
    check_tensors(path, tensors, expected, advice, convertible=(torch.float16, torch.bfloat16))
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    check_finite(path, tensors)
    model.load_state_dict(tensors, assign=True)
    return model.eval().requires_grad_(False)


def shape_of(path: Path) -> Dinov2Shape:
    """What a ``config.json`` says.

    Raises:
        UserError: it is of another model, or asks for what DINOv2 does not have.
    """
    raw = read_json(path)
    kind = raw.get("model_type") if isinstance(raw, dict) else None
    if kind not in KINDS:
        raise UserError(
            f"{path} describes a model of the type {str(kind)[:60]!r}, not {' or '.join(KINDS)}. "
            f"{WHERE_FROM}."
        )
    if raw.get("hidden_act", "gelu") != "gelu" or raw.get("num_channels", 3) != 3:
        raise UserError(
            f"{path} asks for the activation {str(raw.get('hidden_act', 'gelu'))[:60]!r} and "
            f"{str(raw.get('num_channels', 3))[:60]} channels; DINOv2 has 'gelu' and 3."
        )
    width, ratio = raw.get("hidden_size", 768), raw.get("mlp_ratio", 4)
    gated = raw.get("use_swiglu_ffn", False)
    shape = {
        "width": width,
        "layers": raw.get("num_hidden_layers", 12),
        "heads": raw.get("num_attention_heads", 12),
        "mlp_width": _mlp_width(path, width, ratio, bool(gated)),
        "gated": gated,
        "patch_size": raw.get("patch_size", 14),
        "image_size": raw.get("image_size", 224),
        "registers": raw.get("num_register_tokens", 4) if kind == KINDS[1] else 0,
        "qkv_bias": raw.get("qkv_bias", True),
        "eps": raw.get("layer_norm_eps", 1e-6),
    }
    return parse(shape, Dinov2Shape, str(path))


def _mlp_width(path: Path, width: Any, ratio: Any, gated: bool) -> int:
    plain = isinstance(width, int) and isinstance(ratio, int | float)
    if not plain or not 0 < width * ratio < 2**20:
        raise UserError(
            f"{path} has tokens of width {str(width)[:60]} and an MLP {str(ratio)[:60]} times as "
            "wide, which are no sizes. Fetch it again."
        )
    hidden = int(width * ratio)
    # transformers: two thirds of it, rounded up to a multiple of eight, in each of two halves.
    return 2 * ((int(hidden * 2 / 3) + 7) // 8 * 8) if gated else hidden


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    found = read_torch_file(path)
    if other := [name for name, value in found.items() if not isinstance(value, Tensor)]:
        raise UserError(
            f"{path} holds {str(other[0])[:60]!r}, which is no tensor; a state dict was expected. "
            f"{WHERE_FROM}."
        )
    return found


def _bare(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's own tensors, under their own names."""
    for prefix in PREFIXES:
        if f"{prefix}embeddings.cls_token" in tensors:
            return {
                name.removeprefix(prefix): tensor
                for name, tensor in tensors.items()
                if name.startswith(prefix)
            }
    raise UserError(f"{path} holds no DINOv2 encoder: 'embeddings.cls_token' is missing in it.")
