"""The published table of rates, and what of it is met, in plain words."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.calibration.plan import CLOSED, DRAWN, SEED
from tests.calibration.study import Row

SECTIONS = {
    "family": (
        "Whole reports without an effect",
        "Share of null reports that hold such an answer anywhere: at most 5 %, two Monte-Carlo "
        "errors allowed.",
    ),
    "verdict": ("Single answers without an effect", "Share of answers: at most 7 %."),
    "sentence": (
        "Sentences about two equal methods",
        "Share of reports that say one of two equal methods is better, by three named measures: at "
        "most 7 %.",
    ),
    "test": ("Tests of a true null hypothesis", "Share with p < 0.05: at most 7 %."),
    "interval": (
        "95 % intervals",
        "Share that holds the truth: at least 93 %, with heavy tails or cases that are missed at "
        "random 90 %. Coverage above 97.5 % is marked +: such an interval is wider than it had to "
        "be. Widths, and the share of intervals wholly above the truth, are in `rates.csv`.",
    ),
    "power": ("Power at stated effects", "Share that is found; no goal."),
}


def write(
    folder: Path, records: Sequence[dict[str, Any]], rows: Sequence[Row], cells: int, machine: str
) -> None:
    """README.md, rates.csv and cells.json."""
    with (folder / "rates.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*Row.__dataclass_fields__, "met"], lineterminator="\n")
        table.writeheader()
        table.writerows({k: _short(v) for k, v in row.plain().items()} for row in rows)
    keys = ("cell", "code", "seed", "seconds")
    lines = ",\n".join(json.dumps({k: record[k] for k in keys}) for record in records)
    (folder / "cells.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    text = _readme(records, rows, cells, machine)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _readme(
    records: Sequence[dict[str, Any]], rows: Sequence[Row], cells: int, machine: str
) -> str:
    goals = [row for row in rows if row.goal is not None]
    missed = [row for row in goals if not row.met]
    seconds = sum(record["seconds"] for record in records)
    parts = [
        "# Calibration: how often tests, intervals and verdicts are wrong",
        "Studies are simulated whose truth is known, and analysed by the very functions that "
        "reports use. Each rate below is the share of simulated studies; ± is one Monte-Carlo "
        "standard error.",
        "![Coverage and false positives against their goals](calibration.png)",
        "*Dots and bars: measured rates, one Monte-Carlo error either way. Line: nominal. Band: "
        "from nominal to the goal; dotted, the goal for heavy tails. Orange crosses miss their "
        "goal, grey has none.*",
        "```bash\nmake calibrate\n```",
        f"{len(records)} of {cells} cells are done (one distribution, size and effect each; "
        f"`cells.json` has the seed of each, two numbers that start numpy's generator, {SEED} and "
        "the CRC-32 of its name). The command goes on where it stopped, and runs again what "
        f"measures code that has changed. {CLOSED:,} repeats where a formula is evaluated, at "
        f"least {DRAWN:,} where resamples are drawn or whole reports made. {seconds / 60:.0f} "
        f"minutes of one core, on two at a time: {machine}.",
        "Rates are in percent; what is missed is **bold**. All of them, with their repeats: "
        "`rates.csv`. What *real* scenarios are drawn from: `rows.parquet`.",
        "## What is met, and what is not",
        f"{len(goals) - len(missed)} of {len(goals)} rates that have a goal meet it. Goals were "
        "set before any simulation. A rate is held against its goal as measured: of tests whose "
        "true rate lies just inside, some are missed by chance.",
        _CHANGED,
        _by_kind(goals),
        "### Missed",
        _missed(missed) if missed else "Nothing.",
        *(why for study, why in _WHY.items() if any(row.study == study for row in missed)),
        "## What is simulated",
        _SIMULATED,
    ]
    for kind, (title, said) in SECTIONS.items():
        found = [row for row in rows if row.kind == kind]
        if found:
            parts += [f"## {title}", said, *_studies(found)]
    return "\n\n".join(parts) + "\n"


_CHANGED = """\
Changed after a first look at these cells: the interval of pairwise accuracy (Wilson's had covered
90–92 % near 1) and those of r and R² (BCa, 76–89 % with stored errors), with the same seeds; stored
probe errors, which had got a second noise by mistake, are now drawn with their own size; and
Student's interval for a mean of stored probe errors, which covers 70–89 %, was taken out, since
probes' errors have Hall's; rollouts' errors came in, since they have Student's. The other methods
were chosen in earlier simulations of like scenarios."""

_SIMULATED = """\
Trajectories: 50, 100, 200. Distributions of differences: normal; gamma (shape 2, skewness 1.4);
t with three degrees of freedom (no finite fourth moment); contaminated (one in twenty ten times as
wide); outliers (one in twenty ten SD above the rest); log-normal (σ = 1), which is printed as it
comes, without a goal; and, as *real*, rows of the published reports drawn with replacement, which
then are the population. A *mixture* misses some cases altogether and always notices the others;
*matched* are two readings of nearly one number.

