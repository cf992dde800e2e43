"""Does memory grow with the data set, and time with more than the frames? In fresh processes.

    .venv/bin/python -m tests.benchmarks.scaling RUN

Memory: collects a data set, then one of ten times the rows, and reads each: a check, a training of
few steps whose images do not fit in memory, and an audit of RUN on recorded episodes. Time: the
analyses of RUN at 24 to 240 trajectories with nothing remembered. Writes ``scaling.json``,
``scaling.md`` and ``scaling.png`` into ``reports/benchmarks``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

OUT = Path("reports/benchmarks")
ROWS = (60, 600)
"""Episodes of 100 rows of 64 px."""
TRAJECTORIES = (24, 48, 96, 240)
ANALYSES = ("geometry", "straightness", "voe")

CODE = """
import resource, sys
sys.argv = ["lewm-probe", *sys.argv[1:]]
from lewm_probe.data.sampling import windows
windows.MEMORY_LIMIT = 0  # as if images did not fit
import lewm_probe.training.loop as loop
loop.MEMORY_LIMIT = 0
from lewm_probe.cli.app import app
try:
    app(prog_name="lewm-probe")
except SystemExit as end:
    if end.code:
        raise
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def called(*words: str | Path) -> tuple[float, float]:
    """Seconds and peak MB of a command in a process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - began, float(done.stdout.split("PEAK")[-1])


def memory(run: str, folder: Path) -> list[dict[str, Any]]:
    """Peak MB of each kind of reading at both sizes."""
    found = []
    for episodes in ROWS:
        data = folder / f"{episodes}.h5"
        called("data", "collect", "two-room", "-n", str(episodes), "--size", "64", "--out", data)
        training = [f"optimizer.{key}" for key in ("epochs=1", "steps_per_epoch=20")]
        sets = [word for one in training for word in ("--set", one)]
        asked = ("--world", data, "-n", "8", "--no-curve", "--cache", folder / f"c{episodes}")
        ways = {
            "data check": ("data", "check", data),
            "train, images on disk": (
                *("train", "two-room/lewm-cpu", *sets, "--data", data),
                *("--out", folder / f"t{episodes}"),
            ),
            "geometry of recorded episodes": (
                *("geometry", f"m={run}", *asked, "--out", folder / f"g{episodes}"),
            ),
        }
        size = data.stat().st_size / 2**20
        for name, words in ways.items():
            peak = called(*words)[1]
            found.append({"what": name, "episodes": episodes, "data_mb": size, "peak_mb": peak})
    return found


def seconds(run: str, folder: Path) -> list[dict[str, Any]]:
    """Time of each analysis at each number of trajectories."""
    found = []
    for analysis in ANALYSES:
        for n in TRAJECTORIES:
            place = folder / f"{analysis}-{n}"
            words = (analysis, f"m={run}", "-n", str(n), "--no-curve", "--device", "cpu")
            took, peak = called(*words, "--cache", place / "cache", "--out", place / "out")
            found.append({"analysis": analysis, "n": n, "seconds": took, "peak_mb": peak})
    return found


def main() -> None:
    """Measure and write."""
    run = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        held = memory(run, Path(name))
        took = seconds(run, Path(name))
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"memory": held, "time": took}, indent=1)
    (OUT / "scaling.json").write_text(text + "\n", encoding="utf-8")
    (OUT / "scaling.md").write_text(page(held, took), encoding="utf-8")
    draw(took)


def page(held: list[dict[str, Any]], took: list[dict[str, Any]]) -> str:
    """Both tables."""
    lines = [
        "# Memory and time as data grow",
        "",
        "`python -m tests.benchmarks.scaling RUN`, a fresh process each, one thread.",
        "",
        f"| reading | {ROWS[0]} episodes, peak | {ROWS[1]} episodes, peak | ratio |",
        "|---|--:|--:|--:|",
    ]
    for name in dict.fromkeys(one["what"] for one in held):
        first, second = (one["peak_mb"] for one in held if one["what"] == name)
        lines.append(f"| {name} | {first:,.0f} MB | {second:,.0f} MB | {second / first:.2f}× |")
    lines += [
        "",
        "| analysis | " + " | ".join(f"n = {n}" for n in TRAJECTORIES) + " | s a trajectory |",
        "|---|" + "--:|" * (len(TRAJECTORIES) + 1),
    ]
    for name in ANALYSES:
        mine = [one["seconds"] for one in took if one["analysis"] == name]
        slope = np.polyfit(TRAJECTORIES, mine, 1)[0]
        cells = " | ".join(f"{one:.1f} s" for one in mine)
        lines.append(f"| {name} | {cells} | {slope:.3f} |")
    return "\n".join([*lines, "", "![time against trajectories](scaling.png)", ""])


def draw(took: list[dict[str, Any]]) -> None:
    """Time against trajectories, a straight line through each analysis."""
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    for name in ANALYSES:
        mine = np.array([one["seconds"] for one in took if one["analysis"] == name])
        (points,) = axes.plot(TRAJECTORIES, mine, "o", label=name)
        line = np.poly1d(np.polyfit(TRAJECTORIES, mine, 1))
        axes.plot(TRAJECTORIES, line(np.array(TRAJECTORIES)), color=points.get_color(), linewidth=1)
    axes.set(xlabel="trajectories a condition", ylabel="seconds", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(OUT / "scaling.png", dpi=150)


if __name__ == "__main__":
    main()
