"""The WorldModel interface: all that analyses and planners ever see of a model.

A model of one's own needs a ``spec`` and two methods, ``encode`` and ``predict``. Everything else
has a default here. ``README.md`` in this folder has whole ones in under 40 lines each, and
``check_world_model`` says whether one keeps what this interface promises.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_type_hints

import torch
from torch import Tensor, nn

from lewm_probe.core.errors import UserError
from lewm_probe.models.fingerprints import fingerprint_of

Observation = Tensor | Mapping[str, Tensor]
"""uint8 pixels (B, T, H, W, C), or a mapping with them under ``pixels``; recurrent models always
get a mapping, with raw action blocks (B, T, A) under ``action``."""


@dataclass(frozen=True)
class ModelSpec:
    """What a model needs to know about its inputs, and others about its outputs.

    Attributes:
        family: ``lewm``, ``pldm``, ``dino_wm`` … (decides the colour in figures).
        history: frames the predictor sees, H in the paper.
        frame_skip: environment steps between frames; an action block holds that many actions.
        image_size: side of the square image, pixels.
        action_kind: ``continuous``; ``discrete``: blocks hold the numbers of choices, as floats; or
            ``none``: the model does without, whatever blocks it is given.
        action_width: width A of an action block, frame_skip × environment action width (0 for
            ``none``).
        latent_width: D, the width of the view ``z`` of ``features``.
        tokens: tokens a frame, P (1 for LeWM and PLDM).
        world: world it was trained on, if known.
        train_seed: training seed, if known.
        step: optimiser steps taken, if known.
        recurrent: the latent of a frame depends on earlier frames and actions (it may hold a
            posterior and a memory). Such a model encodes whole sequences with their actions, and
            its history is usually 1.
    """

    family: str
    history: int
    frame_skip: int
    image_size: int
    action_kind: Literal["continuous", "discrete", "none"]
    action_width: int
    latent_width: int
    tokens: int = 1
    world: str | None = None
    train_seed: int | None = None
    step: int | None = None
    recurrent: bool = False


MOST = {"train_seed": 2**31 - 1, "step": 2**63 - 1}
"""What rows of results hold."""


def spec_fault(spec: ModelSpec) -> str | None:
    """What in an untrusted spec cannot be, and what was expected; None where nothing is wrong."""
    if not isinstance(spec.family, str) or not spec.family.strip():
        return f"spec.family is {spec.family!r}; expected a name, e.g. 'dreamer'"
    kinds = get_args(get_type_hints(ModelSpec)["action_kind"])
    if spec.action_kind not in kinds:
        return f"spec.action_kind is {spec.action_kind!r}; expected one of {kinds}"
    none = spec.action_kind == "none"
    for name, least in (
        ("history", 1),
        ("frame_skip", 1),
        ("image_size", 1),
        ("action_width", 0 if none else 1),
        ("latent_width", 1),
        ("tokens", 1),
    ):
        value = getattr(spec, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            return f"spec.{name} is {value!r}; expected a whole number from {least} up"
    for name in ("train_seed", "step"):
        value = getattr(spec, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            return f"spec.{name} is {value!r}; expected a whole number, or None"
        if value is not None and not 0 <= value <= MOST[name]:
            return (
                f"spec.{name} is {value}; expected a whole number from 0 to {MOST[name]}, or None"
            )
    world: object = spec.world
    if world is not None and not isinstance(world, str):
        return f"spec.world is {world!r}; expected the name of a world, or None"
    recurrent: object = spec.recurrent
    if not isinstance(recurrent, bool):
        return f"spec.recurrent is {recurrent!r}; expected True or False"
    if not none and spec.action_width % spec.frame_skip:
        return (
            f"spec.action_width is {spec.action_width}, which is no multiple of spec.frame_skip, "
            f"{spec.frame_skip}; a block holds the actions of that many environment steps"
        )
    return None


class WorldModel(ABC):
    """Encode images, predict the next latent. Frozen and in eval mode when analysed.

    Latents are (B, T, D), or (B, T, P, D) for patch tokens; only ``features``, ``surprise`` and
    ``goal_cost`` look inside them.

    Raises:
        UserError: the class lacks something that no model can do without.
    """

    spec: ModelSpec

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse an unfinished class in words."""
        if lacking := sorted(cls.__abstractmethods__):
            raise UserError(
                f"The model class {cls.__module__}.{cls.__qualname__} lacks {', '.join(lacking)}: "
                "no model can do without. See 'Your own model' in lewm_probe/models/README.md for "
                "examples."
            )
        return super().__new__(cls)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, configuration and statistics: the model's part of every cache key.

        By default made from all that the instance holds, and unique to the instance where that
        cannot be looked into (``models/fingerprints.py``). A class attribute, a property or
        ``self.fingerprint = …`` takes its place, and then has to follow the weights itself.
        """
        given: str | None = vars(self).get("_given_fingerprint")
        return fingerprint_of(self) if given is None else given

    @fingerprint.setter
    def fingerprint(self, value: str) -> None:
        vars(self)["_given_fingerprint"] = value

    @abstractmethod
    def encode(self, observation: Observation) -> Tensor:
        """Latents (B, T, …) of uint8 pixels (B, T, H, W, C), each frame on its own, no gradient.

        A recurrent model (``spec.recurrent``) is given a mapping, ``pixels`` and the raw blocks
        ``action`` (B, T, A), of whole sequences from their start; block t leads from frame t to
        frame t + 1, so that latents of frame t follow blocks before t only.

        Raises:
            UserError: another image size than the model was trained on.
        """

    @abstractmethod
    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The next latent at every position: (B, T, …), (B, T, A) → (B, T, …).

        ``actions`` are raw environment action blocks. Position t sees exactly the last
        ``history`` latents and action blocks up to t; the first history − 1 positions see fewer
        (``full_context`` tells them apart).

        Raises:
            UserError: actions of another width (``check_actions``).
        """

    def check_actions(self, actions: Tensor) -> None:
        """Refuse action blocks (…, A) of another width.

        Raises:
            UserError: they have one.
        """
        if actions.shape[-1] != self.spec.action_width:
            raise UserError(
                f"Action blocks of width {actions.shape[-1]} were given to a model that expects "
                f"{self.spec.action_width} ({self.spec.frame_skip} environment steps). Use data of "
                "the world and frame-skip it was trained on, or another model."
            )

    def full_context(self, frames: int) -> Tensor:
        """Which positions of ``predict`` see a whole history, bool (T,)."""
        return torch.arange(frames) >= self.spec.history - 1

    def rollout(self, context: Tensor, past_actions: Tensor, future_actions: Tensor) -> Tensor:
        """Imagine K steps for S action plans.

        (B, h, …) with 1 ≤ h ≤ history, (B, h − 1, A), (B, S, K, A) → (B, S, K, …).
        """
        batch, samples, steps, width = future_actions.shape
        h = context.shape[1]
        latents = context.unsqueeze(1).expand(batch, samples, *context.shape[1:])
        latents = latents.reshape(batch * samples, h, *context.shape[2:])  # (B·S, h, …)
        past = past_actions.unsqueeze(1).expand(batch, samples, h - 1, width)
        actions = torch.cat([past, future_actions], dim=2).flatten(0, 1)  # (B·S, h−1+K, A)
        for step in range(steps):
            end = h + step
            start = max(0, end - self.spec.history)
            following = self.predict(latents[:, start:end], actions[:, start:end])[:, -1:]
            latents = torch.cat([latents, following], dim=1)
        return latents[:, h:].unflatten(0, (batch, samples))  # (B, S, K, …)

    def features(self, latents: Tensor) -> dict[str, Tensor]:
        """Named (B, T, D) views for probes and geometry; by default ``z``, tokens averaged."""
        return {"z": latents if latents.ndim == 3 else latents.mean(2)}

    def surprise(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over latent axes: (B, T, …), (B, T, …) → (B, T)."""
        return (predicted - target).square().flatten(2).mean(-1)

    def goal_cost(self, latents: Tensor, goal: Tensor) -> Tensor:
        """Squared distance to a goal latent: (…, T, D), (…, 1, D) → (…, T); over tokens too."""
        axes = -1 if self.spec.tokens == 1 else (-2, -1)
        return (latents - goal).square().sum(axes)


def device_of(model: WorldModel) -> torch.device:
    """Where a model computes; the CPU for one without parameters."""
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return parameter.device if parameter is not None else torch.device("cpu")
