"""Error of imagined latents on validation episodes, over that of copying the last latent.

From H encoded frames on the model sees nothing but the recorded actions, as in the analysis
``rollout``; its squared error k blocks ahead is divided by that of imagining that nothing changes,
so that the scale of the latents, which λ moves, falls out. Below 1: better than no dynamics.
"""

from __future__ import annotations

import numpy as np

from lewm_probe.analyses.engine.features import encoded
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.windows import Windows
from lewm_probe.search.tuning.scores.trained import Trained

HORIZON = 5
"""Blocks ahead: the horizon that the paper plans with (arXiv 2603.19312)."""

WINDOWS = 600
"""Windows at the most, evenly spaced over the validation episodes: 4,800 images, seconds on a
CPU."""


class Rollout:
    """The score ``rollout``."""

    label = "rollout error / copying"
    higher_is_better = False

    def measure(self, trained: Trained) -> float:
        """The ratio of mean squared errors, at ``HORIZON`` or as far as episodes allow.

        Raises:
            UserError: no validation episode has a frame to predict after the history.
        """
        spec = trained.checkpoint.model.spec
        longest = int(trained.data.lengths[trained.validation].max()) // spec.frame_skip
        horizon = min(HORIZON, longest - spec.history)
        if horizon < 1:
            raise UserError(
                f"No validation episode of {trained.data.path} has more than {longest} frames at "
                f"frame-skip {spec.frame_skip}, and a rollout needs {spec.history + 1} at the "
                "least. Collect longer episodes, or choose another --score."
            )
        windows = Windows(trained.data, trained.validation, spec.history + horizon, spec.frame_skip)
        chosen = np.unique(np.linspace(0, len(windows) - 1, WINDOWS).round().astype(np.int64))
        batch = windows.batch(chosen)
        latents = encoded(trained.checkpoint, batch["pixels"], batch["action"], LatentCache())["z"]
        imagined = imagine(trained.checkpoint, latents, batch["action"], horizon, 1)
        came = latents[:, -1]  # (N, …)
        error = np.square(imagined.latents[:, 0, -1] - came).mean(dtype=np.float64)
        copied = np.square(latents[:, spec.history - 1] - came).mean(dtype=np.float64)
        return float(error / copied) if copied > 0 else float("inf")


ROLLOUT = Rollout()
