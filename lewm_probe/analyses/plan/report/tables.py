"""The tables of planning."""

from __future__ import annotations

from typing import Any

from lewm_probe.analyses.plan.report.names import (
    CEILING,
    FLOORS,
    ORACLES,
    SHARED,
    WINDOWS,
    rule,
)
from lewm_probe.planning.pairs import hash_of
from lewm_probe.reports import labels
from lewm_probe.reports.means import means, sample
from lewm_probe.reports.results_view import ANY, WorldView
from lewm_probe.reports.tables.table import (
    SPAN,
    Column,
    Row,
    Table,
    comma,
    mean_cell,
    table,
    text,
)


def success_table(view: WorldView) -> Table | None:
    """Success of models and floors by every rule, at any step and at the end."""
    found = view.pick("plan", "success_rate", control=(None, *FLOORS, CEILING))
    rules = list(dict.fromkeys(row.subject for row in found if row.subject))
    rows = []
    for model in view.models:
        rows += _row(view, view.label(model), "Planned", rules, model=model)
    for control in (*FLOORS, CEILING):
        group = "Ceiling" if control == CEILING else "Floors"
        if control in SHARED:
            said = labels.sentence(labels.control(control))
            rows += _row(view, said, group, rules, control=control)
            continue
        for model in view.models:
            said = f"{view.label(model)}, {labels.control(control)}"
            rows += _row(view, said, group, rules, model=model, control=control)
    ids = view.rows.query("analysis == 'plan' and metric == 'pair_seed'")["trajectory_id"].dropna()
    unit = labels.unit(next((r.unit for r in view.pick("plan", "start_distance") if r.unit), None))
    steps = view.setting("plan", "steps", default=25)
    budget = view.setting("plan", "budget", default=50)
    return table(
        f"{view.world}-plan",
        "Success of planning",
        f"Share of start-goal pairs solved{comma(sample(found))} "
        f"({hash_of(set(ids))}), {steps} steps apart, with "
        f"{budget} steps to get there; pairs that were solved at the start are left out. Wilson’s "
        f"intervals. {SPAN} Recorded actions: what led to the goal when the pair was recorded.",
        [
            Column("model", "Model or floor", numeric=False),
            *(
                Column(f"{r}_{w}", said, over=labels.sentence(rule(r)))
                for r in rules
                for w, said in WINDOWS.items()
            ),
            Column("distance", f"final distance{f' ({unit})' if unit else ''}"),
            Column("seconds", "seconds a plan"),
        ],
        rows,
    )


def _row(view: WorldView, name: str, group: str, rules: list[str], **keys: Any) -> list[Row]:
    cells = {}
    for r in rules:
        for w in WINDOWS:
            found = means(view.pick("plan", "success_rate", subject=r, window=w, **keys))
            cells[f"{r}_{w}"] = mean_cell(found[0] if found else None, decimals=2)
    if all(cell.value is None for cell in cells.values()):
        return []
    for column, metric in (("distance", "final_distance"), ("seconds", "plan_seconds")):
        found = means(view.pick("plan", metric, **keys))
        cells[column] = mean_cell(found[0] if found else None, bare=True)
    return [Row({"model": text(name), **cells}, group=group, quiet="control" in keys)]


def limits_table(view: WorldView) -> Table | None:
    """What limits planning: the order that costs put plans in, and planners with true dynamics."""
    rows = []
    for model in view.models:
        cells = {"model": text(view.label(model))}
        for features in ("imagined", "encoded"):
            at = {"model": model, "features": features}
            found = means(view.pick("plan", "cost_distance_spearman", **at))
            cells[features] = mean_cell(found[0] if found else None, decimals=2)
        for control in ORACLES:
            at = {"model": model, "control": control, "subject": "released", "window": "any"}
            found = means(view.pick("plan", "success_rate", **at))
            cells[control] = mean_cell(found[0] if found else None, decimals=2)
        if any(cell.value is not None for key, cell in cells.items() if key != "model"):
            rows.append(Row(cells))
    correlated = view.pick("plan", "cost_distance_spearman", features=ANY)
    tried = view.pick("plan", "success_rate", control=ORACLES)
    return table(
        f"{view.world}-plan-limits",
        "What limits planning",
        "Cost and true distance: Spearman’s correlation over random plans of a pair, mean over "
        f"pairs{comma(sample(correlated))}; of the frame that was imagined, and of the frame that "
        "the simulator ended in. Success by the released rule at any step with few samples"
        f"{comma(sample(tried))}: with the model, with the simulator in its place, and with the "
        "true distance as the cost too.",
        [
            Column("model", "Model", numeric=False),
            Column("imagined", "imagined end", over="Cost and true distance"),
            Column("encoded", "true end", over="Cost and true distance"),
            Column("same_setting", "model", over="Success, small setting"),
            Column("true_dynamics", "true dynamics", over="Success, small setting"),
            Column("true_state", "true state", over="Success, small setting"),
        ],
        rows,
    )
