"""Any image encoder in a local Hugging Face folder, read by transformers (an optional extra).

DINOv2, DINOv3, CLIP, V-JEPA 2, ViT … : whatever ``AutoModel`` makes of the folder. Code in the
folder is never run, and weights are taken from safetensors alone. The patch tokens are the last of
the last layer: CLS and register tokens stand before them, however many there are. A video model
(V-JEPA 2) is shown each frame as a clip of its own, of one tubelet.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lewm_probe.core.errors import UserError, brief
from lewm_probe.core.files import FOLDER, NOTHING, content_hash, kind_of
from lewm_probe.families.dino_wm.config import HuggingFaceConfig

INSTALL = "Install it with `pip install lewm-probe[encoders]`."


class HuggingFaceEncoder:
    """Normalised images (N, 3, S, S) → patch tokens (N, P, D); no module: its weights are not ours.

    It is read when first asked for something.

    Args:
        config: where it is and what it gives.
        size: side of the images, pixels.
    """

    def __init__(self, config: HuggingFaceConfig, size: int) -> None:
        self.config, self.size = config, size
        self._model: Any = None

    @property
    def tokens(self) -> int:
        """P, of an image."""
        return (self.size // self.config.patch_size) ** 2

    def patches(self, images: Tensor) -> Tensor:
        """The patch tokens of the last layer, row by row.

        Raises:
            UserError: no folder, other weights than those trained with, or other tokens than the
                configuration says.
        """
        model = self.read().to(images.device)
        with torch.no_grad():
            out = _last_layer(model, images)
        if out.ndim == 4:  # a convolutional network: (N, D, h, w)
            out = out.flatten(2).mT
        if out.shape[1] < self.tokens or out.shape[2] != self.config.width:
            raise UserError(
                f"The encoder in {self.config.weights} gives {out.shape[1]} tokens of width "
                f"{out.shape[2]} for an image of {self.size} px, but at least {self.tokens} of "
                f"width {self.config.width} were expected. Set model.encoder.width, "
                "model.encoder.patch_size and model.encoder_size to what it gives."
            )
        return out[:, -self.tokens :]

    def read(self) -> Any:
        """Transformers' model: frozen, in eval mode.

        Raises:
            UserError: transformers is not installed, or the folder cannot be read.
        """
        if self._model is None:
            folder = folder_of(self.config)
            if self.config.content not in (None, content_of(folder)):
                raise UserError(
                    f"The weights in {folder} are not those that this model was trained with: "
                    "their files have another hash. Put the original folder there."
                )
            self._model = _from_folder(folder)
        return self._model


def folder_of(config: HuggingFaceConfig) -> Path:
    """Where the weights are.

    Raises:
        UserError: nothing is named, or no folder is there.
    """
    if config.weights is None:
        raise UserError(
            "The recipe names no encoder. Give a local folder in the Hugging Face layout with "
            "--set model.encoder.weights=FOLDER; `hf download facebook/dinov3-vits16-pretrain-"
            "lvd1689m --local-dir FOLDER` fetches one where there is a network."
        )
    folder = Path(config.weights)
    if (there := kind_of(folder)) != FOLDER:
        raise UserError(
            f"{'There is no' if there == NOTHING else f'{there.capitalize()} stands at'} {folder}, "
            "but the folder of a frozen encoder was expected there. Models of this family keep no "
            "copy of it: put it back, or train again."
        )
    return folder


def content_of(folder: Path) -> str:
    """Hash of the configuration and the safetensors in a folder.

    Raises:
        UserError: there are none.
    """
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    if len(files) == 1 or not all(file.is_file() for file in files):
        raise UserError(
            f"{folder} holds no config.json with safetensors beside it. Other kinds of weights are "
            "not read here: save the model with safe_serialization."
        )
    return content_hash(*(part for file in files for part in (file.name, file.read_bytes())))


def _from_folder(folder: Path) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            f"Frozen encoders of the family frozen_encoder are read by transformers. {INSTALL}"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except Exception as error:  # whatever a library of many authors raises on a stranger's folder
        raise UserError(
            f"transformers cannot read the encoder in {folder}: {brief(error)}. Give the folder of "
            "an image encoder that it knows, saved with safetensors."
        ) from error
    vision = getattr(model, "vision_model", model)  # of CLIP and its kin
    return vision.float().eval().requires_grad_(False)


def _last_layer(model: Any, images: Tensor) -> Tensor:
    takes = inspect.signature(model.forward).parameters
    if "pixel_values_videos" in takes:
        clip = images.unsqueeze(1).expand(-1, model.config.tubelet_size, -1, -1, -1)
        further = {"skip_predictor": True} if "skip_predictor" in takes else {}
        out = model(pixel_values_videos=clip, **further)
    else:
        own = getattr(model.config, "image_size", None)
        other = "interpolate_pos_encoding" in takes and own != images.shape[-1]
        further = {"interpolate_pos_encoding": True} if other else {}
        out = model(pixel_values=images, **further)
    found: Tensor = out.last_hidden_state
    return found
