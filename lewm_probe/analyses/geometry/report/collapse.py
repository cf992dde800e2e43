"""Has a model collapsed? Asked before its calm or straightness is believed."""

from __future__ import annotations

from lewm_probe.reports import formatting
from lewm_probe.reports.means import Mean
from lewm_probe.reports.results_view import WorldView

COLLAPSED_RANK = 2.0
"""Below this effective rank the latents are a line or a point."""


def diagnostic(view: WorldView, metric: str, model: str) -> Mean | None:
    """A collapse diagnostic, from geometry or from the preflight."""
    found = view.mean("geometry", metric, model=model, features=("z", None))
    return found or view.mean("voe", metric, model=model)


def cautions(view: WorldView) -> dict[str, list[str]]:
    """Models whose calm or straightness must not be believed, and why."""
    found = {}
    for model in view.models:
        rank = diagnostic(view, "effective_rank", model)
        clean = diagnostic(view, "clean_over_copy_last", model)
        reasons = []
        if rank and min(rank.values) < COLLAPSED_RANK:
            reasons.append(
                "its latents have an effective rank of "
                f"{formatting.number(min(rank.values), 1)}: it has all but collapsed, and a "
                "collapsed model is calm and straight everywhere"
            )
        if clean and max(clean.values) > 1:
            reasons.append(
                "on clean data it predicts worse than copying the last latent (ratio "
                f"{formatting.number(max(clean.values), 2)}): statistics, frame-skip or images "
                "may not fit this checkpoint"
            )
        if reasons:
            found[model] = reasons
    return found
