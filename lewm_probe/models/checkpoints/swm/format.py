"""Checkpoints in the released shapes: ``config.json`` beside weights, and our sidecar if there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lewm_probe.core.config import parse
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.strict_json import read_json
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.action_source import IDENTITY, checked, given_statistics, settle
from lewm_probe.models.checkpoints.places import (
    CONFIG,
    EXPECTED,
    SIDECAR,
    SUFFIXES,
    earlier_epochs,
    epoch_of,
    folder_name,
    inside,
    there,
)
from lewm_probe.models.checkpoints.registry import SWM, Choice, Loaded, Located
from lewm_probe.models.checkpoints.swm.config import ReleasedConfig, read_released_config
from lewm_probe.models.checkpoints.swm.export import MODEL_NAMES, SIDECAR_VERSION, Sidecar
from lewm_probe.models.checkpoints.swm.weights import (
    ADVICE,
    Weights,
    fill,
    read_weights,
    without_mask_token,
)
from lewm_probe.models.checkpoints.torch_file import pickled_module
from lewm_probe.models.family import FAMILIES, Origin


class SwmFormat:
    """LeWM and PLDM as stable-worldmodel saves them, in all their wrappings."""

    def locate(self, path: Path, name: str | None, hint: str) -> Located | None:
        """The last format that is asked: what is nothing of it is told so."""
        if not path.is_dir():
            return _file(path, name or folder_name(path.parent))
        epochs = [inside(path, epoch) for epoch in earlier_epochs(path)]
        weights = _choose(path, epochs, hint)
        return _file(inside(path, weights), name or folder_name(path), tuple(epochs))

    def read(self, located: Located, choice: Choice, *, need_statistics: bool) -> Loaded:
        """Configuration by a closed table of names, weights by PyTorch's restricted reader."""
        given = given_statistics(choice.action_stats, choice.dataset)
        assert located.config is not None  # as ``locate`` finds nothing else
        weights = read_weights(located.weights)
        config = read_released_config(located.config)
        if config.mask_token:
            weights = without_mask_token(weights)
        sidecar = read_sidecar(located.sidecar) if located.sidecar else None
        family = FAMILIES.get("lewm")  # the architecture of both
        if claim := family.check_claims(config.sizes, len(weights.tensors)):
            raise UserError(f"The configuration of {located.weights} {claim}. {ADVICE}")
        meta = _meta(located, choice, config, weights, sidecar)
        family = FAMILIES.get(meta.family)
        own = sidecar.statistics if sidecar else None
        facts = {
            "configuration": config.target,
            "spelling": weights.spelling,
            "wrapper": weights.wrapper,
            "left_aside": list(weights.left_aside),
        }
        if own is None and given is None and not need_statistics:
            with torch.device("meta"):
                model = family.build(config.sizes, _unscaled(config.action_width), meta)
            fill(model, weights, located.weights)
            return replace(Loaded.of(located, meta, model, None, facts), model=None)
        statistics = settle(located.weights, own, given, config.action_width, insist=choice.insist)
        sizes = config.model_config(len(statistics.values.mean))
        with torch.device("meta"):
            model = family.build(sizes, statistics.values, meta, resize=choice.resize)
        fill(model, weights, located.weights)
        # Actions taken as they are stay so, also in a checkpoint that was exported with them.
        assumed = sidecar is not None and sidecar.action_source == IDENTITY
        model.statistics_source = IDENTITY if assumed else statistics.source
        return Loaded.of(located, meta, model, own, facts)

    def origin(self, located: Located) -> Origin:
        """As our sidecar says; an epoch in the file's name is its step where that is all."""
        if located.sidecar is not None:
            meta = read_sidecar(located.sidecar).meta
        else:
            meta = Origin(family="unknown")
        epoch = epoch_of(located.weights)
        return meta if epoch is None else meta.model_copy(update={"step": epoch, "epoch": epoch})


FORMAT = SwmFormat()


