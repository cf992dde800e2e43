"""DINO-WM: frozen patch tokens, and a predictor of the next frame's (arXiv 2411.04983).

The latent of a frame is its P patch tokens (B, T, P, D), with its embedded proprioception behind
each of them where the model has some. The predictor sees them with the embedded action block
concatenated to every token, in the order visual, proprioception, action; of its output the action
slots are dropped, so that a rollout has the next action in them by construction.

Submodules are named as in stable-worldmodel's PreJEPA: ``backbone``, ``predictor``,
``extra_encoders``.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lewm_probe.core.errors import UserError
from lewm_probe.core.seeding import torch_seed
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.dino_wm.config import Dinov2Config, TokenModelConfig
from lewm_probe.families.dino_wm.hugging_face import HuggingFaceEncoder
from lewm_probe.families.dino_wm.imagination import TokenSteps
from lewm_probe.families.dino_wm.predictor import TokenPredictor
from lewm_probe.models.base import ModelSpec, Observation
from lewm_probe.models.family import Origin
from lewm_probe.models.images import NORMALISATION, Normalise, Resize, fit_pixels, take_pixels
from lewm_probe.models.imagination import at_least_single, rollout
from lewm_probe.models.nn.dinov2 import Dinov2
from lewm_probe.models.sliding import slide
from lewm_probe.models.trainable import TrainableModel, check_match

ENCODE_FRAMES = 64
"""Frames encoded at once: 196 tokens each bound memory to about 1 GB."""

PREDICT_TOKENS = 2**16
"""Tokens predicted at once: of about 100 windows of 3 frames at 196 tokens."""

PROPRIO_WEIGHT = 1.0
"""α of the planning cost: visual + α · proprioception (the authors' on Push-T)."""


class TokenModel(TrainableModel):
    """A world model of patch tokens; trainable as built, all but its encoder.

    Args:
        config: sizes.
        action_statistics: per raw environment action dimension, of the training data.
        origin: family, world, seed and step.
        resize: what to do with images of another size; None refuses them.
    """

    def __init__(
        self,
        config: TokenModelConfig,
        action_statistics: ActionStatistics,
        origin: Origin,
        *,
        resize: Resize | None = None,
    ) -> None:
        super().__init__(config, action_statistics, resize)
        self.origin = origin
        self.spec = ModelSpec(
            family=origin.family,
            history=config.history,
            frame_skip=config.frame_skip,
            image_size=config.image_size,
            action_kind="continuous",
            action_width=config.action_width,
            latent_width=config.encoder.width,
            tokens=config.tokens,
            world=origin.world,
            train_seed=origin.seed,
            step=origin.step,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(origin.seed or 0, "weights"))
            if isinstance(config.encoder, Dinov2Config):
                self.backbone: Dinov2 | HuggingFaceEncoder = Dinov2(config.encoder.shape)
                self.backbone.requires_grad_(False)
            else:
                self.backbone = HuggingFaceEncoder(config.encoder, config.encoder_size)
            if config.standardise:
                self.token_centre: Tensor
                self.token_scale: Tensor
                centre = torch.zeros(config.tokens, config.encoder.width)
                self.register_buffer("token_centre", centre)
                self.register_buffer("token_scale", torch.ones(()))
            self.extra_encoders = nn.ModuleDict()
            if config.proprio_width:
                own = TokenEmbedding(config.proprio_width, config.proprio_embedding)
                self.extra_encoders["proprio"] = own
                self.proprio_mean: Tensor
                self.proprio_std: Tensor
                self.register_buffer("proprio_mean", torch.zeros(config.proprio_width))
                self.register_buffer("proprio_std", torch.ones(config.proprio_width))
            action = TokenEmbedding(config.action_width, config.action_embedding)
            self.extra_encoders["action"] = action
            self.predictor = TokenPredictor(config)
        self.normalise = Normalise(NORMALISATION[config.normalisation])

    # ---- what training calls

    @torch.no_grad()
    def tokens(self, frames: Tensor) -> Tensor:
        """Frozen patch tokens of uint8 frames (N, H, W, 3) → float32 (N, P, D)."""
        images = self.normalise(frames)  # (N, 3, H, W)
        size = self.config.encoder_size
        if images.shape[2] != size:
            images = F.interpolate(
                images, size=(size, size), mode="bilinear", antialias=True, align_corners=False
            )
        return self.backbone.patches(images).float()

    @torch.no_grad()
    def fit_tokens(self, tokens: Tensor) -> None:
        """Take centre and scale of frozen tokens (N, P, D) of training frames, if they are used."""
        if self.config.standardise:
            self.token_centre.copy_(tokens.mean(0))
            self.token_scale.copy_(tokens.var(0).mean().sqrt().clamp(min=1e-8))

    def standardised(self, tokens: Tensor) -> Tensor:
        """Tokens (…, P, D) as the predictor learns them."""
        if not self.config.standardise:
            return tokens
        return (tokens - self.token_centre) / self.token_scale

    def with_proprio(self, tokens: Tensor, proprio: Tensor | None) -> Tensor:
        """Latents: tokens (B, T, P, D), raw proprioception (B, T, w) → (B, T, P, D + E).

        The tokens themselves where the model has none. Without ``proprio``, a model that was
        trained with it is given the mean: it is told nothing.
        """
        if not self.config.proprio_width:
            return tokens
        if proprio is None:
            scaled = tokens.new_zeros(*tokens.shape[:2], self.config.proprio_width)
        else:
            scaled = (proprio.to(self.proprio_mean) - self.proprio_mean) / self.proprio_std
            scaled = torch.nan_to_num(scaled)
        own = self.extra_encoders["proprio"](scaled)  # (B, T, E)
        return torch.cat([tokens, _for_every_token(own, tokens.shape[2])], dim=-1)

    def predict_scaled(self, latents: Tensor, scaled: Tensor) -> Tensor:
        """One causal pass: (B, T, P, L), scaled (B, T, A) → the next frame's (B, T, P, L), T ≤ H.

        Raises:
            UserError: more frames than the history.
        """
        if latents.shape[1] > self.spec.history:
            raise UserError(
                f"A window of {latents.shape[1]} frames was given to a predictor that sees "
                f"{self.spec.history} (model.history). Give fewer, or use predict, which slides it "
                "over longer trajectories."
            )
        action = self.extra_encoders["action"](scaled)  # (B, T, E)
        seen = torch.cat([latents, _for_every_token(action, latents.shape[2])], dim=-1)
        out: Tensor = self.predictor(seen)[..., : self.config.latent_width]
        return at_least_single(out)

    # ---- what analyses and planners call

    def encode(self, observation: Observation) -> Tensor:
        """Latents (B, T, P, L) of uint8 pixels (B, T, H, W, 3), without gradient.

        ``proprio`` (B, T, w) beside the pixels is used where the model was trained with it; where
        it is not given the model is told nothing of it, as in analyses of what pixels tell.

        Raises:
            UserError: pixels of another type, shape or size (see ``resize``).
        """
        pixels = take_pixels(observation)
        proprio = observation.get("proprio") if isinstance(observation, Mapping) else None
        device = self.action_mean.device
        found = []
        with torch.no_grad(), self.evaluating():
            for chunk in pixels.flatten(0, 1).split(ENCODE_FRAMES):
                chunk = fit_pixels(chunk.to(device), self.spec.image_size, self.resize, None)
                found.append(self.tokens(chunk))
            tokens = self.standardised(torch.cat(found)).unflatten(0, pixels.shape[:2])
            return self.with_proprio(tokens, None if proprio is None else proprio.to(device))

    def predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        """The next latent at every position: (B, T, P, L), raw blocks (B, T, A) → (B, T, P, L).

        Gradients flow to latents and actions that ask for them, never to weights.

        Raises:
            UserError: another action width, infinite actions, or unequal numbers of frames.
        """
        check_match(latents, actions)
        scaled = self.scale_actions(actions)
        wanted = torch.is_grad_enabled() and (latents.requires_grad or actions.requires_grad)
        at_once = max(1, PREDICT_TOKENS // (self.spec.history * self.spec.tokens))
        with torch.set_grad_enabled(wanted), self.evaluating():
            return slide(self.predict_scaled, latents, scaled, self.spec.history, at_once)

    def rollout(self, context: Tensor, past_actions: Tensor, future_actions: Tensor) -> Tensor:
        """(B, h, P, L), (B, h − 1, A), (B, S, K, A) → (B, S, K, P, L), nothing computed twice."""
        width, tokens = self.config.latent_width, self.config.tokens
        network = TokenSteps(self.predictor, self.extra_encoders["action"], width, tokens)
        return rollout(self, network, context, past_actions, future_actions)

    def features(self, latents: Tensor) -> dict[str, Tensor]:
        """``z`` (B, T, D): the mean of the visual tokens."""
        return {"z": self._visual(latents).mean(2)}

    def surprise(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over tokens and their visual part → (B, T)."""
        difference = self._visual(predicted) - self._visual(target)
        return difference.square().flatten(2).mean(-1)

    def goal_cost(self, latents: Tensor, goal: Tensor) -> Tensor:
        """Mean visual error + α · mean error of proprioception: (…, T, P, L) → (…, T)."""
        difference = (latents - goal).square()
        cost = self._visual(difference).mean((-2, -1))
        if self.config.proprio_width:
            own = difference[..., self.config.encoder.width :]
            cost = cost + PROPRIO_WEIGHT * own.mean((-2, -1))
        return cost

    # ---- parts

    def _visual(self, latents: Tensor) -> Tensor:
        return latents[..., : self.config.encoder.width]


class DinoModel(TokenModel):
    """With an encoder of DINOv2's architecture, which can be built anew for controls."""

    def reinitialized(self, seed: int) -> DinoModel:
        """The same architecture with fresh random weights, the encoder's too."""
        origin = self.origin.model_copy(update={"seed": seed, "step": None})
        fresh = DinoModel(self.config, self.action_statistics, origin, resize=self.resize)
        return fresh.to(self.action_mean.device)

    def recalibrate_batch_norm(self, pixels: Tensor, actions: Tensor | None = None) -> None:
        """There is no batch norm, but tokens have a centre and scale: take those of these images.

        Shapes: uint8 (N, T, H, W, 3); ``actions`` are not looked at.
        """
        if self.config.standardise:
            frames = take_pixels(pixels).flatten(0, 1).to(self.action_mean.device)
            with self.evaluating():
                parts = [self.tokens(part) for part in frames.split(ENCODE_FRAMES)]
                self.fit_tokens(torch.cat(parts))


class TokenEmbedding(nn.Module):
    """A linear map of a vector that goes to every token, as a 1×1 convolution over time."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.patch_embed = nn.Conv1d(width, embedding, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, w) → (B, T, E)."""
        out: Tensor = self.patch_embed(x.mT).mT
        return out


def _for_every_token(x: Tensor, tokens: int) -> Tensor:
    """(B, T, E) → (B, T, P, E)."""
    return x.unsqueeze(2).expand(-1, -1, tokens, -1)
