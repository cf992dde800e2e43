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
from lewm_probe.data.sampling.windows import Windows
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


class Frozen(Protocol):
    """A part of a model that looks at single frames and is not trained: encoded once is enough.

    Attributes:
        fingerprint: hash of all that its output depends on beside the frame.
        shape: of what one frame becomes, e.g. (P, D).
    """

    fingerprint: str
    shape: tuple[int, ...]

    def __call__(self, frames: Tensor) -> Tensor:
        """uint8 frames (N, H, W, C) on the model's device → (N, *shape), without gradient."""


class Trainee(nn.Module):
    """A world model and its objective as one module, so that one call gives the loss.

    Attributes:
        model: what is saved.
        objective: settings, or a module with parameters of its own.
    """

    def __init__(self, model: Any, objective: Any) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def frozen(self) -> Frozen | None:
        """What the loop may keep of frames instead of encoding them at every step; None: nothing.

        Batches then hold ``encoded`` (B, T, *shape) in place of ``pixels``.
        """
        return None

    def prepare(self, windows: Windows) -> None:
        """Look once at the training windows, for statistics that the model keeps."""

    def forward(self, batch: Mapping[str, Tensor], generator: Generator) -> tuple[Terms, Tensor]:
        """A batch of windows → loss terms, and latents (B, T, …) for diagnostics.

        Args:
            batch: ``pixels`` uint8 (B, T, H, W, C), or ``encoded`` where that was kept,
                ``action`` raw blocks (B, T, A), and the family's columns.
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
    """

    card: Card
    model_config: type[Config]
    objective_config: type[Config]

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

    def columns(self, config: Any) -> tuple[str, ...]:
        """Data that a model is trained on beside pixels and action, e.g. ``("reward",)``."""

    def check_claims(self, config: Any, tensors: int) -> str:
        """What a configuration claims that so many tensors cannot be of; empty where nothing.

        Asked before a model is made: a file may claim thousands of layers for nothing. A clause
        after "The configuration of FILE".
        """


LEAST_PER_LAYER = 10
"""Tensors of a transformer's layer at the least: of ours an encoder's has 16, a predictor's 11."""


def too_many_layers(layers: int, tensors: int, of: str = " in encoder and predictor") -> str:
    """For ``check_claims``: more layers than the tensors can be of (a thousand take seconds).

    >>> too_many_layers(2, 19)
    'has 2 layers in encoder and predictor, but the file has 19 tensors, too few for them'
    """
    if layers * LEAST_PER_LAYER <= tensors:
        return ""
    return f"has {layers} layers{of}, but the file has {tensors} tensors, too few for them"


class Family:
    """What a family may leave out: it asks for no further columns, and believes configurations."""

    def columns(self, config: Any) -> tuple[str, ...]:
        """Pixels and actions are all."""
        return ()

    def check_claims(self, config: Any, tensors: int) -> str:
        """Nothing that takes long can be claimed."""
        return ""


FAMILIES: Registry[ModelFamily] = Registry(GROUP, ModelFamily, BUILT_IN, what="family")
"""Families by the name that recipes and checkpoints give them."""
