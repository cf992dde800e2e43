"""Where a frozen encoder's weights come from before training: one way for each family."""

from __future__ import annotations

import re
from pathlib import Path

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import NOTHING, kind_of
from lewm_probe.families.dino_wm.config import Dinov2Config
from lewm_probe.models.checkpoints.dinov2 import WHERE_FROM, read_dinov2
from lewm_probe.models.checkpoints.hub import fetch
from lewm_probe.models.checkpoints.native import load_checkpoint
from lewm_probe.models.nn.dinov2 import Dinov2

MASKED_PATCHES = "masked_patches"
"""The family of encoders that are pre-trained here."""

_HUB = re.compile(r"(?:hf://)?(?P<repo>[^/@\s.~]+/[^/@\s]+?)(?:@(?P<revision>.+))?")


def released(config: Dinov2Config) -> Dinov2:
    """DINOv2's own weights: a local folder in the Hugging Face layout, or a repository's name.

    Raises:
        UserError: nothing is named, it cannot be had, or it is of another shape.
    """
    if config.weights is None:
        raise UserError(
            "The recipe names no DINOv2 weights (model.encoder.weights), and none are built in. "
            f"{WHERE_FROM}; then add --set model.encoder.weights=dinov2-small. Without them, the "
            "families dino_wm-ssl and dino_wm-random train on encoders that are made here."
        )
    return _same_shape(config, read_dinov2(_folder(config.weights)))


def pretrained_here(config: Dinov2Config) -> Dinov2:
    """The encoder of a run of masked patches.

    Raises:
        UserError: nothing is named, it is no such run, or it is of another shape.
    """
    if config.weights is None:
        raise UserError(
            "The recipe names no pre-trained encoder (model.encoder.weights). Train one first, on "
            "episodes of another world: `lewm-probe train push-t/masked_patches-cpu`; then add "
            "--set model.encoder.weights=RUN."
        )
    model = load_checkpoint(Path(config.weights))
    if model.spec.family != MASKED_PATCHES:
        raise UserError(
            f"{config.weights} is a model of the family {model.spec.family}, but an encoder that "
            f"was pre-trained by the family {MASKED_PATCHES} was expected "
            "(model.encoder.weights)."
        )
    encoder: Dinov2 = model.backbone
    return _same_shape(config, encoder)


def none(config: Dinov2Config) -> None:
    """Random weights, those that the model is born with.

    Raises:
        UserError: some are named.
    """
    if config.weights is not None:
        raise UserError(
            "The family dino_wm-random has a random encoder, but the recipe names weights "
            f"({config.weights}). Leave model.encoder.weights out, or choose another family."
        )


def _folder(named: str) -> Path:
    """A local folder, or a repository's snapshot where no such path exists."""
    match = _HUB.fullmatch(named)
    if match and (named.startswith("hf://") or kind_of(Path(named)) == NOTHING):
        return fetch(match["repo"], match["revision"])
    return Path(named)


def _same_shape(config: Dinov2Config, encoder: Dinov2) -> Dinov2:
    found, wanted = encoder.shape.model_dump(), config.shape.model_dump()
    for key, value in wanted.items():
        if found[key] != value:
            raise UserError(
                f"The weights in {config.weights} are of another encoder than the recipe's: "
                f"{key} is {found[key]}, and model.encoder.shape.{key} is {value}. Set it to "
                f"{found[key]}, or give other weights."
            )
    return encoder