def read_sidecar(path: Path) -> Sidecar:
    """Our ``lewm_probe.json`` beside weights in the released shape.

    Raises:
        UserError: unreadable, an unknown key, or of a later version.
    """
    raw = read_json(path)
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if type(version) is int and version > SIDECAR_VERSION:
        raise UserError(
            f"{path} has version {version}, and this lewm-probe reads up to {SIDECAR_VERSION}. "
            "Install a newer lewm-probe."
        )
    try:
        sidecar = parse(raw, Sidecar, str(path))
    except UsageError as error:
        raise UserError(str(error)) from error
    checked(sidecar.statistics, f"The action statistics in {path}")
    return sidecar


def _meta(
    located: Located,
    choice: Choice,
    config: ReleasedConfig,
    weights: Weights,
    sidecar: Sidecar | None,
) -> Origin:
    reported = config.family or (sidecar.meta.family if sidecar else None)
    if reported is not None:
        choice.check_family(located.weights, reported)
    family = reported or choice.family or "lewm"
    if family not in MODEL_NAMES:
        raise UserError(
            f"{located.weights} has the released shape, which is of the families "
            f"{' and '.join(MODEL_NAMES)}, but --family says {family}. Give one of them."
        )
    if sidecar is not None and sidecar.meta.family != family:
        raise UserError(
            f"{located.sidecar} says {sidecar.meta.family}, but {located.config} says {family}. "
            "Keep the two files that were written together."
        )
    meta = sidecar.meta if sidecar else Origin(family=family)
    epoch = epoch_of(located.weights)
    if epoch is not None:
        step = weights.step if weights.step is not None else epoch
        return meta.model_copy(update={"step": step, "epoch": epoch})
    return meta if weights.step is None else meta.model_copy(update={"step": weights.step})


def _file(weights: Path, name: str, epochs: tuple[Path, ...] = ()) -> Located:
    folder = weights.parent
    if weights.name.endswith("_object.ckpt"):
        raise pickled_module(weights)
    if weights.suffix not in SUFFIXES:
        raise UserError(
            f"{weights} is of no kind that checkpoints have ({', '.join(SUFFIXES)}). {EXPECTED}"
        )
    config, sidecar = folder / CONFIG, folder / SIDECAR
    if not there(config):
        raise UserError(
            f"{weights} has no {CONFIG} beside it. Weights alone do not tell the model's heads, "
            "dropout or image size, and guesses would pass unnoticed. Put the run's config.json "
            "into the same folder."
        )
    beside = inside(folder, sidecar) if there(sidecar) else None
    return Located(weights, SWM, inside(folder, config), beside, epochs, name, None)


def _choose(folder: Path, epochs: Sequence[Path], hint: str) -> Path:
    plain = folder / "weights.pt"
    if there(plain):
        return plain
    if epochs:
        return epochs[-1]
    shown = (p for p in folder.iterdir() if not p.name.startswith("."))  # no half-written ones
    found = sorted(p for p in shown if p.suffix in SUFFIXES)
    objects = [p for p in found if p.name.endswith("_object.ckpt")]
    others = [p for p in found if p not in objects]
    lightning = [p for p in others if p.name.endswith("_weights.ckpt")]
    for candidates in ([p for p in others if p.suffix == ".pt"], lightning, others):
        if len(candidates) == 1:
            return candidates[0]
    if others:
        names = ", ".join(p.name for p in others[:6])
        raise UserError(
            f"The folder {folder}{hint} holds several checkpoints ({names}), and none is called "
            "weights.pt or weights_epoch_N.pt. Name the file."
        )
    if objects:
        raise pickled_module(objects[-1])
    raise UserError(
        f"The folder {folder}{hint} holds no checkpoint: neither model.safetensors nor "
        "checkpoints/step_*.safetensors, nor weights.pt, weights_epoch_N.pt or another .pt or "
        f".ckpt file. {EXPECTED}"
    )


def _unscaled(width: int) -> ActionStatistics:
    return ActionStatistics((0.0,) * width, (1.0,) * width)
