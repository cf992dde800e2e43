"""Are latent paths straight?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lewm_probe.analyses.geometry.report.collapse import diagnostic
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import Mean, WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Rule,
    Shown,
    Verdict,
    VerdictQuestion,
    alpha,
    clause,
    corrected,
    graded,
    only,
    p_clause,
    sample_clause,
    side,
)
from lewm_probe.results.schema import Metric

STRAIGHT: dict[str, Any] = {"stride": (1, None), "method": ("encoded", None), "window": None}
_RULE = Rule(
    level=0.0,
    required=("random_weights",),
    yes="yes, straighter than pixels and than random weights",
    noticed="straighter than pixels",
    simpler="not than random weights",
)


def questions(view: WorldView) -> list[VerdictQuestion]:
    """Straighter than its controls?"""
    if not view.pick("straightness", "cosine", **STRAIGHT):
        return []
    return [
        VerdictQuestion(
            "straight",
            "Are its paths straighter than those of pixels and of random weights?",
            "Straighter than pixels: the straightness S of encoded latents (stride 1) minus that "
            "of pixels, paired over trajectories, lies above 0 (95 % interval, and p below "
            f"{alpha(view):g} after Holm over all tests of this report). Yes: also minus that of "
            "the same architecture with random weights. Straighter than these is not straight: 1 "
            "is a line, 0 a random walk, and S < 0 bends more than one. Read it beside the "
            "effective rank: a collapsed latent looks straight.",
            tuple(
                _with_level(
                    view,
                    graded(
                        view,
                        model,
                        lambda model, seed: seen(view, model, seed),
                        _RULE,
                        lambda answer, model=model: _evidence(view, model, answer),  # type: ignore[misc]
                    ),
                )
                for model in view.models
            ),
            "straightness",
        )
    ]


def _with_level(view: WorldView, one: Verdict) -> Verdict:
    """Says in a few words, too, where paths that are straighter than others still bend."""
    own = view.mean("straightness", "cosine", model=one.model, **STRAIGHT)
    high = None if own is None else own.value if own.high is None else own.high
    if one.answer not in ("yes", "noticed") or high is None or high >= 0:
        return one
    return replace(one, brief=f"{one.brief}; yet they bend more than a random walk")


def _over(view: WorldView, control: str, **keys: Any) -> list[Metric]:
    at = {"versus": control, **STRAIGHT, **keys}
    return view.pick("straightness", f"cosine_over_{control}", **at)


def seen(view: WorldView, model: str, seed: int | None) -> Shown:
    """How much straighter one checkpoint's paths are than the controls'."""
    at = {"model": model, "train_seed": seed}
    own, random = (only(_over(view, name, **at)) for name in ("pixel_space", "random_weights"))
    gains = {"random_weights": random} if random else {}
    ps = (corrected(view, "straightness", w, **STRAIGHT, **at) for w in ("noticed", "beyond"))
    return Shown(own, gains, *ps)


def _evidence(view: WorldView, model: str, answer: Answer) -> list[str]:
    own = view.mean("straightness", "cosine", model=model, **STRAIGHT)
    clauses = [clause("S =", own, 3)]
    for control in ("pixel_space", "random_weights"):
        baseline = _level(view, control, model)
        if baseline:
            clauses.append(f"{labels.control(control)} {formatting.number(baseline.value, 3)}")
    rank = diagnostic(view, "effective_rank", model)
    if rank:
        clauses.append(f"effective rank {formatting.number(rank.value, 1)}")
    found = [seen(view, model, seed) for seed in view.checkpoints(model)]
    clauses += [p_clause(view, found, answer), sample_clause(own)]
    return ["; ".join(filter(None, clauses)), _meaning(view, model, own)]


def _level(view: WorldView, control: str, model: str) -> Mean | None:
    """A control's straightness; those of pixels and states are the same for every model."""
    at = {"control": control, **STRAIGHT}
    return view.mean("straightness", "cosine", model=model, **at) or view.mean(
        "straightness", "cosine", **at
    )


def _meaning(view: WorldView, model: str, own: Mean | None) -> str:
    """What the level means, and the paths of the true states beside it."""
    if own is None:
        return ""
    low = own.value if own.low is None else own.low
    high = own.value if own.high is None else own.high
    says = (
        "paths bend more than a random walk (S < 0)"
        if high < 0
        else "paths bend less than a random walk (S = 0; a line has 1)"
        if low > 0
        else "paths are not told apart from a random walk (S = 0; a line has 1)"
    )
    state = _level(view, "state_space", model)
    if state is None:
        return says
    gap = side(_over(view, "state_space", model=model), 0.0)
    than = {1: "straighter than those", -1: "less straight than those"}.get(
        gap or 0, "not told apart from those"
    )
    return f"{says}, and are {than} of the true states (S = {formatting.number(state.value, 3)})"
