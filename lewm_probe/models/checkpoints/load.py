"""Load a LeWM or PLDM checkpoint, whoever wrote it.

>>> model = load_model("tests/golden/lewm-tiny", action_stats="identity")
>>> model.spec.family, model.spec.action_width, model.statistics_source
('lewm', 10, 'identity')

Found by ``locate``, read safely by ``torch_file`` and ``swm_config``, named anew by
``swm_weights``; ``action_source`` says where the action statistics come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import torch

from lewm_probe.core.config import parse
from lewm_probe.core.errors import UsageError, UserError, unknown_name
from lewm_probe.core.names import split_name
from lewm_probe.core.strict_json import read_json
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.action_source import (
    IDENTITY,
    Statistics,
    checked,
    given_statistics,
    settle,
)
from lewm_probe.models.checkpoints.locate import Located, epoch_of, locate
from lewm_probe.models.checkpoints.native import CheckpointMeta, load_checkpoint, read_header
from lewm_probe.models.checkpoints.swm_config import ReleasedConfig, read_released_config
from lewm_probe.models.checkpoints.swm_export import SIDECAR_VERSION, Sidecar
from lewm_probe.models.checkpoints.swm_weights import (
    ADVICE,
    Weights,
    fill,
    read_weights,
    without_mask_token,
)
from lewm_probe.models.checkpoints.tensors import check_depth
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.images import Resize
from lewm_probe.models.jepa import JEPA

FAMILIES = ("lewm", "pldm")


@dataclass(frozen=True)
class LoadOptions:
    """What a command says about the checkpoints it loads.

    Each value is for all checkpoints that lack their own, or, written ``NAME=VALUE``, for the one
    of that name.

    Attributes:
        action_stats: JSON files of action statistics, or ``identity``.
        dataset: data sets, of any kind, to take action statistics from.
        family: ``lewm`` or ``pldm``, where the configuration does not tell.
        resize: filter for images of another size; None refuses them.
    """

    action_stats: Sequence[str] = ()
    dataset: Sequence[str] = ()
    family: Sequence[str] = ()
    resize: Resize | None = None
    insist: bool = False
    """Whether values without a name are meant for every checkpoint: there is only one."""

    def meant(self) -> LoadOptions:
        """The same, for a single checkpoint: what contradicts it is an error."""
        return replace(self, insist=True)

    def chosen(self, name: str) -> Choice:
        """What holds for the checkpoint called ``name``.

        Raises:
            UsageError: two values for it.
        """
        stats, for_stats = _pick("--action-stats", self.action_stats, name)
        dataset, for_dataset = _pick("--dataset", self.dataset, name)
        if for_stats and not for_dataset:
            dataset = None  # the one that names the checkpoint holds
        elif for_dataset and not for_stats:
            stats = None
        family, for_family = _pick("--family", self.family, name)
        return Choice(
            action_stats=stats,
            dataset=dataset,
            family=family,
            resize=self.resize,
            insist=self.insist or for_stats or for_dataset,
            insist_family=self.insist or for_family,
        )

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse ``NAME=VALUE`` for a checkpoint that is not there.

        Raises:
            UsageError: with the nearest name that is.
        """
        options = {
            "--action-stats": self.action_stats,
            "--dataset": self.dataset,
            "--family": self.family,
        }
        for values in options.values():
            for value in values:
                name, _ = split_name(value)
                if name is not None and name not in names:
                    raise unknown_name("checkpoint", name, set(names) - {""})


@dataclass(frozen=True)
class Choice:
    """What holds for one checkpoint.

    Attributes:
        action_stats: statistics, a JSON file of them, or ``identity``.
        dataset: data set, of any kind, to take them from.
        family: ``lewm`` or ``pldm``.
        resize: filter for images of another size.
        insist: the statistics are meant for this checkpoint, so that others of its own are an
            error; else they are for checkpoints that lack theirs.
        insist_family: the same of the family.
    """

    action_stats: ActionStatistics | Path | str | None = None
    dataset: Path | str | None = None
    family: str | None = None
    resize: Resize | None = None
    insist: bool = True
    insist_family: bool = True


