"""All numbers of the study as tables: every measure, single families, the loss, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lewm_probe.reports.formatting import SPACE, Number, number
from lewm_probe.reports.tables.table import (
    INTERVAL,
    Cell,
    Column,
    Row,
    Table,
    cell,
    count_cell,
    p_cell,
    table,
    text,
)
from lewm_probe.reports.understanding.study import ALPHA, Correlation, Study
from lewm_probe.stats.bootstrap import Estimate

_COLUMNS = (
    Column("measure", "Measure", numeric=False),
    Column("rho", f"ρ {INTERVAL}"),
    Column("partial", f"given length {INTERVAL}"),
    Column("gain", f"|ρ| − |ρ| of the loss {INTERVAL}"),
    Column("p", "p"),
    Column("p_holm", "Holm p"),
    Column("detectable", "smallest |ρ| shown"),
    Column("checkpoints", "checkpoints"),
    Column("runs", "runs"),
    Column("better", "better is", numeric=False),
    Column("name", "name", numeric=False),
    Column("picked", "read from", numeric=False),
)


def correlations_table(study: Study) -> Table | None:
    """Every measure over all checkpoints."""
    rows = [_row(one, _group(one), picked=True) for one in _ordered(study)]
    return table(
        f"understanding-{study.world}-correlations",
        "Every measure and planning success",
        f"ρ: Spearman’s correlation over checkpoints; [95{SPACE}%]: percentiles of resamples in "
        "which training runs and pairs are drawn again. Given length: the partial correlation of "
        "ranks given training steps. p: whole runs change places at random; Holm: over the "
        f"confirmatory measures. Smallest |ρ| shown: with a power of 80{SPACE}% at Holm’s "
        "strictest step, were all checkpoints independent.",
        _COLUMNS,
        rows,
    )


def families_table(study: Study) -> Table | None:
    """Every measure within each family that has enough checkpoints."""
    rows = [
        _row(one, study.looks[family].label)
        for family, found in study.by_family.items()
        for one in found
        if one.rho.value is not None
    ]
    return table(
        f"understanding-{study.world}-families",
        "Each family by itself",
        "As above, over the checkpoints of one family; no tests. There is no interval where fewer "
        "than five runs could be drawn from.",
        [one for one in _COLUMNS if one.key not in ("p", "p_holm", "picked")],
        rows,
    )


def checkpoints_table(study: Study) -> Table | None:
    """Every checkpoint: its success and all its measures."""
    rows = []
    tried = np.isfinite(study.outcomes).sum(axis=1)
    for k, (checkpoint, family) in enumerate(zip(study.checkpoints, study.families, strict=True)):
        cells = {
            "model": text(checkpoint.model),
            "train_seed": count_cell(checkpoint.train_seed),
            "step": count_cell(checkpoint.step),
            "success": cell(float(study.success[k]), decimals=3),
            "pairs": count_cell(int(tried[k])),
        }
        cells |= {one.name: cell(float(one.values[k]), decimals=3) for one in study.measured}
        rows.append(Row(cells, group=study.looks[family].label))
    return table(
        f"understanding-{study.world}-checkpoints",
        "Checkpoints",
        "Success: the share of pairs whose goal was reached.",
        [
            Column("model", "Model", numeric=False),
            Column("train_seed", "training seed"),
            Column("step", "step"),
            Column("success", "success"),
            Column("pairs", "pairs"),
            *(Column(one.name, one.label) for one in study.measured),
        ],
        rows,
    )


def plain(study: Study) -> dict[str, Any]:
    """All numbers as plain values, for JSON."""
    groups = {"": study.found, **study.by_family}
    return {
        "world": study.world,
        "solver": study.asked.solver,
        "rule": study.asked.rule,
        "window": study.asked.window,
        "pairs": study.outcomes.shape[1],
        "runs": study.runs,
        "notes": list(study.notes),
        "correlations": [
            {
                "family": family or None,
                "measure": one.measured.name,
                "label": one.measured.label,
                "confirmatory": one.measured.measure.confirmatory,
                "higher_is_better": one.measured.measure.higher_is_better,
                "picked": one.measured.picked,
                "checkpoints": one.n,
                "runs": one.runs,
                **_ends("rho", one.rho),
                **_ends("partial", one.partial),
                **_ends("gain_over_loss", one.gain),
                "p": one.p,
                "p_holm": one.p_holm,
                "smallest_detectable": one.detectable,
                "shown": one.shown,
            }
            for family, found in groups.items()
            for one in found
        ],
        "checkpoints": [
            {
                "model": checkpoint.model,
                "train_seed": checkpoint.train_seed,
                "step": checkpoint.step,
                "family": family,
                "success": float(success),
                "measures": {
                    one.name: float(one.values[k]) if np.isfinite(one.values[k]) else None
                    for one in study.measured
                },
            }
            for k, (checkpoint, family, success) in enumerate(
                zip(study.checkpoints, study.families, study.success, strict=True)
            )
        ],
    }


def _ordered(study: Study) -> list[Correlation]:
    return [*study.confirmatory, *study.exploratory, *([study.loss] if study.loss else [])]


def _group(one: Correlation) -> str:
    if one.measured.measure.confirmatory:
        return "Confirmatory: named beforehand"
    return "Exploratory"


def _row(one: Correlation, group: str, *, picked: bool = False) -> Row:
    better = {True: "higher", False: "lower", None: ""}[one.measured.measure.higher_is_better]
    cells = {
        "measure": text(one.measured.label),
        "rho": _cell(one.rho),
        "partial": _cell(one.partial),
        "gain": _cell(one.gain),
        "p": p_cell(one.p, ALPHA),
        "p_holm": p_cell(one.p_holm, ALPHA),
        "detectable": Cell(number(one.detectable, 2), one.detectable),
        "checkpoints": count_cell(one.n),
        "runs": count_cell(one.runs),
        "better": text(better),
        "name": text(one.measured.name),
    }
    if picked:
        cells["picked"] = text(one.measured.picked)
    return Row(cells, group=group)


def _cell(value: Estimate) -> Cell:
    return cell(value.value, value.low, value.high, decimals=2)


def _ends(name: str, value: Estimate) -> dict[str, float | None]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def summary(studies: Sequence[Study]) -> list[tuple[str, list[list[object]]]]:
    """Rows of the table at the end of the command, by world."""
    return [
        (
            study.title,
            [
                [
                    one.measured.label,
                    _cell(one.rho).text,
                    p_cell(one.p_holm, ALPHA).text,
                    Number(*one.partial[:3]),
                    Number(*one.gain[:3]),
                    one.n,
                ]
                for one in _ordered(study)
            ],
        )
        for study in studies
    ]
