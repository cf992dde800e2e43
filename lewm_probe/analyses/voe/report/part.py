"""What is shown of violations of expectation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lewm_probe.analyses.voe.report.auroc import auroc_plot
from lewm_probe.analyses.voe.report.dose import dose_plot
from lewm_probe.analyses.voe.report.dose_tables import dose_tables, dosed
from lewm_probe.analyses.voe.report.filmstrip import filmstrip_plot
from lewm_probe.analyses.voe.report.paper import paper_surprise_plot
from lewm_probe.analyses.voe.report.paper_table import paper_surprise_table
from lewm_probe.analyses.voe.report.questions import questions
from lewm_probe.analyses.voe.report.surprise import surprise_plot
from lewm_probe.analyses.voe.report.tables import (
    ONSET,
    baselines_table,
    collapse_table,
    voe_tables,
)
from lewm_probe.reports import formatting
from lewm_probe.reports.model_cards.headlines import Headline
from lewm_probe.reports.page.parts import (
    ByModel,
    ReportPart,
    Section,
    ShownTable,
    Summary,
    drawn,
    shown,
)
from lewm_probe.reports.page.summary import subjects, value
from lewm_probe.reports.results_view import WorldView, preferred
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.methods import Measure, stored
from lewm_probe.results.schema import Metric


def sections(view: WorldView) -> list[Section]:
    """Surprise, and how it grows with doses."""
    return [_surprise(view), _dose(view)]


def _surprise(view: WorldView) -> Section:
    floor = view.setting("voe", "log_floor", default=None)
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


def summary(models: ByModel) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    for condition in subjects(models, metric="auroc"):
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == condition and m.window == "onset"]
            rows.append(
                [
                    f"{condition} · {label}",
                    value(own, metric="auroc"),
                    value(own, metric="auroc", control="copy_last"),
                    value(own, metric="delta_auroc_over_copy_last", versus="copy_last"),
                    value(own, metric="p_wilcoxon"),
                ]
            )
    return ["condition", "onset AUROC", "copy-last", "Δ over copy-last", "p (Wilcoxon)"], rows


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    for condition in view.conditions():
        name = view.condition(condition)
        for metric, title in (
            ("auroc", "AUROC at onset"),
            ("delta_auroc_over_copy_last", "ΔAUROC over copy-last at onset"),
        ):
            over = ("copy_last", None) if metric.startswith("delta") else None
            at = {"subject": condition, "window": ONSET, "versus": over}
            for row in preferred(view.pick("voe", metric, **at))[:1]:
                yield Headline(f"{title}, {name[:1].lower()}{name[1:]}", row)
    for metric, title in (
        ("clean_over_copy_last", "Surprise on clean data over that of copying the last latent"),
        ("action_swap_auroc", "AUROC of swapped actions (preflight)"),
    ):
        for row in view.pick("voe", metric, subject="preflight")[:1]:
            yield Headline(title, row)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared."""
    found = []
    for condition in view.conditions():
        card = view.card(condition)
        if card is None or not card.compared or not card.question:
            continue
        base = not card.over
        metric = "auroc" if base else "delta_auroc_over_copy_last"
        name = "AUROC" if base else "ΔAUROC over copy-last"
        what = view.condition(condition)
        found.append(
            Measure(
                f"{what}: {name}",
                f"notices “{what[:1].lower()}{what[1:]}” more",
                True,
                _voe_rows(view, metric, condition),
                _voe_difference(view, metric, condition),
            )
        )
    return found


def _voe_rows(view: WorldView, metric: str, condition: str) -> Callable[[str], list[Metric]]:
    at = {"subject": condition, "window": ONSET, "versus": ("copy_last", None)}
    return lambda model: preferred(view.pick("voe", metric, model=model, **at))


def _voe_difference(
    view: WorldView, metric: str, condition: str
) -> Callable[[str, str], list[Metric]]:
    return lambda first, second: view.pick(
        "voe",
        (f"{metric}_difference", *stored(metric)[1:]),
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
