"""What is shown of violations of expectation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.analyses.voe.report.baselines import ONSET, best_gain
from lewm_probe.analyses.voe.report.doses.figure import dose_plot
from lewm_probe.analyses.voe.report.doses.tables import dose_tables, dosed
from lewm_probe.analyses.voe.report.filmstrip import filmstrip_plot
from lewm_probe.analyses.voe.report.paper import paper_surprise_plot
from lewm_probe.analyses.voe.report.paper_table import paper_surprise_table
from lewm_probe.analyses.voe.report.questions import questions
from lewm_probe.analyses.voe.report.surprise import surprise_plot
from lewm_probe.analyses.voe.report.tables import (
    baselines_table,
    collapse_table,
    voe_tables,
)
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import preferred
from lewm_probe.reports.page.brought import Headline, Measure, stored
from lewm_probe.reports.page.parts import (
    ByModel,
    ReportPart,
    Section,
    ShownTable,
    Summary,
    drawn,
    shown,
)
from lewm_probe.reports.page.summary import number, subjects, value
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import side
from lewm_probe.results.schema import Metric


def sections(view: WorldView) -> list[Section]:
    """Surprise, and how it grows with doses."""
    return [_surprise(view), _dose(view)]


def _surprise(view: WorldView) -> Section:
    floor = view.setting("voe", "log_floor", default=0.0)
    stated = f" Logarithms have a floor, log(s + {formatting.number(floor)})." if floor else ""
    return Section(
        "surprise",
        "Violation of expectation",
        "Surprise is the squared difference between the predicted and the encoded next latent. "
        "Matched trajectories share start, actions and every byte up to the intervention. "
        f"Headlines use ranks, which do not care about scale.{stated}",
        drawn(view, surprise_plot, filmstrip_plot, auroc_plot),
        shown(view, *voe_tables(view), folded=("voe-checkpoints", "voe-baselines")),
    )


def _dose(view: WorldView) -> Section:
    cards = {view.kind(c): card for c in dosed(view) if (card := view.card(c)) is not None}
    said = [card.doses for card in cards.values() if card.doses]
    what = f": {'; '.join(said)}" if said else ""
    return Section(
        "dose",
        "Dose–response",
        f"How small a change is still told apart from none{what}.",
        drawn(view, dose_plot),
        shown(view, *dose_tables(view), folded=("dose-checkpoints",)),
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    groups: list[str] = []
    found = subjects(models, metric="auroc")
    # Matched colours stand beside what they are matched to, and doses have a curve: both are in
    # the report.
    asked = [c for c in view.conditions() if c in found and not view.stated(c).get("matched_to")]
    for condition in asked:
        for label, metrics in models.items():
            own = [
                m
                for m in metrics
                if m.subject == condition and m.window == "onset" and m.dose is None
            ]
            gains = [
                m for m in own if m.metric == f"delta_auroc_over_{m.versus}" and m.value is not None
            ]
            least = min(gains, key=lambda m: m.value or 0.0, default=None)
            groups.append(view.condition(condition))
            rows.append(
                [
                    label,
                    value(own, metric="auroc"),
                    number(least) if least else None,
                    value(own, metric="p_beyond_holm"),
                    labels.control(least.versus) if least else None,
                    value(own, metric="p_noticed_holm"),
                ]
            )
    columns = ["model", "AUROC at onset", "gain over the best baseline", "Holm p, beyond"]
    return Summary([*columns, "best baseline", "Holm p, noticed"], rows, groups)


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    graded = {one.subject: one for one in questions(view) if one.versus is None}
    for condition in view.conditions():
        name = view.condition(condition)
        name = name[:1].lower() + name[1:]
        asked = graded.get(condition)
        words = asked.verdicts[0].words if asked and asked.verdicts else ""
        at = {"subject": condition, "window": ONSET}
        for row in preferred(view.pick("voe", "auroc", **at))[:1]:
            yield Headline(f"AUROC at onset, {name}", row, words)
        for model in view.models:
            if gain := best_gain(view, subject=condition, model=model):
                best, _ = gain
                rows = view.pick("voe", f"delta_auroc_over_{best.name}", versus=best.name, **at)
                turned = " (flipped)" if best.flipped else ""
                over = f"the best baseline, {labels.control(best.name)}{turned}"
                for row in preferred(rows)[:1]:
                    yield Headline(f"AUROC at onset beyond {over}, {name}", row)
    for metric, title in (
        ("clean_over_copy_last", "Surprise on clean data over that of copying the last latent"),
        ("action_swap_auroc", "AUROC of swapped actions (preflight)"),
    ):
        for row in view.pick("voe", metric, subject="preflight")[:1]:
            yield Headline(title, row)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared: AUROC itself, never a gain over each model's own baseline."""
    found = []
    for condition in view.conditions():
        card = view.card(condition)
        if card is None or not card.question:
            continue
        what = view.condition(condition)
        found.append(
            Measure(
                condition,
                f"{what}: AUROC at onset",
                f"notices “{what[:1].lower()}{what[1:]}” more",
                True,
                _rows(view, condition),
                _difference(view, condition),
                _notices(view, condition),
                "chance",
            )
        )
    return found


def _rows(view: WorldView, condition: str) -> Callable[[str], list[Metric]]:
    at = {"subject": condition, "window": ONSET}
    return lambda model: preferred(view.pick("voe", "auroc", model=model, **at))


def _notices(view: WorldView, condition: str) -> Callable[[str], bool]:
    rows = _rows(view, condition)
    return lambda model: side(rows(model), 0.5) == 1


def _difference(view: WorldView, condition: str) -> Callable[[str, str], list[Metric]]:
    return lambda first, second: view.pick(
        "voe",
        ("auroc_difference", *stored("auroc")[1:]),
        subject=condition,
        window=ONSET,
        model=first,
        versus=second,
    )


def card_tables(view: WorldView) -> list[Table | None]:
    """Beside the headlines of a model card."""
    return [baselines_table(view), collapse_table(view)]


def beside_paper(views: Sequence[WorldView]) -> Section:
    """Surprise of all worlds, as the paper shows it."""
    plot, findings = paper_surprise_plot(views), paper_surprise_table(views)
    return Section(
        "surprise",
        "Surprise",
        "Unperturbed, recoloured and teleported trajectories, matched.",
        (plot,) if plot else (),
        (ShownTable(findings, False),) if findings else (),
    )


REPORT = ReportPart(
    sections,
    place=10,
    summary=summary,
    questions=questions,
    headlines=headlines,
    measures=measures,
    card_tables=card_tables,
    beside_paper=beside_paper,
)
