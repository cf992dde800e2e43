"""Questions about surprise: teleports far and near, other violations, colour, actions."""

from __future__ import annotations

from lewm_probe.analyses.voe.report.dose_questions import dose_questions
from lewm_probe.analyses.voe.report.tables import ONSET, factor, main_pair, reading
from lewm_probe.reports import formatting
from lewm_probe.reports.results_view import Mean, WorldView, means, preferred
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Judge,
    VerdictQuestion,
    alpha,
    clause,
    largest,
    sample_clause,
    side,
    verdict,
)
from lewm_probe.results.cards import Card

DOSES_AT, COLOR_AT = 25, 55
"""Where questions about doses, and the one about colour, stand among those of the cards' orders."""


def questions(view: WorldView) -> list[VerdictQuestion]:
    """All of them, in the order in which a reader asks: as the cards of conditions say."""
    found: list[tuple[float, VerdictQuestion]] = []
    for condition in view.conditions():
        card = view.card(condition)
        if card is not None and card.question:
            found.append((card.order, _asked(view, condition, card)))
    found += [(DOSES_AT, one) for one in dose_questions(view)]
    found += [(COLOR_AT, one) for one in _against_color(view)]
    return [question for _, question in sorted(found, key=lambda one: one[0])]


def _kinds(view: WorldView, kind: str) -> list[str]:
    return [c for c in view.conditions() if view.kind(c) == kind]


_OBSTACLES = {("two-room", "agent"): "a wall", ("push-t", "block"): "the agent"}
"""What a body passes through: (world, body)."""


def _filled(view: WorldView, condition: str, told: str) -> str:
    """A card's text with what it leaves open; nothing else in it is looked up."""
    who = view.body(condition)
    several = len(_kinds(view, view.kind(condition))) > 1
    dose = view.stated(condition).get("dose")
    words = {
        "{of}": f" of {who}" if several and who else "",
        "{who}": who or "body",
        "{pushed}": "" if who == "agent" else " when pushed",
        "{through}": _OBSTACLES.get((view.world, who), "what is solid"),
        "{far}": f" {formatting.percent(dose)} of the arena’s width" if dose else " far",
        "{alpha}": f"{alpha(view):g}",
    }
    for name, word in words.items():
        told = told.replace(name, word)
    return told


def _noticed(view: WorldView, condition: str, *, beyond_copy_last: bool) -> Judge:
    def judge(model: str, seed: int | None) -> Answer:
        at = {"subject": condition, "model": model, "train_seed": seed, "window": ONSET}
        found = side(preferred(view.pick("voe", "auroc", **at)), 0.5)
        p = p_of(view, condition, model, seed)[0]
        if found is None:
            return "not measured"
        if found < 0:
            return "no"
        passed = found > 0 and p is not None and p < alpha(view)
        if beyond_copy_last:
            rows = view.pick("voe", "delta_auroc_over_copy_last", versus=("copy_last", None), **at)
            gain = side(preferred(rows), 0.0)
            passed = passed and gain == 1
        return "yes" if passed else "not shown"

    return judge


def p_of(
    view: WorldView, condition: str, model: str, seed: int | None
) -> tuple[float | None, bool]:
    """The p of the paired t-test at onset, and whether it is Holm-adjusted."""
    at = {"subject": condition, "model": model, "train_seed": seed, "window": ONSET}
    for metric, adjusted in (("p_holm", True), ("p_ttest", False)):
        found = [row.value for row in preferred(view.pick("voe", metric, **at))]
        if found:
            return max(p for p in found if p is not None), adjusted
    return None, False


def _noticed_evidence(view: WorldView, condition: str, model: str) -> list[str]:
    at = {"subject": condition, "model": model, "window": ONSET}
    auroc = view.mean("voe", "auroc", **at)
    gain = view.mean("voe", "delta_auroc_over_copy_last", versus=("copy_last", None), **at)
    clauses = [clause("AUROC at onset", auroc, 3)]
    if gain:
        more = "more" if gain.value >= 0 else "less"
        clauses.append(f"{_absolute(gain)} {more} than copying the last latent")
    seeds = view.checkpoints(model)
    ps = [p_of(view, condition, model, seed) for seed in seeds]
    known = [p for p, _ in ps if p is not None]
    if known:
        adjusted = all(holm for p, holm in ps if p is not None)
        name = "Holm-adjusted p" if adjusted else "raw p (exploratory)"
        clauses.append(formatting.p_statement(largest(name, len(known)), max(known)))
    clauses.append(sample_clause(auroc))
    return ["; ".join(clause for clause in clauses if clause)]