@dataclass(frozen=True)
class Examined:
    """A checkpoint, read and checked.

    Attributes:
        located: its files.
        meta: where it comes from, as far as it says.
        model: in eval mode, frozen; None where action statistics are missing.
        weights: how its tensors were found (released shape only).
        config: what its ``config.json`` says (released shape only).
        own: the action statistics it carries itself.
        parts: parameters of each part of the model.
        tensors: how many tensors the model has.
    """

    located: Located
    meta: CheckpointMeta
    model: JEPA | None
    weights: Weights | None = None
    config: ReleasedConfig | None = None
    own: ActionStatistics | None = None
    parts: dict[str, int] = field(default_factory=dict)
    tensors: int = 0

    @property
    def sizes(self) -> ModelConfig:
        """The model's sizes; without statistics the action block counts as one step."""
        if self.model is not None:
            return self.model.config
        assert self.config is not None  # ours carry their statistics
        return self.config.sizes


def load_model(
    path: Path | str,
    *,
    action_stats: ActionStatistics | Path | str | None = None,
    dataset: Path | str | None = None,
    family: str | None = None,
    resize: Resize | None = None,
    device: torch.device | str = "cpu",
) -> JEPA:
    """The model in a checkpoint: in eval mode, frozen, ``statistics_source`` filled in.

    Args:
        path: one of our run folders or files; a folder, file or Hugging Face cache folder in a
            released shape; ``hf://user/repo[@revision]``; ``swm://NAME`` or the name of a run in a
            stable-worldmodel home. Of several ``weights_epoch_N.pt`` the last is taken.
        action_stats: for checkpoints that carry none: statistics, a JSON file ``{"mean": […],
            "std": […]}``, or ``identity``.
        dataset: instead, the data set the model was trained on, of any kind.
        family: ``lewm`` or ``pldm``, where the configuration does not tell.
        resize: filter for images of another size; None refuses them.
        device: where the model computes.

    ``spec.step`` is what the file says; for a ``weights_epoch_N.pt`` that says nothing it is N.

    Raises:
        UsageError: statistics given twice, or an unknown family or filter.
        UserError: nothing there; not readable or not safe to read; an unknown configuration;
            tensors that are not those of it; no action statistics, or contradictory ones.
    """
    if resize is not None and resize not in get_args(Resize):
        raise unknown_name("resize filter", str(resize), get_args(Resize))
    choice = Choice(action_stats, dataset, family, resize)
    return load_located(locate(path), choice, device)


def load_located(located: Located, choice: Choice, device: torch.device | str = "cpu") -> JEPA:
    """``load_model`` of files that were found already."""
    model = examine(located, choice, need_statistics=True).model
    assert model is not None  # statistics were needed, so there are some
    return model.to(device)


def examine(located: Located, choice: Choice, *, need_statistics: bool = False) -> Examined:
    """Read and check a checkpoint; without action statistics all but the model is there.

    Raises:
        UserError: as ``load_model``; missing statistics only where they are needed.
    """
    if choice.family is not None and choice.family not in FAMILIES:
        raise unknown_name("family", choice.family, FAMILIES)
    given = given_statistics(choice.action_stats, choice.dataset)
    if located.ours:
        return _ours(located, choice, given)
    assert located.config is not None  # as ``locate`` finds nothing else
    weights = read_weights(located.weights)
    config = read_released_config(located.config)
    if config.mask_token:
        weights = without_mask_token(weights)
    check_depth(located.weights, config.sizes, len(weights.tensors), ADVICE)
    sidecar = read_sidecar(located.sidecar) if located.sidecar else None
    meta = _meta(located, choice, config, weights, sidecar)
    own = sidecar.statistics if sidecar else None
    if own is None and given is None and not need_statistics:
        with torch.device("meta"):
            model = JEPA(config.sizes, _unscaled(config.action_width), family=meta.family)
        fill(model, weights, located.weights)
        return Examined(located, meta, None, weights, config, None, *_count(model))
    statistics = settle(located.weights, own, given, config.action_width, insist=choice.insist)
    with torch.device("meta"):
        model = JEPA(
            config.model_config(len(statistics.values.mean)),
            statistics.values,
            family=meta.family,
            world=meta.world,
            train_seed=meta.seed,
            step=meta.step,
            resize=choice.resize,
        )
    fill(model, weights, located.weights)
    # Actions taken as they are stay so, also in a checkpoint that was exported with them.
    assumed = sidecar is not None and sidecar.action_source == IDENTITY
    model.statistics_source = IDENTITY if assumed else statistics.source
    return Examined(located, meta, model, weights, config, own, *_count(model))


