"""DINO-WM in training: one loss term, on tokens that are encoded once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lewm_probe.core.files import content_hash
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.families.dino_wm.model import TokenModel
from lewm_probe.models.family import Frozen, Terms, Trainee
from lewm_probe.models.sliding import slide

PREPARED_WINDOWS = 512
"""Windows whose tokens give centre and scale, evenly spaced over the training episodes."""


class TokenTrainee(Trainee):
    """The model and its one term: MSE of the next visual tokens and proprioception.

    Targets are not trained: the encoder is frozen, and proprioception's embedding is detached in
    them (authors' configuration; actions are no part of the loss).
    """

    model: TokenModel

    def frozen(self) -> Frozen:
        """The encoder, whose tokens may be kept."""
        return FrozenTokens(self.model)

    def prepare(self, windows: Windows) -> None:
        """Take mean and SD of the training episodes' proprioception, and of their tokens."""
        if "proprio" in windows.columns:
            values = torch.as_tensor(windows.columns["proprio"], dtype=torch.float32)
            self.model.proprio_mean.copy_(values.nanmean(0))
            spread = np.nanstd(windows.columns["proprio"], axis=0)
            self.model.proprio_std.copy_(torch.tensor(np.where(spread > 1e-8, spread, 1.0)))
        if self.model.config.standardise:
            count = min(PREPARED_WINDOWS, len(windows))
            chosen = np.linspace(0, len(windows) - 1, count).astype(np.int64)
            batch = {k: torch.from_numpy(v) for k, v in windows.batch(chosen).items()}
            with self.model.evaluating():
                self.model.fit_tokens(self.tokens(batch).flatten(0, 1))

    def tokens(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Frozen tokens (B, T, P, D) of a batch, kept or encoded now."""
        device = self.model.action_mean.device
        if "encoded" in batch:
            return batch["encoded"].to(device).float()
        frames = batch["pixels"].to(device)
        return self.model.tokens(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def forward(
        self, batch: Mapping[str, Tensor], generator: torch.Generator
    ) -> tuple[Terms, Tensor]:
        """``pixels`` uint8 (B, T, H, W, C), or their kept ``encoded`` (B, T, P, D) → one term.

        The latents for diagnostics are the mean visual tokens (B, T, D).
        """
        model = self.model
        tokens = model.standardised(self.tokens(batch))
        latents = model.with_proprio(tokens, batch.get("proprio"))
        scaled = model.scale_actions(batch["action"])
        past, acted, history = latents[:, :-1], scaled[:, :-1], model.spec.history
        at_once = past.shape[0] * past.shape[1]
        predicted = slide(model.predict_scaled, past, acted, history, at_once)
        loss = (predicted - latents[:, 1:].detach()).square().mean()
        return {"prediction": loss, "loss": loss}, model.features(latents)["z"].detach()


class FrozenTokens:
    """What the loop may keep on disk: the tokens of single frames."""

    def __init__(self, model: TokenModel) -> None:
        self.model = model
        config = model.config
        self.shape: tuple[int, ...] = (config.tokens, config.encoder.width)
        backbone = model.backbone
        if isinstance(backbone, torch.nn.Module):
            tensors = sorted(backbone.state_dict().items())
            parts = [part for name, t in tensors for part in (name, t.detach().cpu().numpy())]
        else:
            parts = [backbone.config.content]
        settings = (config.encoder.model_dump_json(), config.encoder_size, config.normalisation)
        self.fingerprint = content_hash("frozen tokens", *settings, *parts)

    def __call__(self, frames: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) → (N, P, D), on the model's device."""
        with self.model.evaluating():
            return self.model.tokens(frames)
