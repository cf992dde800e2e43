"""Weights as others save them: both spellings of the encoder, prefixes, and dicts around them.

The names here are those of transformers 4.x, which the published checkpoints have. transformers ≥
5.9 spells the encoder anew; a state dict saved under the one does not load under the other there,
and both do here. Training frameworks wrap a state dict in a dict and put a prefix before its names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.native import read_safetensors
from lewm_probe.models.checkpoints.tensors import check_finite, check_tensors
from lewm_probe.models.checkpoints.torch_file import read_torch_file
from lewm_probe.models.jepa import JEPA

WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")
"""Keys under which training frameworks keep the state dict."""

PREFIXES = ("", "model.", "module.", "model.module.")
"""What they put before every name: Lightning, DataParallel, both."""

LEFT_ASIDE = re.compile(r"(sigreg|idm|callbacks_\w+|callbacks)\..+")
"""Parts of a training module that are no part of the model: the loss, PLDM's inverse dynamics, and
probes that look on."""

MASK_TOKEN = "encoder.embeddings.mask_token"
"""Kept by encoders made for masked training; never read when nothing is masked."""

CONVERTIBLE = (torch.float16, torch.bfloat16)
"""Half precisions: every number of theirs is a float32."""

_NEW_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)")
_NEW_NAMES = {
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}

ADVICE = "Give the config.json that was saved with these weights, or the weights that belong to it."


@dataclass(frozen=True)
class Weights:
    """A state dict under the published names, and how it was found.

    Attributes:
        tensors: name → tensor, as views of the file.
        spelling: ``transformers 4.x`` or ``transformers >= 5.9``.
        wrapper: keys and prefix around it, for people; empty for a bare state dict.
        left_aside: names that are no part of the model.
        step: optimiser steps, where the file says.
    """

    tensors: dict[str, Tensor]
    spelling: str
    wrapper: str
    left_aside: tuple[str, ...]
    step: int | None


def read_weights(path: Path) -> Weights:
    """The model's tensors in a ``.pt``, ``.ckpt`` or ``.safetensors`` file of another library.

    Raises:
        UserError: unreadable or unsafe (``read_torch_file``), no state dict in it, or names that
            are neither the model's nor known to stand beside it.
    """
    if path.suffix == ".safetensors":
        return _named(path, dict(read_safetensors(path)), "", None)
    loaded = read_torch_file(path)
    keys = [key for key in WRAPPERS if isinstance(loaded.get(key), Mapping)]
    if len(keys) > 1:
        raise UserError(
            f"{path} holds several tables of tensors ({', '.join(keys)}), and which one is the "
            "model is not said. Save the one you mean: torch.save(loaded['…'], 'weights.pt')."
        )
    step = loaded.get("global_step") if keys else None
    state = dict(loaded[keys[0]]) if keys else loaded
    known = type(step) is int and 0 <= step < 2**53
    return _named(path, state, keys[0] if keys else "", step if known else None)


def fill(model: JEPA, weights: Weights, path: Path) -> JEPA:
    """Put the weights into a model made on the meta device: float32, eval mode, frozen.

    Raises:
        UserError: tensors missing, unexpected, of another shape or type, or not finite.
    """
    check_tensors(path, weights.tensors, model.state_dict(), ADVICE, convertible=CONVERTIBLE)
    tensors = {
        name: tensor.detach().to(
            torch.float32 if tensor.is_floating_point() else tensor.dtype,
            copy=True,
            memory_format=torch.contiguous_format,
        )
        for name, tensor in weights.tensors.items()
    }
    check_finite(path, tensors)
    model.load_state_dict(tensors, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def without_mask_token(weights: Weights) -> Weights:
    """The same without the token that encoders made for masked training keep."""
    if MASK_TOKEN not in weights.tensors:
        return weights
    tensors = {name: t for name, t in weights.tensors.items() if name != MASK_TOKEN}
    aside = (*weights.left_aside, MASK_TOKEN)
    return Weights(tensors, weights.spelling, weights.wrapper, aside, weights.step)


def _named(path: Path, state: dict[Any, Any], key: str, step: int | None) -> Weights:
    prefix = next(
        (
            p
            for p in PREFIXES
            if any(isinstance(name, str) and name.startswith(f"{p}predictor.") for name in state)
        ),
        None,
    )
    if prefix is None:
        shown = ", ".join(repr(name)[:60] for name in list(state)[:3]) or "nothing"
        raise UserError(
            f"{path} holds no LeWM or PLDM: none of its names begins with 'predictor.', with or "
            f"without {', '.join(p for p in PREFIXES if p)} before it. It holds {shown} …; give "
            "the checkpoint of a whole model."
        )
    tensors: dict[str, Tensor] = {}
    aside: list[str] = []
    renamed = False
    for name, tensor in state.items():
        if isinstance(name, str) and LEFT_ASIDE.fullmatch(name.removeprefix(prefix)):
            aside.append(name)
            continue
        if not isinstance(name, str) or not name.startswith(prefix):
            raise UserError(
                f"{path} holds '{str(name)[:80]}' beside the model's tensors, whose names begin "
                f"with '{prefix}'. Only sigreg.*, idm.* and callbacks_* are known to stand there; "
                "save the model's state dict alone."
            )
        if not isinstance(tensor, Tensor):
            raise UserError(
                f"'{name[:80]}' of {path} is a {type(tensor).__name__}, but a tensor was expected. "
                "Save the model's state dict alone."
            )
        published = published_name(name.removeprefix(prefix))
        renamed |= published != name.removeprefix(prefix)
        if published in tensors:
            raise UserError(
                f"{path} holds the tensor {published} twice, in both spellings of transformers. "
                "Save the model's state dict anew."
            )
        tensors[published] = tensor
    wrapped = ", ".join(
        [f"under the key {key}"] * bool(key) + [f"after the prefix {prefix}"] * bool(prefix)
    )
    spelling = "transformers >= 5.9" if renamed else "transformers 4.x"
    return Weights(tensors, spelling, wrapped, tuple(aside), step)


def published_name(name: str) -> str:
    """A tensor's name in the spelling of transformers 4.x.

    >>> published_name("encoder.layers.3.attention.q_proj.weight")
    'encoder.encoder.layer.3.attention.attention.query.weight'
    >>> published_name("encoder.layernorm.bias")
    'encoder.layernorm.bias'
    """
    match = _NEW_LAYER.fullmatch(name)
    if match is None:
        return name
    part, _, kind = match[2].rpartition(".")
    return f"encoder.encoder.layer.{match[1]}.{_NEW_NAMES.get(part, part)}.{kind}"
