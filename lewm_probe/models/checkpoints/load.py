"""Load a checkpoint, whoever wrote it.

>>> model = load_model("tests/golden/lewm-tiny", action_stats="identity")
>>> model.spec.family, model.spec.action_width, model.statistics_source
('lewm', 10, 'identity')

Found by ``locate`` and read by the format that it is of (``registry``); ``action_source`` says
where the action statistics come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import torch

from lewm_probe.core.config import split_name
from lewm_probe.core.errors import UsageError, unknown_name
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.registry import CHECKPOINT_FORMATS, Choice, Loaded, Located
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.models.images import Resize


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


def load_model(
    path: Path | str,
    *,
    action_stats: ActionStatistics | Path | str | None = None,
    dataset: Path | str | None = None,
    family: str | None = None,
    resize: Resize | None = None,
    device: torch.device | str = "cpu",
) -> Any:
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


def load_located(located: Located, choice: Choice, device: torch.device | str = "cpu") -> Any:
    """``load_model`` of files that were found already."""
    model = examine(located, choice, need_statistics=True).model
    assert model is not None  # statistics were needed, so there are some
    return model.to(device)


def examine(located: Located, choice: Choice, *, need_statistics: bool = False) -> Loaded:
    """Read and check a checkpoint; without action statistics all but the model is there.

    Raises:
        UserError: as ``load_model``; missing statistics only where they are needed.
    """
    if choice.family is not None and choice.family not in FAMILIES:
        raise unknown_name("family", choice.family, FAMILIES.names())
    of = CHECKPOINT_FORMATS.get(located.format)
    return of.read(located, choice, need_statistics=need_statistics)


def examine_alone(path: str, options: LoadOptions, *, need_statistics: bool = False) -> Loaded:
    """``examine`` of the only checkpoint of a command: what ``options`` say is meant for it.

    Raises:
        UsageError: options for another name, or that contradict each other.
        UserError: as ``examine``, or nothing is there.
    """
    reported, located = options.meant(), locate(path)
    reported.check_names([located.name])
    return examine(located, reported.chosen(located.name), need_statistics=need_statistics)


def origin_of(located: Located) -> Origin:
    """Where a checkpoint comes from, without reading its weights."""
    return CHECKPOINT_FORMATS.get(located.format).origin(located)


def step_of(path: Path) -> int | None:
    """The step of a checkpoint of a run, without reading its weights: its epoch if that is all."""
    return origin_of(locate(path)).step


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
