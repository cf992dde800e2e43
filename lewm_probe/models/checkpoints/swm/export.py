"""Write a model in the released shape, so that users of the published code can load it.

A folder with ``config.json`` (the Hydra tree), ``weights.pt`` (the bare state dict under the names
of transformers 4.x) and ``lewm_probe.json``: what that shape has no place for, read back by
``lewm_probe.load_model``, so that the round trip is identity.
"""

from __future__ import annotations

import io
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

from lewm_probe._version import __version__
from lewm_probe.core.config import Config, Count, Name
from lewm_probe.core.errors import UserError, short
from lewm_probe.core.files import atomic_path, write_text
from lewm_probe.core.processes.leftovers import remove_stale
from lewm_probe.core.processes.locks import alone
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.places import CONFIG, SIDECAR
from lewm_probe.models.config import VIT_SIZES, ModelConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA

SIDECAR_VERSION = 1

MODEL_NAMES = {
    "lewm": ("stable_worldmodel.wm.lewm.LeWM", "stable_worldmodel.wm.lewm.module"),
    "pldm": ("stable_worldmodel.wm.pldm.pldm.PLDM", "stable_worldmodel.wm.pldm.module"),
}
"""Each family's class in stable-worldmodel 0.1.1, and the module of its parts."""


class Sidecar(Config):
    """What the released shape has no place for (``lewm_probe.json``).

    Attributes:
        schema_version: of this file.
        written_by: version of lewm-probe.
        meta: where the checkpoint comes from.
        action_mean: of each dimension of one environment action, in the training data.
        action_std: likewise.
        action_source: where they came from when this was written (``JEPA.statistics_source``).
    """

    schema_version: Count
    written_by: Name
    meta: Origin
    action_mean: tuple[float, ...]
    action_std: tuple[float, ...]
    action_source: Name | None = None

    @property
    def statistics(self) -> ActionStatistics:
        """The action statistics."""
        return ActionStatistics(mean=self.action_mean, std=self.action_std)


def export_swm(folder: Path, model: JEPA, *, meta: Origin | None = None) -> None:
    """Write ``config.json``, ``weights.pt`` and ``lewm_probe.json`` into ``folder``.

    The same model gives the same bytes.

    Args:
        folder: made if it is not there.
        model: a LeWM or PLDM with a ViT encoder.
        meta: where it comes from; what ``model.spec`` says where not given.

    Raises:
        UserError: the model has no released shape, or the folder holds another checkpoint or
            cannot be written.
    """
    folder = Path(folder)
    tree = released_tree(model.config, model.spec.family)
    remove_stale(folder)
    others = [p.name for p in folder.glob("*") if p.suffix in (".pt", ".ckpt", ".safetensors")]
    if others and others != ["weights.pt"]:
        raise UserError(
            f"{folder} holds other checkpoints ({', '.join(sorted(others)[:3])}), and one folder "
            "holds one run. Choose another folder."
        )
    theirs = [name for name in (CONFIG, "weights.pt") if (folder / name).exists()]
    if theirs and not (folder / SIDECAR).is_file():
        raise UserError(
            f"{folder / theirs[0]} is there already and was not written by lewm-probe, so it is "
            "not replaced. Choose another folder."
        )
    spec = model.spec
    meta = meta or Origin(
        family=spec.family, world=spec.world, seed=spec.train_seed, step=spec.step
    )
    sidecar = Sidecar(
        schema_version=SIDECAR_VERSION,
        written_by=__version__,
        meta=meta,
        action_mean=model.action_statistics.mean,
        action_std=model.action_statistics.std,
        action_source=model.statistics_source,
    )
    tensors = OrderedDict(
        (name, tensor.detach().cpu().contiguous())
        for part in tree
        for name, tensor in model.state_dict().items()
        if name.startswith(f"{part}.")
    )
    # Into memory first: an archive is named after its file, and a temporary name would be in it.
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    with alone(folder):
        # First, so that what a killed export left is known as ours.
        write_text(folder / SIDECAR, sidecar.model_dump_json(indent=2) + "\n")
        with atomic_path(folder / "weights.pt") as temporary:
            temporary.write_bytes(buffer.getvalue())
        write_text(folder / CONFIG, json.dumps(tree, indent=2) + "\n")


def _exported() -> str:
    """What can be exported, and what to do with the rest."""
    return (
        f"What can be exported: the families {' and '.join(MODEL_NAMES)} with the encoders "
        f"{', '.join(VIT_SIZES)}, as the recipes two-room/lewm and two-room/lewm-vit-cpu make. All "
        "else stays the .safetensors file it is, which every command reads."
    )


def released_tree(config: ModelConfig, family: str) -> dict[str, Any]:
    """The Hydra tree of a model.

    Raises:
        UserError: another encoder than a ViT, a family that was not published, or an attention
            that the published code builds otherwise.
    """
    if family not in MODEL_NAMES:
        raise UserError(
            f"A model of the family {short(family)} has no released shape. {_exported()}"
        )
    config = config.resolved()
    if not config.encoder.is_vit:
        raise UserError(
            f"A model with the encoder {config.encoder.name} has no released shape: the published "
            f"code knows ViT encoders only. {_exported()}"
        )
    predictor, vit = config.predictor, config.encoder.vit
    if predictor.heads == 1 and predictor.head_width == config.predictor_width:
        raise UserError(
            "A predictor with one attention head as wide as itself has no released shape: the "
            "published code leaves out its output layer. Keep it as the .safetensors file it is."
        )
    target, home = MODEL_NAMES[family]
    width, hidden = config.latent_width, config.projector_hidden

    def projector(incoming: int) -> dict[str, Any]:
        return {
            "_target_": f"{home}.MLP",
            "input_dim": incoming,
            "output_dim": width,
            "hidden_dim": hidden,
            "norm_fn": {"_target_": "torch.nn.BatchNorm1d", "_partial_": True},
        }

    return {
        "_target_": target,
        "encoder": {
            "_target_": "stable_pretraining.backbone.utils.vit_hf",
            "size": config.encoder.name.removeprefix("vit-"),
            "patch_size": vit.patch_size,
            "image_size": config.image_size,
            "pretrained": False,
            "use_mask_token": False,
            "hidden_size": vit.width,
            "num_hidden_layers": vit.layers,
            "num_attention_heads": vit.heads,
            "intermediate_size": vit.mlp_width,
        },
        "predictor": {
            "_target_": f"{home}.Predictor",
            "num_frames": config.history,
            "input_dim": width,
            "hidden_dim": config.predictor_width,
            "output_dim": config.predictor_output_width,
            "depth": predictor.layers,
            "heads": predictor.heads,
            "mlp_dim": predictor.mlp_width,
            "dim_head": predictor.head_width,
            "dropout": predictor.dropout,
            "emb_dropout": predictor.embedding_dropout,
        },
        "action_encoder": {
            "_target_": f"{home}.Embedder",
            "input_dim": config.action_width,
            "emb_dim": width,
        },
        "projector": projector(config.encoder.output_width),
        "pred_proj": projector(config.predictor_output_width),
    }
