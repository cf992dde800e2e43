"""What a model expected to see at the moment of a violation, beside what came."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import Trajectories
from lewm_probe.analyses.engine.features import encoded
from lewm_probe.analyses.engine.predictions import teacher_forced
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, draw_onsets


class Violated(NamedTuple):
    """One case of a violation.

    Attributes:
        pixels: before t0, unperturbed at t0, and what came, uint8 (3, H, W, C).
        expected, came: the prediction of t0 and the encoding of what came, (…) each.
    """

    pixels: np.ndarray
    expected: np.ndarray
    came: np.ndarray


def violation(suite: Suite) -> Condition | None:
    """The suite's first teleport, else its first violation of physics."""
    conditions = [c for c in suite.voe.conditions if c.expected == "violation"]
    conditions = [c for c in conditions if c.matched_to is None]
    first = [c for c in conditions if c.kind == "teleport"] or conditions
    return first[0] if first else None


def violated(
    checkpoint: Checkpoint,
    condition: Condition,
    clean: Trajectories,
    cases: int,
    seed: int,
    cache: LatentCache,
) -> list[Violated]:
    """The first trajectories with the violation, at a moment of each.

    Those in which it is impossible are left out.

    Raises:
        UserError: trajectories are too short for what the model sees.
    """
    some = clean.take(range(min(cases, len(clean))))
    history = max(2, checkpoint.model.spec.history)
    onset = draw_onsets(len(some), some.frames, history, seed, "decode")
    pairs = MatchedPairs(some, onset, [condition], seed, purpose="decode", sham=False)
    changed = pairs.changed(condition.name)
    pixels = some.pixels.copy()
    pixels[changed.case, changed.frame] = changed.pixels
    latents = encoded(checkpoint, pixels, changed.actions, cache)["z"]
    predicted = teacher_forced(checkpoint.model, latents, changed.actions)
    found = []
    for case in np.flatnonzero(changed.kept):
        at = int(changed.onset[case])
        shown = [some.pixels[case, at - 1], some.pixels[case, at], pixels[case, at]]
        found.append(Violated(np.stack(shown), predicted[case, at], latents[case, at]))
    return found
