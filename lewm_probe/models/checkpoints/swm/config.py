"""The ``config.json`` of released checkpoints: fields are read, names compared, nothing is made.

It is a Hydra tree: ``_target_`` names a class to be made with the other keys as arguments. Here a
name is looked up in a closed table and never imported; arguments are read into closed schemas whose
defaults are those of the published classes (stable-worldmodel, stable-pretraining). What would
change the computation and is not supported is refused by name.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from lewm_probe.core.config import Config, parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.strict_json import read_json
from lewm_probe.models.config import (
    DEEPEST,
    LARGEST_IMAGE,
    WIDEST,
    EncoderConfig,
    ModelConfig,
)

_HOMES = (
    "stable_worldmodel.wm.lewm",
    "stable_worldmodel.wm.lewm.module",
    "stable_worldmodel.wm.pldm",
    "stable_worldmodel.wm.pldm.module",
    "module",
)

MODELS: dict[str, str | None] = {
    "stable_worldmodel.wm.lewm.LeWM": "lewm",
    "stable_worldmodel.wm.lewm.lewm.LeWM": "lewm",
    "stable_worldmodel.wm.pldm.PLDM": "pldm",
    "stable_worldmodel.wm.pldm.pldm.PLDM": "pldm",
    "stable_worldmodel.wm.lewm.JEPA": None,
    "jepa.JEPA": None,
}
"""Name of the model → its family; None: the architecture of both, LeWM unless the user says."""

PARTS: dict[str, tuple[str, ...]] = {
    "encoder": ("stable_pretraining.backbone.utils.vit_hf",),
    "predictor": tuple(f"{h}.{n}" for h in _HOMES for n in ("Predictor", "ARPredictor")),
    "action_encoder": tuple(f"{h}.Embedder" for h in _HOMES),
    "projector": tuple(f"{h}.MLP" for h in _HOMES),
    "pred_proj": tuple(f"{h}.MLP" for h in _HOMES),
}
"""Names met for each part of the model."""

NORM = ("torch.nn.BatchNorm1d", "torch.nn.modules.batchnorm.BatchNorm1d")
ACTIVATION = ("torch.nn.GELU", "torch.nn.modules.activation.GELU")

HYDRA_KEYS = ("_convert_", "_recursive_")
"""How Hydra makes an object, nothing of what it is."""

VIT_FIXED: dict[str, Any] = {
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "qkv_bias": True,
    "num_channels": 3,
}
"""ViTConfig fields that change the computation, and the one value, the default, supported here."""

VIT_HARMLESS = frozenset(
    {
        "attention_probs_dropout_prob",  # training only, as the next
        "hidden_dropout_prob",
        "initializer_range",  # weights come from the file
        "encoder_stride",  # of a decoder that is not here
        "pooler_act",  # vit_hf makes no pooler
        "pooler_output_size",
        "attn_implementation",  # the same numbers by another kernel
        "_attn_implementation",
        "interpolate_pos_encoding",
        "return_dict",
    }
)
"""ViTConfig fields that do not change what a loaded encoder computes."""

Width = Annotated[int, Field(ge=1, le=WIDEST)]
Count = Annotated[int, Field(ge=1, le=DEEPEST)]

VitSize = Literal["tiny", "small", "base", "large", "huge"]


class _Vit(Config):
    size: VitSize = "tiny"
    patch_size: Width = 16
    image_size: int = Field(224, ge=8, le=LARGEST_IMAGE)
    pretrained: bool = False
    use_mask_token: bool = True
    hidden_size: Width | None = None
    num_hidden_layers: Count | None = None
    num_attention_heads: Count | None = None
    intermediate_size: Width | None = None


class _Predictor(Config):
    num_frames: Count
    depth: Count
    heads: Count
    mlp_dim: Width
    input_dim: Width
    hidden_dim: Width
    output_dim: Width | None = None
    dim_head: Width = 64
    dropout: float = Field(0.0, ge=0, lt=1)
    emb_dropout: float = Field(0.0, ge=0, lt=1)


class _ActionEncoder(Config):
    input_dim: Width = 10
    smoothed_dim: Literal[10] = 10
    emb_dim: Width = 10
    mlp_scale: Literal[4] = 4


class _Projector(Config):
    input_dim: Width
    hidden_dim: Width
    output_dim: Width | None = None

    @property
    def out(self) -> int:
        """Width of what comes out."""
        return self.output_dim or self.input_dim


@dataclass(frozen=True)
class ReleasedConfig:
    """What a released ``config.json`` says.

    Attributes:
        family: ``lewm`` or ``pldm``; None where the name stands for either.
        target: the model's name in the file.
        action_width: width A of an action block; how many environment actions it holds is not said.
        mask_token: whether the encoder keeps a mask token, which nothing here uses.
        sizes: the model, its action block counted as one step of A numbers.
    """

    family: str | None
    target: str
    action_width: int
    mask_token: bool
    sizes: ModelConfig

    def model_config(self, env_action_width: int) -> ModelConfig:
        """The model, with A shared out among environment actions of this width."""
        steps = {
            "frame_skip": self.action_width // env_action_width,
            "env_action_width": env_action_width,
        }
        return ModelConfig(**{**dict(self.sizes), **steps})


def read_released_config(path: Path) -> ReleasedConfig:
    """Read and check a ``config.json``.

    Raises:
        UserError: not there, not plain JSON, an unknown name, key or value, or sizes that do not
            fit each other.
    """
    raw = read_json(path)
    where = f"The configuration {path}"
    if not isinstance(raw, dict):
        raise UserError(f"{where} is no table of keys and values. Give the run's own config.json.")
    try:
        return _read(raw, where)
    except UsageError as error:  # the user's command was right, the file is not
        raise UserError(str(error)) from error


def _read(raw: dict[str, Any], where: str) -> ReleasedConfig:
    target = _target(raw, MODELS, where, "")
    unknown = [k for k in raw if k not in ("_target_", *HYDRA_KEYS, *PARTS)]
    if unknown:
        raise _unknown(where, unknown[0], PARTS)
    missing = [part for part in PARTS if part not in raw]
    if missing:
        raise UserError(
            f"{where} lacks the part '{missing[0]}'. A LeWM or PLDM has {', '.join(PARTS)}; give "
            "the run's own config.json."
        )
    vit = _vit(raw["encoder"], where)
    predictor = _part(raw, "predictor", _Predictor, where)
    actions = _part(raw, "action_encoder", _ActionEncoder, where)
    projector, pred_proj = (_projector(raw, name, where) for name in ("projector", "pred_proj"))
    encoder = parse(
        {
            "name": f"vit-{vit.size}",
            "patch_size": vit.patch_size,
            "width": vit.hidden_size,
            "layers": vit.num_hidden_layers,
            "heads": vit.num_attention_heads,
            "mlp_width": vit.intermediate_size,
        },
        EncoderConfig,
        f"{where}, encoder",
    )
    if vit.intermediate_size is None and vit.hidden_size is not None:
        # vit_hf takes four times the named size's width, whatever hidden_size says.
        encoder = encoder.model_copy(
            update={"mlp_width": EncoderConfig(name=encoder.name).vit.mlp_width}
        )
    output = predictor.output_dim or predictor.input_dim
    latent = projector.out
    for what, width, expected in (
        ("projector.input_dim", projector.input_dim, encoder.output_width),
        ("predictor.input_dim", predictor.input_dim, latent),
        ("action_encoder.emb_dim", actions.emb_dim, latent),
        ("pred_proj.input_dim", pred_proj.input_dim, output),
        ("pred_proj.output_dim", pred_proj.out, latent),
        ("pred_proj.hidden_dim", pred_proj.hidden_dim, projector.hidden_dim),
    ):
        if width != expected:
            raise UserError(
                f"{where}: {what} is {width}, but the parts around it need {expected}. Give the "
                "config.json that was saved with the weights."
            )
    if predictor.heads == 1 and predictor.dim_head == predictor.hidden_dim:
        raise UserError(
            f"{where}: predictor.heads 1 with dim_head {predictor.dim_head}, the whole width, "
            "leaves out the attention's output layer in the published code, which is not supported "
            "here. Give a model with more heads or another dim_head."
        )
    sizes = parse(
        {
            "image_size": vit.image_size,
            "history": predictor.num_frames,
            "frame_skip": 1,
            "env_action_width": actions.input_dim,
            "encoder": encoder.model_dump(),
            "latent_width": latent,
            "projector_hidden": projector.hidden_dim,
            "predictor": {
                "layers": predictor.depth,
                "heads": predictor.heads,
                "head_width": predictor.dim_head,
                "mlp_width": predictor.mlp_dim,
                "width": predictor.hidden_dim,
                "output_width": output,
                "dropout": predictor.dropout,
                "embedding_dropout": predictor.emb_dropout,
            },
        },
        ModelConfig,
        where,
    )
    return ReleasedConfig(
        MODELS[target], target, actions.input_dim, vit.use_mask_token, sizes.resolved()
    )


S = TypeVar("S", bound=Config)


def _part(raw: dict[str, Any], name: str, schema: type[S], where: str) -> S:
    part = raw[name]
    _target(part, PARTS[name], where, f"{name}.")
    return parse(_arguments(part), schema, f"{where}, {name}")


def _projector(raw: dict[str, Any], name: str, where: str) -> _Projector:
    part = raw[name]
    _target(part, PARTS[name], where, f"{name}.")
    arguments = _arguments(part)
    # The published MLP's own defaults are LayerNorm and GELU.
    norm = arguments.pop("norm_fn", {"_target_": "torch.nn.LayerNorm (the default)"})
    _target(norm, NORM, where, f"{name}.norm_fn.")
    if (activation := arguments.pop("act_fn", None)) is not None:
        _target(activation, ACTIVATION, where, f"{name}.act_fn.")
        _only_hydra(activation, where, f"{name}.act_fn")
    _only_hydra(norm, where, f"{name}.norm_fn")
    return parse(arguments, _Projector, f"{where}, {name}")


def _vit(part: Any, where: str) -> _Vit:
    _target(part, PARTS["encoder"], where, "encoder.")
    arguments = {k: v for k, v in _arguments(part).items() if k not in VIT_HARMLESS}
    for key, only in VIT_FIXED.items():
        given = arguments.pop(key, only)
        if given != only or isinstance(given, bool) != isinstance(only, bool):
            raise UserError(
                f"{where}: encoder.{key} is {given!r}, but only {only!r} is supported: another "
                "value changes what the encoder computes. Give a checkpoint with that value."
            )
    return parse(arguments, _Vit, f"{where}, encoder")


def _target(part: Any, known: Any, where: str, place: str) -> str:
    """The name under ``_target_``, which must be in the table; it is never imported."""
    if not isinstance(part, dict):
        raise UserError(
            f"{where}: {place.rstrip('.')} is no table of keys and values. Give the run's own "
            "config.json."
        )
    name = part.get("_target_")
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        reported = f"names {_short(name)}" if name is not None else "names no class"
        raise UserError(
            f"{where}: {place}_target_ {reported}, which is not known here, and names from files "
            f"are never imported.{hint} Known: {', '.join(_brief(known))}."
        )
    return name


def _arguments(part: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in part.items() if k not in ("_target_", "_partial_", *HYDRA_KEYS)}


def _only_hydra(part: dict[str, Any], where: str, place: str) -> None:
    for key in _arguments(part):
        raise UserError(
            f"{where}: {place} sets '{key}', which is not supported here: only the defaults of its "
            "class are. Give a checkpoint without it."
        )


def _unknown(where: str, key: str, known: Any) -> UserError:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return UserError(
        f"{where} has an unknown key '{_short(key)}'.{hint} Known keys there: {', '.join(known)}."
    )


def _brief(known: Any) -> list[str]:
    names = list(known)
    return names if len(names) <= 6 else [*names[:5], f"and {len(names) - 5} like them"]


def _short(value: Any) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= 80 else text[:77] + "..."
