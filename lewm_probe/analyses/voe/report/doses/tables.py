"""Dose–response: how small a violation is still told apart, beyond simpler detectors.

A dose is a share: of the arena's width for distances, of the way to the target for colours. The
first dose is the smallest at which AUROC above 0.5 and a gain over every baseline are shown after
Holm's correction over the doses, as the analysis stored it (``first_dose``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lewm_probe.analyses.voe.report.baselines import ONSET
from lewm_probe.reports import formatting, labels
from lewm_probe.reports.means import means, samples
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    comma,
    count_cell,
    mean_cell,
    table,
    text,
)
from lewm_probe.results.schema import Metric

BESIDE = ("copy_last", "random_encoder", "action_blind")
"""Baselines shown beside the model, in order of display."""


def dosed(view: WorldView) -> list[str]:
    """Conditions measured at doses, in order of display."""
    found = {row.subject for row in dose_rows(view, "auroc") if row.subject}
    return sorted(found, key=view.place)


def dose_rows(view: WorldView, metric: str, **keys: Any) -> list[Metric]:
    """Metrics at onset that have a dose."""
    at = {"window": ONSET, "dose": ANY, **keys}
    return [row for row in view.pick("voe", metric, **at) if row.dose is not None]


def first_dose(view: WorldView, condition: str, model: str, seed: int | None) -> float | None:
    """The smallest dose at which a checkpoint is beyond every baseline, as stored."""
    at = {"subject": condition, "model": model, "train_seed": seed}
    stored = [row.value for row in view.pick("voe", "first_dose", window=ANY, **at)]
    return max((dose for dose in stored if dose is not None), default=None)


def first_doses(view: WorldView, condition: str, model: str) -> list[float | None]:
    """``first_dose`` of each checkpoint that was measured at doses."""
    seeds = {row.train_seed for row in dose_rows(view, "auroc", subject=condition, model=model)}
    return [
        first_dose(view, condition, model, seed)
        for seed in view.checkpoints(model)
        if seed in seeds
    ]


def by_color(view: WorldView, condition: str) -> bool:
    """Whether doses are parts of the way to a colour, not distances."""
    card = view.card(condition)
    return card is not None and card.expects == "appearance"


def scale(view: WorldView, condition: str) -> str:
    """What a dose is a share of."""
    return "of the way to the colour" if by_color(view, condition) else "of the arena’s width"


def dose_tables(view: WorldView) -> list[Table]:
    """Means over training seeds; then, where there are several, checkpoint by checkpoint."""
    found = [_table(view, by_checkpoint=False), _table(view, by_checkpoint=True)]
    return [one for one in found if one is not None]


def _table(view: WorldView, *, by_checkpoint: bool) -> Table | None:
    found = dose_rows(view, "auroc", control=(None, *BESIDE))
    rows: list[Row] = []
    for condition in dosed(view):
        group = f"{view.condition(condition)} (share {scale(view, condition)})"
        before = len(rows)
        for model in view.models:
            mine = [row for row in found if row.subject == condition and row.model == model]
            seeds = [s for s in view.checkpoints(model) if any(r.train_seed == s for r in mine)]
            if not by_checkpoint:
                first = _first(first_doses(view, condition, model))
                rows += _model_rows(view, model, mine, first, group)
            for seed in seeds if by_checkpoint and len(seeds) > 1 else []:
                part = [row for row in mine if row.train_seed == seed]
                first = _first([first_dose(view, condition, model, seed)])
                named = {"train_seed": Cell(f"{seed}", seed)}
                rows += _model_rows(view, model, part, first, group, named)
        counted = _counts([row for row in found if row.subject == condition])
        if len({cell.text for cell in counted.values()}) > 1 and len(rows) > before:
            rows.append(Row({"model": text("n at each dose"), **counted}, group=group, quiet=True))
    doses = sorted({row.dose for row in found if row.dose is not None})
    what = "checkpoint by checkpoint" if by_checkpoint else "AUROC at every dose"
    several = (
        "One row a training seed."
        if by_checkpoint
        else "Several training seeds: mean of AUROC, and the smallest and largest first dose (in "
        "how many of the checkpoints, where not in all)."
    )
    return table(
        f"{view.world}-dose{'-checkpoints' if by_checkpoint else ''}",
        f"Dose–response, {what}",
        f"AUROC of surprise at onset{comma(samples(found, say=view.condition))}; grey: the "
        "same with copy-last in place of the model (its own latents), with a predictor "
        "trained on random encoders, and "
        "with one that is blind to actions. First dose: the smallest at which AUROC above 0.5 and "
        "a gain over every baseline are shown after Holm’s correction over the doses; at large "
        "doses simple detectors notice too, and little is left to add. "
        f"{several} Intervals are in the CSV.",
        [
            Column("model", "Model or baseline", numeric=False),
            Column("train_seed", "seed"),
            Column("first_dose", "first dose beyond every baseline"),
            *(Column(f"dose_{dose:g}", formatting.percent(dose)) for dose in doses),
            Column("n", "n"),
        ],
        rows,
    )


def _model_rows(
    view: WorldView,
    model: str,
    found: Sequence[Metric],
    first: Cell,
    group: str,
    named: dict[str, Cell] | None = None,
) -> list[Row]:
    """The model's row, and a quiet one for each baseline."""
    rows = []
    for control in (None, *BESIDE):
        part = [row for row in found if row.control == control]
        if not part:
            continue
        name = view.label(model) + (f", {labels.control(control)}" if control else "")
        cells = {"model": text(name), **(named or {})}
        for mean in means(part, "dose"):
            cells[f"dose_{mean.key['dose']:g}"] = mean_cell(mean, decimals=3, bare=True)
        n = [row.n for row in part if row.n is not None]
        cells["n"] = count_cell(min(n), max(n)) if n else Cell("")
        if control is None:
            cells["first_dose"] = first
        rows.append(Row(cells, group=group, quiet=control is not None))
    return rows


def _counts(found: Sequence[Metric]) -> dict[str, Cell]:
    """How many cases there were at each dose."""
    n: dict[float, list[int]] = {}
    for row in found:
        if row.dose is not None and row.n is not None:
            n.setdefault(row.dose, []).append(row.n)
    return {f"dose_{dose:g}": count_cell(min(of), max(of)) for dose, of in n.items()}


def _first(doses: Sequence[float | None]) -> Cell:
    """First doses of checkpoints: the largest as the value, when all of them have one."""
    known = [dose for dose in doses if dose is not None]
    if not known:
        return Cell("none" if doses else "")
    low, high = min(known), max(known)
    shown = formatting.percent(high)
    if low < high:
        shown = f"{formatting.percent(low)} – {shown}"
    if len(known) < len(doses):
        shown += f" ({len(known)} of {len(doses)})"
    return Cell(shown, high if len(known) == len(doses) else None, low, high)