Methods: two of them, equal or not, with 1 to 6 training seeds a side. tau is the SD of seeds in SD
of one trajectory's score (AUROC near 0.87) or of its log error (MSE); *interaction* is what a
method does on one trajectory and not on another. Reports: two models of two training seeds, ten
questions each; in the first null nothing is noticed, in the others exactly what pixel difference
(or a random encoder, of three seeds that differ) notices too."""


_WHY = {
    "paired tests": "*Paired tests*: where one value in twenty lies far from the rest, one sample "
    "of 50 in thirteen holds none of these, and shows no skewness to take into account.",
    "means": "*Means*: a few trajectories carry the mean, and small samples miss them.",
    "d_z": "*d_z*: the same samples without an outlier have too small a standard deviation, which "
    "nothing in them tells. With 100 trajectories they are rare.",
    "gain": "*Gain*: the AUROC of three seeds that differ this much is far from normal.",
    "probe scores": "*Probe scores*: the stored errors have a skewness of 7 to 9, and t with three "
    "degrees of freedom gives squared errors without a variance.",
}
"""What stands behind misses of a study, where there are some."""


def _studies(rows: Sequence[Row]) -> Iterable[str]:
    for study in dict.fromkeys(row.study for row in rows):
        found = [row for row in rows if row.study == study]
        yield f"### {study[:1].upper()}{study[1:]}"
        yield _table(found)


def _by_kind(goals: Sequence[Row]) -> str:
    lines = ["| | Rates | Met | Lowest | Highest |", "|---|--:|--:|--:|--:|"]
    for kind, (title, _) in SECTIONS.items():
        found = [row for row in goals if row.kind == kind]
        if found:
            values = [row.value for row in found]
            met = sum(bool(row.met) for row in found)
            ends = f"{_percent(min(values))} | {_percent(max(values))}"
            lines.append(f"| {title} | {len(found)} | {met} | {ends} |")
    return "\n".join(lines)


def _missed(rows: Sequence[Row]) -> str:
    lines = ["| What | Scenario | n | Seeds | Rate | Goal |", "|---|---|--:|---|--:|--:|"]
    for row in rows:
        rate = f"{_percent(row.value)} ± {100 * row.error:.1f}"
        lines.append(
            f"| {row.what} | {row.scenario} | {row.n} | {row.seeds} | {rate} | {_goal(row)} |"
        )
    return "\n".join(lines)


def _table(rows: Sequence[Row]) -> str:
    """A column for each number of trajectories; rates in percent."""
    sizes = sorted({row.n for row in rows})
    seeds = any(row.seeds for row in rows)
    heads = [
        "What",
        "Scenario",
        *(["Seeds"] if seeds else []),
        "Goal",
        *(f"n = {n}" for n in sizes),
    ]
    right = [*(["---"] * (len(heads) - len(sizes) - 1)), *(["--:"] * (len(sizes) + 1))]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(right)}|"]
    lined: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in rows:
        key = (row.what, row.scenario, *([row.seeds] if seeds else []), _goal(row))
        lined.setdefault(key, {})[row.n] = row
    for key, found in lined.items():
        cells = [_rate(found[n]) if n in found else "" for n in sizes]
        lines.append(f"| {' | '.join([*key, *cells])} |")
    return "\n".join(lines)


def _rate(row: Row) -> str:
    told = f"{100 * row.value:.1f} ± {100 * row.error:.1f}"
    if row.met is False:
        return f"**{told}**"
    return f"{told} +" if row.kind == "interval" and row.value > 0.975 else told


def _goal(row: Row) -> str:
    if row.goal is None:
        return "none"
    return f"{'≥' if row.kind == 'interval' else '≤'} {100 * row.goal:g} %"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _short(value: Any) -> Any:
    return f"{value:.5g}" if isinstance(value, float) else value
