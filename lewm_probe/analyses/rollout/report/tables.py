"""The table of rollouts."""

from __future__ import annotations

from typing import Any

from lewm_probe.reports import labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import Column, Row, Table, comma, mean_cell, table, text
from lewm_probe.results.schema import Metric


def rollout_table(view: WorldView) -> Table | None:
    """Latent error and error of read quantities against horizon."""
    found = view.pick("rollout", ("mse", "rmse", "angle_error_deg"), control=ANY)
    found = [row for row in found if row.horizon is not None]
    horizons = sorted({row.horizon for row in found if row.horizon is not None})
    rows = []
    seen: dict[tuple[Any, ...], list[Metric]] = {}
    for row in found:
        key = (row.subject, row.metric, row.method, row.control)
        seen.setdefault(key, []).append(row)
    for (subject, metric, method, control), part in seen.items():
        unit = labels.unit(next((row.unit for row in part if row.unit), None))
        title = labels.sentence(labels.quantity(subject)) if subject else "Latent error"
        group = f"{title}: {labels.metric(metric)}{f' ({unit})' if unit else ''}"
        group += f", {labels.method(method)} probe" if method and subject else ""
        for model in view.models:
            name = view.label(model) + (f", {labels.control(control)}" if control else "")
            cells = {"what": text(name)}
            for mean in means([row for row in part if row.model == model], "horizon"):
                cells[f"k{mean.key['horizon']}"] = mean_cell(mean, bare=True)
            if len(cells) > 1:
                rows.append(Row(cells, group=group, quiet=control is not None))
    rows.sort(key=lambda row: (not row.group.startswith("Latent"), row.group, row.quiet))
    return table(
        f"{view.world}-rollout",
        "Rollouts",
        f"Error of imagined latents k blocks ahead{comma(sample(found))}: mean squared error in "
        "the latent space, and quantities read from imagined latents by probes trained on encoded "
        "ones. Copy last: the latent before the first imagined one. 95 % intervals are in the CSV.",
        [
            Column("what", "Model or baseline", numeric=False),
            *(Column(f"k{h}", f"k = {h}") for h in horizons),
        ],
        rows,
    )
