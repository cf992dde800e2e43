"""Are latent paths straight?"""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.geometry.report.collapse import diagnostic
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Judge,
    VerdictQuestion,
    apart,
    clause,
    sample_clause,
    verdict,
)


def questions(view: WorldView) -> list[VerdictQuestion]:
    """Straighter than its controls?"""
    if not view.pick("straightness", "cosine", **STRAIGHT):
        return []
    return [
        VerdictQuestion(
            "straight",
            "Are its paths straighter than those of pixels and of random weights?",
            "The 95 % interval of straightness S on encoded latents (stride 1) lies wholly above "
            "those of pixels and of random weights. Read it beside the effective rank: a "
            "collapsed latent looks straight.",
            tuple(
                verdict(view, model, _straighter(view), [_straight_evidence(view, model)])
                for model in view.models
            ),
        )
    ]


STRAIGHT: dict[str, Any] = {"stride": (1, None), "method": ("encoded", None), "window": None}
_BENDS = ("pixel_space", "random_weights")


def _straighter(view: WorldView) -> Judge:
    def judge(model: str, seed: int | None) -> Answer:
        own = view.pick("straightness", "cosine", model=model, train_seed=seed, **STRAIGHT)
        if not own:
            return "not measured"
        answers = set()
        for control in _BENDS:
            at = {"control": control, **STRAIGHT}
            baseline = view.pick(
                "straightness", "cosine", model=model, train_seed=seed, **at
            ) or view.pick("straightness", "cosine", model=model, **at)
            if not baseline and control == "pixel_space":
                baseline = view.pick("straightness", "cosine", **at)
            answers.add(apart(own, baseline, higher=True))
        if answers == {"yes"}:
            return "yes"
        return "no" if "no" in answers else "not shown"

    return judge


def _straight_evidence(view: WorldView, model: str) -> str:
    own = view.mean("straightness", "cosine", model=model, **STRAIGHT)
    clauses = [clause("S =", own, 3)]
    for control in (*_BENDS, "state_space"):
        baseline = view.mean("straightness", "cosine", model=model, control=control, **STRAIGHT)
        if baseline:
            clauses.append(f"{labels.control(control)} {formatting.number(baseline.value, 3)}")
    rank = diagnostic(view, "effective_rank", model)
    if rank:
        clauses.append(f"effective rank {formatting.number(rank.value, 1)}")
    return "; ".join([*(c for c in clauses if c), sample_clause(own)])
