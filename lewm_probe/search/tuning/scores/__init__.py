"""What a search makes best: one file and one line each.

Another package adds one by an entry point of the group ``lewm_probe.scores``. A score is given the
episodes that its run trained on and those it held out, and nothing else: audits ask about simulated
trajectories of seeds of their own, so that no search has ever seen what they ask, nor a quantity
that their probes are tested on.
"""

from __future__ import annotations

from lewm_probe.core.registry import Registry
from lewm_probe.search.tuning.scores.score import Score
from lewm_probe.search.tuning.scores.trained import Trained

__all__ = ["SCORES", "Score", "Trained"]

_HERE = "lewm_probe.search.tuning.scores"

SCORES: Registry[Score] = Registry(
    "lewm_probe.scores",
    Score,
    {"rollout": f"{_HERE}.rollout:ROLLOUT", "probe": f"{_HERE}.probe:PROBE"},
    what="score",
)
"""Scores by the name that recipes and ``--score`` give them."""
