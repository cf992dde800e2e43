"""Are training curves those of an earlier version, within the spread of their seeds?

    .venv/bin/python -m tests.benchmarks.curves BEFORE AFTER

Each folder holds runs named FAMILY-SEED, of the same recipes on the same data. Writes ``curves.md``
and ``curves.png`` into ``reports/benchmarks``: validation loss over training, and at its end the
difference between versions beside what seeds differ by.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

OUT = Path("reports/benchmarks")
RUN = re.compile(r"(?P<family>.+)-(?P<seed>\d+)")

Curves = dict[str, dict[int, np.ndarray]]
"""By family and seed: steps and validation losses, (2, S)."""


def read(folder: Path) -> Curves:
    """The runs of one version."""
    found: Curves = {}
    for run in sorted(folder.iterdir()):
        named = RUN.fullmatch(run.name)
        if named is None or not (run / "metrics.jsonl").is_file():
            continue
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        points = [(one["step"], one["loss"]) for one in lines if one["split"] == "validation"]
        found.setdefault(named["family"], {})[int(named["seed"])] = np.array(points).T
    return found


def page(before: Curves, after: Curves) -> str:
    """A row for each family: final losses of both versions, seed by seed."""
    lines = [
        "# Training curves before and after",
        "",
        "Validation loss at the end of runs of the same recipe, data and seed under two versions "
        "(`python -m tests.benchmarks.curves BEFORE AFTER`). The seed decides the initial weights, "
        "the order of the data and the directions; from there rounding alone tells the versions "
        "apart, and training makes it grow. The versions agree if they differ by no more than "
        "seeds do.",
        "",
        "| family | seeds | before, mean (SD over seeds) | after | largest change of a seed |",
        "|---|--:|--:|--:|--:|",
    ]
    for family, runs in before.items():
        seeds = sorted(set(runs) & set(after.get(family, {})))
        ends = np.array([[of[family][seed][1, -1] for seed in seeds] for of in (before, after)])
        mean, spread = ends.mean(axis=1), ends.std(axis=1, ddof=1)
        cells = [f"{m:.4f} ({s:.4f})" for m, s in zip(mean, spread, strict=True)]
        moved = np.abs(ends[1] - ends[0]).max()
        lines.append(f"| {family} | {len(seeds)} | {' | '.join(cells)} | {moved:.4f} |")
    return "\n".join([*lines, "", "![validation loss over training](curves.png)", ""])


def draw(before: Curves, after: Curves) -> None:
    """A panel for each family, a line for each run."""
    figure, panels = plt.subplots(
        1, len(before), figsize=(4 * len(before), 3.2), layout="constrained", squeeze=False
    )
    for axes, (family, runs) in zip(panels[0], before.items(), strict=True):
        for name, of, style in (("before", runs, "-"), ("after", after[family], "--")):
            for number, (steps, losses) in enumerate(of.values()):
                axes.plot(
                    *(steps[1:], losses[1:], style),
                    color="0.6" if style == "-" else "#0072b2",
                    linewidth=1,
                    label=name if number == 0 else None,
                )
        axes.set(title=family, xlabel="step", ylabel="validation loss", yscale="log")
        axes.legend(frameon=False)
    figure.savefig(OUT / "curves.png", dpi=150)


def main() -> None:
    """Read, compare, write."""
    before, after = (read(Path(folder)) for folder in sys.argv[1:3])
    (OUT / "curves.md").write_text(page(before, after), encoding="utf-8")
    draw(before, after)


if __name__ == "__main__":
    main()