def examine_alone(path: str, options: LoadOptions, *, need_statistics: bool = False) -> Examined:
    """``examine`` of the only checkpoint of a command: what ``options`` say is meant for it.

    Raises:
        UsageError: options for another name, or that contradict each other.
        UserError: as ``examine``, or nothing is there.
    """
    reported, located = options.meant(), locate(path)
    reported.check_names([located.name])
    return examine(located, reported.chosen(located.name), need_statistics=need_statistics)


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


def origin_of(located: Located) -> CheckpointMeta:
    """Where a checkpoint comes from, as its header or our sidecar says, without its weights."""
    if located.ours:
        return read_header(located.weights).meta
    if located.sidecar is not None:
        return read_sidecar(located.sidecar).meta
    return CheckpointMeta(family="unknown")


def step_of(path: Path) -> int | None:
    """The step of a checkpoint of a run, without reading its weights: its epoch if that is all."""
    if path.suffix == ".safetensors":
        return read_header(path).meta.step
    return epoch_of(path)


def _ours(located: Located, choice: Choice, given: Statistics | str | None) -> Examined:
    header = read_header(located.weights)
    meta = header.meta
    if choice.insist_family and choice.family not in (None, meta.family):
        raise _contradiction(located.weights, meta.family, str(choice.family))
    model = load_checkpoint(located.weights, resize=choice.resize)
    own = model.action_statistics
    settle(located.weights, own, given, model.spec.action_width, insist=choice.insist)
    return Examined(located, meta, model, None, None, own, *_count(model))


def _meta(
    located: Located,
    choice: Choice,
    config: ReleasedConfig,
    weights: Weights,
    sidecar: Sidecar | None,
) -> CheckpointMeta:
    reported = config.family or (sidecar.meta.family if sidecar else None)
    if reported is not None and choice.insist_family and choice.family not in (None, reported):
        raise _contradiction(located.weights, reported, str(choice.family))
    family = reported or choice.family or "lewm"
    if sidecar is not None and sidecar.meta.family != family:
        raise UserError(
            f"{located.sidecar} says {sidecar.meta.family}, but {located.config} says {family}. "
            "Keep the two files that were written together."
        )
    meta = sidecar.meta if sidecar else CheckpointMeta(family=family)
    epoch = located.epoch
    if epoch is not None:
        step = weights.step if weights.step is not None else epoch
        return meta.model_copy(update={"step": step, "epoch": epoch})
    return meta if weights.step is None else meta.model_copy(update={"step": weights.step})


def _contradiction(path: Path, says: str, asked: str) -> UserError:
    return UserError(
        f"{path} is a checkpoint of the family {says}, as its configuration says, but --family "
        f"says {asked}. Leave out --family, or give another checkpoint."
    )


def _count(model: JEPA) -> tuple[dict[str, int], int]:
    parts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    return {name: count for name, count in parts.items() if count}, len(model.state_dict())


def _unscaled(width: int) -> ActionStatistics:
    return ActionStatistics((0.0,) * width, (1.0,) * width)


def _pick(option: str, values: Sequence[str], name: str) -> tuple[str | None, bool]:
    """The value for a checkpoint, and whether it was given for it by name."""
    given = [split_name(value) for value in values]
    named = [value for whose, value in given if whose == name]
    bare = [value for whose, value in given if whose is None]
    for found in (named, bare):
        if len(found) > 1:
            raise UsageError(
                f"{option} was given twice for the checkpoint '{name}' ({', '.join(found)}). Give "
                "it once, or once for each checkpoint as NAME=VALUE."
            )
        if found:
            return found[0], found is named
    return None, False
