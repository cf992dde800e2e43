"""Questions about latents: do they encode position, and are their paths straight?"""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.probe.report.tables import WHOLE, quantities
from lewm_probe.analyses.voe.report.tables import diagnostic
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import Mean, WorldView, means
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Judge,
    VerdictQuestion,
    apart,
    clause,
    sample_clause,
    verdict,
)
from lewm_probe.results.schema import Metric


def latent_questions(view: WorldView) -> list[VerdictQuestion]:
    """All of them."""
    return [*_poses(view), *_straight(view)]


_POSES = ("position", "angle", "yaw")


def poses(view: WorldView) -> list[str]:
    """Positions and angles that a model could see: goals are not drawn and serve as controls."""
    found = quantities(view)
    seen = [q for q in found if q.endswith(_POSES) and "goal" not in q and "target" not in q]
    return seen or [q for q in found if not q.endswith("_change")][:1]


def _poses(view: WorldView) -> list[VerdictQuestion]:
    return [
        VerdictQuestion(
            f"encodes-{quantity}",
            f"Does the latent encode the {labels.quantity(quantity)}, more than random weights "
            "would?",
            "The 95 % interval of the linear probe’s MSE from z lies wholly below that of the same "
            "architecture with random weights.",
            tuple(
                verdict(
                    view,
                    model,
                    _encodes(view, quantity),
                    [_encodes_evidence(view, quantity, model)],
                )
                for model in view.models
            ),
        )
        for quantity in poses(view)
    ]


def _probe(view: WorldView, metric: str, quantity: str, **keys: Any) -> list[Metric]:
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE, **keys}
    return view.pick("probe", metric, **at)


def _encodes(view: WorldView, quantity: str) -> Judge:
    def judge(model: str, seed: int | None) -> Answer:
        at = {"model": model, "train_seed": seed}
        own = _probe(view, "mse", quantity, **at)
        # Random weights of the same architecture may be stored with any of its training seeds.
        baseline = _probe(view, "mse", quantity, control="random_weights", **at) or _probe(
            view, "mse", quantity, control="random_weights", model=model
        )
        if not own:
            return "not measured"
        return apart(own, baseline, higher=False)

    return judge


def _encodes_evidence(view: WorldView, quantity: str, model: str) -> str:
    def mean(metric: str, control: str | None = None) -> Mean | None:
        found = means(_probe(view, metric, quantity, control=control, model=model))
        return found[0] if found else None

    def against(name: str, metric: str, decimals: int | None) -> str:
        own, baseline = mean(metric), mean(metric, "random_weights")
        if own is None:
            return ""
        says = clause(name, own, decimals)
        if baseline is None:
            return f"{says} (no random-weights control)"
        shown = formatting.number(baseline.value, decimals or 1)
        return f"{says} (random weights {formatting.with_unit(shown, labels.unit(baseline.unit))})"

    mse = mean("mse")
    clauses = [
        against("linear probe, r =", "pearson_r", 3),
        against("MSE", "mse", 3 if mse is None or mse.value >= 0.0095 else 4),
        against("RMSE", "rmse", None),
        against("mean error", "angle_error_deg", 1),
        sample_clause(mse),
    ]
    return "; ".join(clause for clause in clauses if clause)


def _straight(view: WorldView) -> list[VerdictQuestion]:
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
