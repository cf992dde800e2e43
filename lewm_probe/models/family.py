"""Families of trainable world models: a model, its configuration, and what it is trained with.

LeWM and PLDM are one architecture with two objectives and so two families. Another package adds one
by an entry point of the group ``lewm_probe.families``; README.md of ``lewm_probe/families`` has an
example. Nothing below knows a family: recipes, checkpoints and the training loop ask this registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Generator, Tensor, nn

from lewm_probe.core.config import Config, Count, Name, Seed
from lewm_probe.core.registry import Registry
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.family_names import BUILT_IN, GROUP
from lewm_probe.models.images import Resize
from lewm_probe.results.cards import Card

Terms = dict[str, Tensor]
"""Loss terms by name, ``loss`` their weighted sum, all scalars."""


class Origin(Config):
    """Where a model comes from; kept in checkpoints.

    Attributes:
        family: name of its family, e.g. ``lewm``.
        world: world of its data.
        seed: training seed.
        step: optimiser steps taken.
        epoch: epochs completed.
        data_fingerprint: content hash of the training data.
        recipe: name of the recipe.
    """

    family: Name
    world: Name | None = None
    seed: Seed | None = None
    step: Count | None = None
    epoch: Count | None = None
    data_fingerprint: Name | None = None
    recipe: Name | None = None


class Trainee(nn.Module):
    """A world model and its objective as one module, so that one call gives the loss.

    Attributes:
        model: what is saved.
        objective: settings, or a module with parameters of its own.
    """

    def __init__(self, model: Any, objective: Any) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Mapping[str, Tensor], generator: Generator) -> tuple[Terms, Tensor]:
        """A batch of windows → loss terms, and latents (B, T, …) for diagnostics.

        Args:
            batch: ``pixels`` uint8 (B, T, H, W, C), ``action`` raw blocks (B, T, A), and the
                family's ``columns``.
            generator: of everything random in the loss.
        """
        raise NotImplementedError


@runtime_checkable
class ModelFamily(Protocol):
    """One kind of trainable world model.

    Attributes:
        card: how readers see it.
        model_config: schema of the recipe's section ``model``, kept in checkpoints. It has at least
            ``image_size``, ``frame_skip`` and ``env_action_width``.
        objective_config: schema of the recipe's section ``objective``, whose ``name`` is the
            family's.
        columns: data beside pixels and action, e.g. ``("reward",)``.
    """

    card: Card
    model_config: type[Config]
    objective_config: type[Config]
    columns: tuple[str, ...]

    def build(
        self,
        config: Any,
        statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> Any:
        """The untrained model, a ``WorldModel`` and ``nn.Module``; also on the meta device.

        It keeps ``config`` (with every default written out) and ``action_statistics``, and has a
        place for ``statistics_source``.
        """

    def trainee(self, model: Any, objective: Any) -> Trainee:
        """Model and objective as one module."""

    def check_claims(self, config: Any, tensors: int) -> str:
        """What a configuration claims that so many tensors cannot be of; empty where nothing.

        Asked before a model is made: a file may claim thousands of layers for nothing. A clause
        after "The configuration of FILE".
        """


class Family:
    """What a family may leave out: it asks for no further columns, and believes configurations."""

    columns: tuple[str, ...] = ()

    def check_claims(self, config: Any, tensors: int) -> str:
        """Nothing that takes long can be claimed."""
        return ""


FAMILIES: Registry[ModelFamily] = Registry(GROUP, ModelFamily, BUILT_IN, what="family")
"""Families by the name that recipes and checkpoints give them."""
