"""A frozen model of the tensors in a file: they must be exactly those its configuration implies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lewm_probe.core.config import Config
from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.action_source import (
    CHECKPOINT,
    checked,
    given_statistics,
    settle,
)
from lewm_probe.models.checkpoints.registry import Choice, Loaded, Located
from lewm_probe.models.checkpoints.tensors import check_finite, check_tensors
from lewm_probe.models.family import FAMILIES, Origin
from lewm_probe.models.images import Resize

ADVICE = "The file was changed after it was written; use the original."


def loaded(
    located: Located,
    choice: Choice,
    origin: Origin,
    config: Config,
    own: ActionStatistics,
    tensors: Mapping[str, Tensor],
    **facts: Any,
) -> Loaded:
    """What a format's ``read`` gives of a file that carries action statistics: checked, then made.

    Args:
        located: its files.
        choice: what was asked for; it may not contradict the file.
        origin: where it comes from, as it says; its family is one that is known.
        config: of that family's ``model_config``.
        own: its action statistics.
        tensors: by their names in the model's ``state_dict``.
        facts: what else it says of itself.

    Raises:
        UserError: statistics that scale nothing, another family or other statistics than were asked
            for, or as ``assemble``.
    """
    path = located.weights
    given = given_statistics(choice.action_stats, choice.dataset)
    choice.check_family(path, origin.family)
    checked(own, f"The action statistics in {path}")
    model = assemble(path, origin, config, own, tensors, resize=choice.resize)
    settle(path, own, given, model.spec.action_width, insist=choice.insist)
    return Loaded.of(located, origin, model, own, facts)


def assemble(
    path: Path,
    origin: Origin,
    config: Config,
    statistics: ActionStatistics,
    tensors: Mapping[str, Tensor],
    *,
    resize: Resize | None = None,
) -> Any:
    """The model of ``origin.family``, in eval mode, with copies of ``tensors``.

    Raises:
        UserError: tensors that are missing, unexpected, of another shape or type, or not finite.
    """
    family = FAMILIES.get(origin.family)
    if claim := family.check_claims(config, len(tensors)):
        raise UserError(f"The configuration of {path} {claim}. {ADVICE}")
    with torch.device("meta"):
        model = family.build(config, statistics, origin, resize=resize)
    check_tensors(path, tensors, model.state_dict(), ADVICE)
    # Copies, not views of the mapped file: memory is aligned as at saving, so that sums come out
    # bit for bit as before, and the file may go away.
    copies = {name: tensor.clone() for name, tensor in tensors.items()}
    check_finite(path, copies)
    model.load_state_dict(copies, strict=True, assign=True)
    model.statistics_source = CHECKPOINT
    frozen: Any = model.eval().requires_grad_(False)
    return frozen
