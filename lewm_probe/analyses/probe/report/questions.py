"""Do latents encode where things are?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lewm_probe.analyses.probe.report.tables import WHOLE, quantities
from lewm_probe.analyses.probe.settings import seen_poses
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import Mean, means
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Rule,
    Shown,
    VerdictQuestion,
    alpha,
    clause,
    corrected,
    graded,
    number,
    only,
    p_clause,
    sample_clause,
)
from lewm_probe.results.schema import Metric


def poses(view: WorldView) -> list[str]:
    """What a verdict is asked about, of the quantities in these results."""
    return seen_poses(quantities(view))


SIMPLER = ("random_weights", "pixel_pca")
"""Features that a latent must be better than."""
_RULE = Rule(
    level=0.0,
    required=SIMPLER,
    yes="yes, better than every simpler feature",
    noticed="read",
    simpler="and so would a simpler feature do",
)


def questions(view: WorldView) -> list[VerdictQuestion]:
    """One for each position and angle."""
    return [
        VerdictQuestion(
            f"encodes-{quantity}",
            f"Does the latent encode the {labels.quantity(quantity)}?",
            "Read: the linear probe’s squared error from z is below that of the mean of the "
            f"training targets (95 % interval, and p below {alpha(view):g} after Holm over all "
            "tests of this report). Yes: also below those of the same architecture with random "
            "weights and of pixel PCA, by the same two.",
            tuple(
                graded(
                    view,
                    model,
                    lambda model, seed, q=quantity: seen(view, q, model, seed),  # type: ignore[misc]
                    _RULE,
                    lambda answer, q=quantity, m=model: [_evidence(view, q, m, answer)],  # type: ignore[misc]
                    lambda names, q=quantity, m=model: _best(view, q, m, names),  # type: ignore[misc]
                )
                for model in view.models
            ),
            "probe",
            quantity,
        )
        for quantity in poses(view)
    ]


def _probe(view: WorldView, metric: str, quantity: str, **keys: Any) -> list[Metric]:
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE, **keys}
    return view.pick("probe", metric, **at)


def seen(view: WorldView, quantity: str, model: str, seed: int | None) -> Shown:
    """How much smaller one checkpoint's error is than those of the controls."""
    at = {"model": model, "train_seed": seed}

    def less(control: str) -> Metric | None:
        return only(_probe(view, f"mse_less_than_{control}", quantity, versus=control, **at))

    gains = {name: row for name in SIMPLER if (row := less(name))}
    keys = {"subject": quantity, "method": "linear", "features": ("z", None), **at}
    ps = (corrected(view, "probe", which, **keys) for which in ("noticed", "beyond"))
    return Shown(less("mean"), gains, *ps)


def _control(view: WorldView, metric: str, quantity: str, model: str, name: str) -> Mean | None:
    """A control's number; pixel PCA is stored once, whatever the model."""
    rows = _probe(view, metric, quantity, control=name, model=model)
    found = means(rows or _probe(view, metric, quantity, control=name))
    return found[0] if found else None


def _best(view: WorldView, quantity: str, model: str, names: Sequence[str]) -> str:
    """What a verdict says of the best of the features that it is not better than."""
    found = [(one, name) for name in names if (one := _control(view, "mse", quantity, model, name))]
    name = min(found, key=lambda one: one[0].value)[1] if found else names[0]
    r = _control(view, "pearson_r", quantity, model, name)
    told = f", r = {number(r)}" if r else ""
    return f"{_RULE.simpler} ({labels.control(name)}{told})"


def _evidence(view: WorldView, quantity: str, model: str, answer: Answer) -> str:
    def mean(metric: str) -> Mean | None:
        found = means(_probe(view, metric, quantity, model=model))
        return found[0] if found else None

    def against(name: str, metric: str, decimals: int | None) -> str:
        own = mean(metric)
        if own is None:
            return ""
        says = clause(name, own, decimals)
        told = []
        for control in SIMPLER:
            one = _control(view, metric, quantity, model, control)
            if one:
                shown = formatting.with_unit(number(one), labels.unit(one.unit))
                told.append(f"{labels.control(control)} {shown}")
        return f"{says} ({', '.join(told)})" if told else says

    mse = mean("mse")
    found = [seen(view, quantity, model, seed) for seed in view.checkpoints(model)]
    clauses = [
        against("linear probe, r =", "pearson_r", 3),
        against("MSE", "mse", 3 if mse is None or mse.value >= 0.0095 else 4),
        against("RMSE", "rmse", None),
        against("mean error", "angle_error_deg", 1),
        p_clause(view, found, answer),
        sample_clause(mse),
    ]
    return "; ".join(clause for clause in clauses if clause)
