"""What the models that are trained here have in common: configuration, action scaling, identity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import content_hash
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.base import WorldModel
from lewm_probe.models.fingerprints import traces
from lewm_probe.models.images import Resize


class TrainableModel(nn.Module, WorldModel):
    """A world model that is trained as built, and frozen when loaded from a checkpoint.

    Args:
        config: with ``frame_skip`` and ``env_action_width``; every default written out, so that
            checkpoints do not need them.
        action_statistics: per raw environment action dimension, of the training data.
        resize: what to do with images of another size; None refuses them.

    Raises:
        UserError: action statistics that do not fit the action width.
    """

    def __init__(
        self, config: Any, action_statistics: ActionStatistics, resize: Resize | None
    ) -> None:
        super().__init__()
        width = config.env_action_width
        if (len(action_statistics.mean), len(action_statistics.std)) != (width, width):
            raise UserError(
                f"The action statistics are of {len(action_statistics.mean)} dimensions, but the "
                f"model's environment actions have {width} (model.env_action_width). Take the "
                "statistics from the data set the model is trained on."
            )
        self.config = config
        self.action_statistics = action_statistics
        self.statistics_source: str | None = None
        """Where the statistics come from, once loaded (``checkpoints/action_source``)."""
        self.resize = resize
        # Not in the state dict, which is the released one; checkpoints carry them in their header.
        mean = torch.tensor(action_statistics.mean, device="cpu").float()
        std = torch.tensor(action_statistics.std, device="cpu").float()
        self.action_mean: Tensor
        self.action_std: Tensor
        self.register_buffer("action_mean", mean.repeat(config.frame_skip), persistent=False)
        self.register_buffer("action_std", std.repeat(config.frame_skip), persistent=False)
        self._fingerprint: tuple[object, str] | None = None

    def scale_actions(self, actions: Tensor) -> Tensor:
        """Raw action blocks (B, T, A) → z-scored per environment dimension; NaN → 0 after scaling.

        Raises:
            UserError: another width, or infinite actions.
        """
        if actions.shape[-1] != self.spec.action_width:
            raise UserError(
                f"Action blocks of width {actions.shape[-1]} were given to a model that expects "
                f"{self.spec.action_width} ({self.spec.frame_skip} environment steps of "
                f"{self.config.env_action_width} numbers). Use data of the world and frame-skip "
                "this checkpoint was trained on, or another checkpoint."
            )
        if bool(torch.isinf(actions).any()):
            raise UserError(
                "Some actions are infinite, but finite numbers were expected (NaN marks a missing "
                "action). Run `lewm-probe data check` on the data set to find them."
            )
        actions = actions.to(self.action_mean)
        return torch.nan_to_num((actions - self.action_mean) / self.action_std, nan=0.0)

    @property  # type: ignore[misc]  # read-only here
    def fingerprint(self) -> str:
        """Hash of weights, configuration, statistics and resizing; follows the weights."""
        tensors = dict(self.state_dict(keep_vars=True))
        key = (self.resize, traces([tensor.detach() for tensor in tensors.values()]))
        if self._fingerprint is None or self._fingerprint[0] != key:
            parts: list[object] = [self.config.model_dump_json(), self.resize]
            parts += [self.action_statistics.mean, self.action_statistics.std]
            for name, tensor in sorted(tensors.items()):
                parts += [name, tensor.detach().cpu().numpy()]
            self._fingerprint = (key, content_hash(*parts))
        return self._fingerprint[1]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Eval mode inside the block, whatever mode training left."""
        modes = [(module, module.training) for module in self.modules() if module.training]
        self.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def count_parameters(module: nn.Module) -> int:
    """Numbers that training changes or could (buffers such as running statistics left out)."""
    return sum(p.numel() for p in module.parameters())


def check_match(latents: Tensor, actions: Tensor) -> None:
    """Refuse action blocks (B, T, A) that are not one for each frame of latents (B, T, …).

    Raises:
        UserError: unequal numbers of sequences or frames.
    """
    if latents.shape[:2] != actions.shape[:2]:
        raise UserError(
            f"Latents {tuple(latents.shape)} and action blocks {tuple(actions.shape)} do not "
            "match: (B, T, D) and (B, T, A) with equal B and T were expected. Give every frame "
            "the block that follows it."
        )
