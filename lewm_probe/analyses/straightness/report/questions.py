"""Are latent paths straight?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lewm_probe.analyses.geometry.report.collapse import diagnostic
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import Mean, means
from lewm_probe.reports.results_view import WorldView
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
    number,
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
            "is a line, 0 a random walk, and S < 0 bends more than one. Straight paths that "
            "cannot be foreseen are no model of the world: there is no “yes” where the error of "
            "predicting clean data, over that of copying the last latent, is not shown to be below "
            "1 (95 % interval). Read it beside the effective rank: a collapsed latent looks "
            "straight.",
            tuple(
                _with_level(
                    view,
                    graded(
                        view,
                        model,
                        lambda model, seed: seen(view, model, seed),
                        _RULE,
                        lambda answer, model=model: _evidence(view, model, answer),  # type: ignore[misc]
                        lambda names, model=model: _unbeaten(view, model, names),  # type: ignore[misc]
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
    if (ratio := only(over_copying(view, **at))) is not None:
        gains[COPYING] = _below_one(ratio)
    ps = (corrected(view, "straightness", w, **STRAIGHT, **at) for w in ("noticed", "beyond"))
    return Shown(own, gains, *ps)


def _evidence(view: WorldView, model: str, answer: Answer) -> list[str]:
    own = view.mean("straightness", "cosine", model=model, **STRAIGHT)
    clauses = [clause("S =", own, 3)]
    for control in ("pixel_space", "random_weights"):
        baseline = _level(view, control, model)
        if baseline:
            clauses.append(f"{labels.control(control)} {number(baseline)}")
    rank = diagnostic(view, "effective_rank", model)
    if rank:
        clauses.append(f"effective rank {number(rank)}")
    found = [seen(view, model, seed) for seed in view.checkpoints(model)]
    copying = means(over_copying(view, model=model))
    clauses.append(
        f"error of predicting {_ratio(copying[0])} that of copying the last latent"
        if copying
        else "whether it predicts better than copying the last latent was not measured"
    )
    clauses += [p_clause(view, found, answer), sample_clause(own)]
    return ["; ".join(filter(None, clauses)), _meaning(view, model, own)]


COPYING = "copy_last"
"""What a predictor must be better than."""


def over_copying(view: WorldView, **keys: Any) -> list[Metric]:
    """Error of predicting clean data over that of copying: of the preflight, else of rollouts."""
    found = view.pick("voe", "clean_over_copy_last", subject="preflight", **keys)
    if found:
        return found
    rollouts = view.pick("rollout", "mse_over_copy_last", subject=None, **keys)
    nearest = min((row.horizon for row in rollouts if row.horizon is not None), default=None)
    return [row for row in rollouts if row.horizon == nearest]


def _below_one(ratio: Metric) -> Metric:
    """How far below 1 a ratio lies, as a gain; without an interval the value itself."""
    high, low = (ratio.value if e is None else e for e in (ratio.ci_high, ratio.ci_low))
    ends = {"value": ratio.value, "ci_low": high, "ci_high": low}
    return ratio.model_copy(update={k: None if v is None else 1 - v for k, v in ends.items()})


def _unbeaten(view: WorldView, model: str, names: Sequence[str]) -> str:
    """What keeps straight paths from "yes"."""
    said = [_RULE.simpler] if "random_weights" in names else []
    found = means(over_copying(view, model=model))
    if COPYING in names and found:
        joined = "and" if said else "but"
        says = "is not shown to do better than" if found[0].value < 1 else "does no better than"
        said.append(
            f"{joined} its predictor {says} copying the last latent ({_ratio(found[0])} of its "
            "error)"
        )
    return ", ".join(said) or _RULE.simpler


def _ratio(mean: Mean) -> str:
    return f"×{formatting.estimate(mean.value, mean.low, mean.high, span=mean.checkpoints > 1)}"


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
    return f"{says}, and are {than} of the true states (S = {number(state)})"
