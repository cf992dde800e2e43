"""What a search may make best: how far latents of held-out episodes lie from the origin."""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.remembered.latent_cache import encode
from lewm_probe.search.tuning.scores import Trained


class Norm:
    """The score ``norm``."""

    label = "norm of latents"
    higher_is_better = False

    def measure(self, trained: Trained) -> float:
        """Mean over the first frames of validation episodes."""
        rows = trained.data.offsets[trained.validation]
        pixels = trained.data.take("pixels", rows)[:, None]  # (N, 1, H, W, C)
        latents = encode(trained.checkpoint.model, pixels)["z"].reshape(len(rows), -1)
        return float(np.linalg.norm(latents, axis=1).mean())


NORM = Norm()
