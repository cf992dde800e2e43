"""Questions about doses: are small violations told apart better than by a jump detector?"""

from __future__ import annotations

from lewm_probe.analyses.voe.report.dose_tables import dose_rows, dosed, first_doses, gains, scale
from lewm_probe.reports import formatting
from lewm_probe.reports.results_view import WorldView, means
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Judge,
    VerdictQuestion,
    clause,
    sample_clause,
    side,
    verdict,
)
from lewm_probe.results.schema import Metric


def dose_questions(view: WorldView) -> list[VerdictQuestion]:
    """One for each violation of physics that was measured at doses."""
    return [
        VerdictQuestion(
            f"dose-{condition}",
            card.dose_question.replace("{who}", view.body(condition) or "a body"),
            "At some dose the 95 % interval of ΔAUROC over copy-last lies above 0, and that of "
            "AUROC above 0.5; the smallest such dose is named. Exploratory: several doses are "
            "looked at, without adjustment.",
            tuple(
                verdict(view, model, _beaten(view, condition), [_evidence(view, condition, model)])
                for model in view.models
            ),
        )
        for condition in dosed(view)
        if (card := view.card(condition)) is not None and card.dose_question
    ]


def noticed_from(view: WorldView, condition: str, model: str, seed: int | None) -> float | None:
    """The smallest dose that a checkpoint notices and copy-last does less well."""
    at = {"subject": condition, "model": model, "train_seed": seed}
    auroc = {row.dose: row for row in dose_rows(view, "auroc", **at)}
    for gain in gains(view, condition, model, seed):
        own = auroc.get(gain.dose)
        if own and side([gain], 0.0) == 1 and side([own], 0.5) == 1:
            return gain.dose
    return None


def _beaten(view: WorldView, condition: str) -> Judge:
    def judge(model: str, seed: int | None) -> Answer:
        found = gains(view, condition, model, seed)
        if not found:
            return "not measured"
        if noticed_from(view, condition, model, seed) is not None:
            return "yes"
        return "no" if side(found, 0.0) == -1 else "not shown"

    return judge


def _evidence(view: WorldView, condition: str, model: str) -> str:
    """From which dose on, and how well there; else how well at the largest."""
    seeds = [s for s in view.checkpoints(model) if gains(view, condition, model, s)]
    from_ = [noticed_from(view, condition, model, seed) for seed in seeds]
    known = [dose for dose in from_ if dose is not None]
    rows = dose_rows(view, "auroc", subject=condition, model=model)
    if not rows:
        return ""
    doses = sorted({row.dose for row in rows if row.dose is not None})
    at = max(known, default=doses[-1])
    clauses = []
    if known:
        ends = " – ".join(formatting.percent(d) for d in dict.fromkeys((min(known), at)))
        clauses.append(f"first at {ends} {scale(view, condition)}")
    elif any(dose is not None for dose in first_doses(view, condition, model)):
        clauses.append("copy-last is beaten, but AUROC is not above 0.5 there")
    clauses.append(_levels(view, rows, condition, model, at))
    return "; ".join(clauses)


def _levels(view: WorldView, rows: list[Metric], condition: str, model: str, dose: float) -> str:
    """AUROC at a dose beside that of copy-last."""
    own = next(iter(means(row for row in rows if row.dose == dose)), None)
    copied = dose_rows(view, "auroc", subject=condition, model=model, control="copy_last")
    baseline = next(iter(means(row for row in copied if row.dose == dose)), None)
    says = clause(f"AUROC at {formatting.percent(dose)}", own, 3)
    if baseline:
        says += f", copying the last latent {formatting.number(baseline.value, 3)}"
    n = sample_clause(own)
    return f"{says}; {n}" if n else says
