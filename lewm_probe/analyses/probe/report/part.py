"""What is shown of probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lewm_probe.analyses.probe.report.paper import paper_probe_table
from lewm_probe.analyses.probe.report.questions import poses, questions
from lewm_probe.analyses.probe.report.scatter import scatter_plots
from lewm_probe.analyses.probe.report.tables import WHOLE, main_features, probe_tables, quantities
from lewm_probe.reports import labels
from lewm_probe.reports.page.brought import Headline, Measure, Panel, levels, stored
from lewm_probe.reports.page.parts import (
    ByModel,
    ReportPart,
    Section,
    ShownTable,
    Summary,
    shown,
)
from lewm_probe.reports.page.summary import subjects, value
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import Table
from lewm_probe.reports.verdicts.judging import side
from lewm_probe.results.schema import Metric


def sections(view: WorldView) -> list[Section]:
    """Probing."""
    return [_probes(view)]


def _probes(view: WorldView) -> Section:
    return Section(
        "probes",
        "Probing",
        "Quantities read from one frame’s frozen embedding by regression, on trajectories that "
        "the probe never saw. Quantities that are not drawn, such as a goal, are negative "
        "controls.",
        tuple(scatter_plots(view)),
        shown(view, *probe_tables(view), folded=("probes-",)),
        tables_first=True,
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    rows: list[list[object]] = []
    groups: list[str] = []
    for quantity in subjects(models, features="z", metric="pearson_r"):
        unit = ""
        for label, metrics in models.items():
            own = [m for m in metrics if m.subject == quantity and m.features == "z"]
            unit = unit or labels.unit(next((m.unit for m in own if m.metric == "rmse"), None))
            groups.append(
                labels.sentence(labels.quantity(quantity)) + (f" ({unit})" if unit else "")
            )
            rows.append(
                [
                    label,
                    value(own, metric="pearson_r", method="linear"),
                    value(own, metric="pearson_r", method="mlp"),
                    value(own, metric="pearson_r", method="linear", control="random_weights"),
                    value(own, metric="rmse", method="linear"),
                    value(own, metric="rmse", method="mlp"),
                ]
            )
    columns = ["model", "linear r", "MLP r", "linear r, random weights", "linear RMSE"]
    return Summary([*columns, "MLP RMSE"], rows, groups, ["MLP RMSE"])


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    graded = {one.subject: one for one in questions(view)}
    for quantity in quantities(view):
        asked = graded.get(quantity)
        words = asked.verdicts[0].words if asked and asked.verdicts else ""
        features = main_features(view, quantity)
        for method in ("linear", "mlp"):
            for metric, name in (("pearson_r", "Pearson r"), ("mse", "MSE of z-scored target")):
                at = {"subject": quantity, "method": method, "features": features, **WHOLE}
                for row in view.pick("probe", metric, **at)[:1]:
                    read = f"{labels.method(method)} probe of {labels.features(features) or 'z'}"
                    told = words if method == "linear" and features in ("z", None) else ""
                    yield Headline(f"{name}, {labels.quantity(quantity)}, {read}", row, told)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared."""
    found = []
    for quantity in poses(view):
        name = labels.quantity(quantity)
        found.append(
            Measure(
                quantity,
                f"{labels.sentence(name)}: MSE, linear probe",
                f"reads the {name} better",
                False,
                _probe_rows(view, quantity),
                _probe_difference(view, quantity),
                _beats_the_mean(view, quantity),
                "the mean of the training targets",
            )
        )
    return found


def _probe_rows(view: WorldView, quantity: str) -> Callable[[str], list[Metric]]:
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE}
    return lambda model: view.pick("probe", "mse", model=model, **at)


def _beats_the_mean(view: WorldView, quantity: str) -> Callable[[str], bool]:
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE}
    return lambda model: (
        side(view.pick("probe", "mse_less_than_mean", versus="mean", model=model, **at), 0.0) == 1
    )


def _probe_difference(view: WorldView, quantity: str) -> Callable[[str, str], list[Metric]]:
    at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE}
    return lambda first, second: view.pick("probe", stored("mse"), model=first, versus=second, **at)


def curves(view: WorldView) -> list[Panel]:
    """How well position is read while a model trains."""
    found = []
    for quantity in poses(view):
        at = {"subject": quantity, "method": "linear", "features": ("z", None), **WHOLE}
        found.append(
            Panel(
                f"{labels.sentence(labels.quantity(quantity))}, linear probe",
                "Pearson r",
                view.training("probe", "pearson_r", **at),
                levels(view, "probe", "pearson_r", **at),
            )
        )
    return found


def card_tables(view: WorldView) -> list[Table]:
    """Beside the headlines of a model card."""
    return probe_tables(view)[:1]


def beside_paper(views: Sequence[WorldView]) -> Section:
    """A table a world, as the paper has it."""
    return Section(
        "probes",
        "Probing",
        "Quantities as rows, models as columns.",
        tables=tuple(ShownTable(one, False) for v in views if (one := paper_probe_table(v))),
    )


REPORT = ReportPart(
    sections,
    place=20,
    summary=summary,
    questions=questions,
    headlines=headlines,
    measures=measures,
    curves=curves,
    card_tables=card_tables,
    beside_paper=beside_paper,
)
