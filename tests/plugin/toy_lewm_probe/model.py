"""A frozen model: grey levels of a coarse picture, and no idea of what comes next."""

from torch.nn.functional import adaptive_avg_pool2d

from lewm_probe.models import ModelSpec, WorldModel
from lewm_probe.models.images import fit_pixels, take_pixels

GRID = 4
"""Cells a side."""


class Pooled(WorldModel):
    def __init__(self):
        self.spec = ModelSpec(
            family="toy_pool",
            history=1,
            frame_skip=5,
            image_size=32,
            action_kind="continuous",
            action_width=10,
            latent_width=GRID**2,
        )

    def encode(self, observation):
        pixels = take_pixels(observation)
        frames = fit_pixels(pixels.flatten(0, 1), self.spec.image_size, None, None)
        grey = frames.float().mean(-1)[:, None] / 255  # (B·T, 1, H, W)
        return adaptive_avg_pool2d(grey, GRID).flatten(1).unflatten(0, pixels.shape[:2])

    def predict(self, latents, actions):
        self.check_actions(actions)
        return latents
