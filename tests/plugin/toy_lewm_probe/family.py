"""A family whose latents are tokens: the colours of an image's four quarters, mapped to a width."""

from typing import Literal

import torch
from torch import nn

from lewm_probe.core.config import Config
from lewm_probe.models import ModelSpec, WorldModel
from lewm_probe.models.family import Family, Trainee
from lewm_probe.models.images import fit_pixels, take_pixels
from lewm_probe.results.cards import Card


class PatchesConfig(Config):
    image_size: int
    frame_skip: int
    env_action_width: int


class PatchesObjective(Config):
    name: Literal["toy_patches"]


class Patches(nn.Module, WorldModel):
    def __init__(self, config, statistics, origin, *, resize=None):
        super().__init__()
        self.config, self.action_statistics, self.resize = config, statistics, resize
        (side, skip, actions), width = config.model_dump().values(), 8
        sizes = ("toy_patches", 1, skip, side, "continuous", skip * actions, width, 4)
        self.spec = ModelSpec(*sizes, origin.world, origin.seed, origin.step)
        self.embed, self.move = nn.Linear(3, width), nn.Linear(width + skip * actions, width)

    def encode(self, observation):  # → (B, T, 4, 8)
        pixels = take_pixels(observation)
        frames = fit_pixels(pixels.flatten(0, 1), self.spec.image_size, self.resize, None)
        quarters = nn.functional.adaptive_avg_pool2d(frames.movedim(-1, 1) / 255, 2).flatten(2)
        return self.embed(quarters.movedim(1, 2)).unflatten(0, pixels.shape[:2])

    def predict(self, latents, actions):
        self.check_actions(actions)
        blocks = torch.nan_to_num(actions).unsqueeze(2).expand(*latents.shape[:3], -1)
        return latents + self.move(torch.cat([latents, blocks], -1))


class PatchesTrainee(Trainee):
    def forward(self, batch, generator):
        z = self.model.encode(batch["pixels"])
        error = (self.model.predict(z[:, :-1], batch["action"][:, :-1]) - z[:, 1:]).square().mean()
        spread = (1 - z.std((0, 1, 2))).clamp(min=0).mean()  # keeps latents from collapsing
        return {"prediction": error, "spread": spread, "loss": error + spread}, z.detach()


class PatchesFamily(Family):
    card, model_config = Card("Toy patches", 200, color="#557733"), PatchesConfig
    objective_config, build, trainee = PatchesObjective, Patches, PatchesTrainee


TOY_PATCHES = PatchesFamily()
