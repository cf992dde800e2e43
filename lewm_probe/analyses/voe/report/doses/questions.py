"""Questions about doses: are small violations told apart better than by simpler detectors?"""

from __future__ import annotations

from lewm_probe.analyses.voe.report.baselines import best, best_gain, shown
from lewm_probe.analyses.voe.report.doses.tables import dose_rows, dosed, first_dose, scale
from lewm_probe.reports import formatting
from lewm_probe.reports.means import means
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
    p_clause,
    sample_clause,
)

_RULE = Rule(noticed="noticed at some dose")


def dose_questions(view: WorldView) -> list[VerdictQuestion]:
    """One for each violation of physics that was measured at doses."""
    return [
        VerdictQuestion(
            f"dose-{condition}",
            card.dose_question.replace("{who}", view.body(condition) or "a body"),
            "At some dose AUROC at onset lies above 0.5, and for “yes” its gain over every "
            "baseline above 0 as well (95 % intervals). P is the smallest over doses after Holm "
            "over the doses, and corrected again over all tests of this report: below "
            f"{alpha(view):g}. The first dose named is the smallest at which all of that holds "
            "after Holm over the doses.",
            tuple(
                graded(
                    view,
                    model,
                    lambda model, seed, c=condition: seen(view, c, model, seed),  # type: ignore[misc]
                    _RULE,
                    lambda answer, c=condition, m=model: _evidence(view, c, m, answer),  # type: ignore[misc]
                    lambda names, c=condition, m=model: best(  # type: ignore[misc]
                        view, names, subject=c, model=m, dose=shown_dose(view, c, m)
                    ),
                )
                for model in view.models
            ),
            "voe",
            condition,
        )
        for condition in dosed(view)
        if (card := view.card(condition)) is not None and card.dose_question
    ]


def doses(view: WorldView, condition: str, model: str) -> list[float]:
    """Doses that a model was measured at, growing."""
    rows = dose_rows(view, "auroc", subject=condition, model=model)
    return sorted({row.dose for row in rows if row.dose is not None})


def seen(view: WorldView, condition: str, model: str, seed: int | None) -> Shown:
    """One checkpoint at its first dose; without one at the dose at which it shows most."""
    at = {"subject": condition, "model": model, "train_seed": seed}
    dose = first_dose(view, condition, model, seed)
    rows = [row for row in dose_rows(view, "auroc", **at) if row.value is not None]
    if not rows:
        return Shown(None, {}, None, None)
    if dose is None:
        most = max(rows, key=lambda r: (r.ci_low if r.ci_low is not None else -1, r.dose or 0))
        dose = most.dose
    found = shown(view, condition, model, seed, dose=dose)
    ps = (
        corrected(view, "voe", which, window=("onset", None), **at)
        for which in ("noticed", "beyond")
    )
    return Shown(found.own, found.gains, *ps)


def shown_dose(view: WorldView, condition: str, model: str) -> float | None:
    """The dose of which numbers are told: the largest first one, else the largest that shows."""
    found = [seen(view, condition, model, seed) for seed in view.checkpoints(model)]
    return max((o.own.dose for o in found if o.own and o.own.dose is not None), default=None)


def _evidence(view: WorldView, condition: str, model: str, answer: Answer) -> list[str]:
    """From which dose on, and how well there; else how well where it shows most."""
    seeds = view.checkpoints(model)
    from_ = [first_dose(view, condition, model, seed) for seed in seeds]
    firsts = sorted({dose for dose in from_ if dose is not None})
    at = shown_dose(view, condition, model)
    if at is None:
        return []
    clauses = []
    if firsts:
        ends = " – ".join(formatting.percent(d) for d in dict.fromkeys((firsts[0], firsts[-1])))
        clauses.append(f"first at {ends} {scale(view, condition)}")
    keys = {"subject": condition, "model": model, "dose": at}
    own = next(iter(means(dose_rows(view, "auroc", **keys))), None)
    clauses.append(clause(f"AUROC at {formatting.percent(at)}", own, 3))
    if gain := best_gain(view, **keys):
        clauses.append(clause(f"gain over the best baseline ({gain[0].told})", gain[1], 3))
    found = [seen(view, condition, model, seed) for seed in seeds]
    clauses += [p_clause(view, found, answer), sample_clause(own)]
    return ["; ".join(filter(None, clauses))]