def _absolute(mean: Mean) -> str:
    if mean.value >= 0:
        return formatting.estimate(mean.value, mean.low, mean.high, decimals=3)
    low, high = (None if end is None else -end for end in (mean.high, mean.low))
    return formatting.estimate(-mean.value, low, high, decimals=3)


def _asked(view: WorldView, condition: str, card: Card) -> VerdictQuestion:
    """Whether a condition was noticed, of every model, by its kind's rule."""
    judge = _noticed(view, condition, beyond_copy_last=card.over == "copy_last")
    verdicts = [
        verdict(view, model, judge, _noticed_evidence(view, condition, model))
        for model in view.models
    ]
    key = view.kind(condition).replace("_", "-")
    question, rule = (_filled(view, condition, told) for told in (card.question, card.rule))
    return VerdictQuestion(f"{key}-{condition}", question, rule, tuple(verdicts))


def _against_color(view: WorldView) -> list[VerdictQuestion]:
    teleport, color = main_pair(view)
    if not (teleport and color):
        return []
    several = len(_kinds(view, "teleport")) * len(_kinds(view, "color")) > 1
    reported = [view.condition(name) for name in (teleport, color)]
    pair = f" ({reported[0].lower()}, against {reported[1].lower()})" if several else ""
    return [
        VerdictQuestion(
            f"color-{teleport}-{color}",
            f"More than a colour change{pair}?",
            "On the same trajectories, the 95 % interval of the log ratio of surprise at onset, "
            "teleport over colour, lies above 0, and the p of its paired t-test is below "
            f"{alpha(view):g}. Colour alone is called within the bound only where an equivalence "
            "test (TOST) shows it.",
            tuple(
                verdict(
                    view,
                    model,
                    _more_than(view, teleport, color),
                    [
                        _more_than_evidence(view, teleport, color, model),
                        color_alone(view, color, model),
                    ],
                )
                for model in view.models
            ),
        )
    ]


def _more_than(view: WorldView, first: str, second: str) -> Judge:
    def judge(model: str, seed: int | None) -> Answer:
        at = {"subject": first, "versus": second, "model": model, "train_seed": seed}
        found = side(preferred(view.pick("voe", "delta_log_surprise", window=ONSET, **at)), 0.0)
        p = [row.value for row in view.pick("voe", "p_ttest", window=ONSET, **at)]
        if found is None:
            return "not measured"
        if found < 0:
            return "no"
        small = bool(p) and max(v for v in p if v is not None) < alpha(view)
        return "yes" if found > 0 and small else "not shown"

    return judge


def _more_than_evidence(view: WorldView, first: str, second: str, model: str) -> str:
    at = {"subject": first, "versus": second, "model": model, "window": ONSET}
    ratio = view.mean("voe", "delta_log_surprise", **at)
    if ratio is None:
        return ""
    clauses = [f"surprise {_times(ratio)} that under the colour change"]
    p = [row.value for row in view.pick("voe", "p_ttest", **at) if row.value is not None]
    if p:
        clauses.append(formatting.p_statement(largest("p", len(p)), max(p)))
    return "; ".join([*clauses, sample_clause(ratio)])


def color_alone(view: WorldView, condition: str, model: str) -> str:
    """What a change of appearance does by itself: equivalence is claimed only where tested."""
    at = {"subject": condition, "model": model, "window": ONSET}
    own = preferred(view.pick("voe", "delta_log_surprise", **at))
    if not own:
        return ""
    mean = means(own)[0]
    bound = f"×{view.setting('voe', 'equivalence_ratio', default=1.25):g}"
    name = f"{view.condition(condition)} alone"
    tost = [row.value for row in preferred(view.pick("voe", "p_equivalence", **at))]
    worst = max((p for p in tost if p is not None), default=None)
    if worst is not None and len(tost) == len(own) and worst < alpha(view):
        shown = formatting.p_statement(largest("TOST p", len(tost)), worst)
        return f"{name}: {_times(mean)}, no effect larger than {bound} ({shown})"
    raised = side(own, 0.0)
    if raised == 1:
        says = f"{name} raises surprise too, {_times(mean)}"
        if reading(view, condition, model).startswith("persists"):
            says += ", and it stays raised: the model never saw such an image"
        return says
    if raised == -1:
        return f"{name} lowers surprise, {_times(mean)}"
    return (
        f"{name}: {_times(mean)}; a rise is not shown, which is not the same as none (an effect "
        f"larger than {bound} is not ruled out)"
    )


def _times(mean: Mean) -> str:
    low, high = factor(mean.low), factor(mean.high)
    return f"×{formatting.estimate(factor(mean.value), low, high)}"
