"""Is a violation more surprising than a change of paint, this one and one as large in pixels?"""

from __future__ import annotations

from lewm_probe.analyses.voe.report.baselines import ONSET
from lewm_probe.analyses.voe.report.tables import main_pair, stays_raised, times, unimportant
from lewm_probe.reports import formatting
from lewm_probe.reports.means import means, preferred
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.verdicts.judging import (
    Answer,
    Rule,
    Shown,
    VerdictQuestion,
    alpha,
    corrected,
    graded,
    largest,
    number,
    only,
    p_clause,
    sample_clause,
    side,
)

MATCHED = "a colour change of as many pixels"
NEARLY = 0.95
"""Share of the violation's change of pixels that counts as equal."""

_RULE = Rule(
    level=0.0,
    required=(MATCHED,),
    yes="yes, also at an equal change of pixels",
    noticed="more than this colour",
    simpler="not shown at an equal change of pixels",
)


def matched_color(view: WorldView, teleport: str) -> str:
    """The colour condition whose change of pixels was set to that of a violation, or nothing."""
    found = [
        c
        for c in view.conditions()
        if view.stated(c).get("matched_to") == teleport and view.kind(c) == "color"
    ]
    return found[0] if found else ""


def color_question(view: WorldView) -> list[VerdictQuestion]:
    """The main pair, plain and matched; nothing where it was not measured."""
    teleport, color = main_pair(view)
    if not (teleport and color):
        return []
    matched = matched_color(view, teleport)
    kinds = [view.kind(c) for c in view.conditions() if c != matched]
    several = kinds.count("teleport") * kinds.count("color") > 1
    told = [view.condition(name).lower() for name in (teleport, color)]
    pair = f" ({told[0]}, against {told[1]})" if several else ""

    def seen(model: str, seed: int | None) -> Shown:
        at = {"subject": teleport, "model": model, "train_seed": seed, "window": ONSET}
        plain, equal = (
            only(preferred(view.pick("voe", "delta_log_surprise", versus=c, **at))) if c else None
            for c in (color, matched)
        )
        p, p_matched = (
            corrected(view, "voe", "noticed", versus=c, **at) if c else None
            for c in (color, matched)
        )
        reached = reaches(view, matched, model)
        gains = {MATCHED: equal} if equal and reached >= NEARLY else {}
        both = None if p is None or p_matched is None else max(p, p_matched)
        return Shown(plain, gains, p, both)

    def evidence(model: str, answer: Answer) -> list[str]:
        found = [seen(model, seed) for seed in view.checkpoints(model)]
        ratios = [_ratio(view, teleport, color, model, "the colour change")]
        ratios += [_ratio(view, teleport, matched, model, "the matched one")] if matched else []
        ratios += [p_clause(view, found, answer), _n(view, teleport, color, model)]
        alone = color_alone(view, color, model)
        return [
            "; ".join(filter(None, ratios)),
            pixels(view, teleport, color, matched, model),
            alone,
        ]

    return [
        VerdictQuestion(
            f"color-{teleport}-{color}",
            f"More than a colour change{pair}?",
            "On the same trajectories the log ratio of surprise at onset, teleport over colour, "
            "lies above 0 (95 % interval, and one-sided paired t-test with Holm’s p below "
            f"{alpha(view):g}). “Yes” needs that also against a colour change that alters pixels "
            "as much as the teleport does, within 5 %: which colour is chosen decides the plain "
            "comparison. Where no colour alters as much, that is not compared. Colour alone is "
            "called within the bound only where an equivalence test (TOST) shows it.",
            tuple(
                graded(
                    view,
                    model,
                    seen,
                    _RULE,
                    lambda answer, model=model: evidence(model, answer),  # type: ignore[misc]
                )
                for model in view.models
            ),
            "voe",
            teleport,
            color,
        )
    ]


def _ratio(view: WorldView, first: str, second: str, model: str, of: str) -> str:
    at = {"subject": first, "versus": second, "model": model, "window": ONSET}
    ratio = view.mean("voe", "delta_log_surprise", **at)
    return f"surprise {times(ratio)} that under {of}" if ratio else ""


def _n(view: WorldView, first: str, second: str, model: str) -> str:
    at = {"subject": first, "versus": second, "model": model, "window": ONSET}
    return sample_clause(view.mean("voe", "delta_log_surprise", **at))


def pixels(view: WorldView, teleport: str, color: str, matched: str, model: str) -> str:
    """How much each condition changes pixels, and where the matched one could not reach."""
    said = []
    for name in filter(None, (teleport, color, matched)):
        found = means(view.pick("voe", "pixel_change", subject=name, window=ONSET, model=model))
        if found:
            said.append(f"{view.condition(name).lower()} {number(found[0])}")
    if not said:
        return ""
    text = f"mean squared change of a pixel, in grey levels: {', '.join(said)}"
    reached = reaches(view, matched, model)
    if matched and reached < NEARLY:
        text += f" (the strongest colour reaches {formatting.percent(round(reached, 2))})"
    return text


def reaches(view: WorldView, matched: str, model: str) -> float:
    """The share of a violation's change of pixels that its matched colour has; 1 if unsaid."""
    at = {"subject": matched, "window": ONSET, "model": model, "versus": ANY}
    found = means(view.pick("voe", "pixel_change_reached", **at)) if matched else []
    return found[0].value if found else 1.0


def color_alone(view: WorldView, condition: str, model: str) -> str:
    """What a change of appearance does by itself: equivalence is claimed only where tested."""
    at = {"subject": condition, "model": model, "window": ONSET}
    own = preferred(view.pick("voe", "delta_log_surprise", **at))
    if not own:
        return ""
    mean = means(own)[0]
    bound = f"×{unimportant(view):g}"
    name = f"{view.condition(condition)} alone"
    tost = [row.value for row in preferred(view.pick("voe", "p_equivalence", **at))]
    worst = max((p for p in tost if p is not None), default=None)
    if worst is not None and len(tost) == len(own) and worst < alpha(view):
        told = formatting.p_statement(largest("TOST p", len(tost)), worst, alpha(view))
        return f"{name}: {times(mean)}, no effect larger than {bound} ({told}, not corrected)"
    raised = side(own, 0.0)
    if raised == 1:
        says = f"{name} raises surprise too, {times(mean)}"
        if stays_raised(view, condition, model):
            says += ", and it stays raised: the model may never have seen such an image"
        return says
    if raised == -1:
        return f"{name} lowers surprise, {times(mean)}"
    return (
        f"{name}: {times(mean)}; a rise is not shown, which is not the same as none (an effect "
        f"larger than {bound} is not ruled out)"
    )
