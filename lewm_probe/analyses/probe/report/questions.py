"""Do latents encode where things are?"""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.probe.report.tables import WHOLE, quantities
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

_POSES = ("position", "angle", "yaw")


def poses(view: WorldView) -> list[str]:
    """Positions and angles that a model could see: goals are not drawn and serve as controls."""
    found = quantities(view)
    seen = [q for q in found if q.endswith(_POSES) and "goal" not in q and "target" not in q]
    return seen or [q for q in found if not q.endswith("_change")][:1]


def questions(view: WorldView) -> list[VerdictQuestion]:
    """One for each position and angle."""
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
