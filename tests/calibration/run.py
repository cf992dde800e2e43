"""Simulate studies, and publish how often tests, intervals and verdicts are wrong.

    make calibrate                  # everything, into reports/calibration; goes on where it stopped
    python -m tests.calibration.run --short     # a twentieth of the repeats, into runs/ only

Each cell is written when it is done, with a hash of the code that it measures: a second call runs
what is missing or measures code that has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.calibration.plan import Cell, cells
from tests.calibration.scenarios import ROOT
from tests.calibration.study import Row

DONE = ROOT / "runs" / "calibration"
PUBLISHED = ROOT / "reports" / "calibration"


def run_cell(place: int, short: bool) -> str:
    """Run one cell and write its rows, with its seed and time."""
    cell = cells()[place]
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        rows = cell.rows(max(20, cell.repeats // 20) if short else None)
    record = {
        "cell": cell.name,
        "code": cell.code,
        "seed": cell.seed,
        "seconds": round(time.perf_counter() - began, 2),
        "rows": [row.plain() for row in rows],
    }
    path = _path(cell, short)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(record), encoding="utf-8")
    part.replace(path)
    return cell.name


def _path(cell: Cell, short: bool) -> Path:
    return (DONE / "short" if short else DONE) / f"{cell.name}.json"


def finished(cell: Cell, short: bool) -> dict | None:
    """What was written of a cell whose code is still the same."""
    path = _path(cell, short)
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return record if record["code"] == cell.code else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a twentieth of the repeats")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--tell", action="store_true", help="only write what is there")
    given = parser.parse_args()
    every = cells()
    (DONE / "short").mkdir(parents=True, exist_ok=True)
    left = [i for i, cell in enumerate(every) if finished(cell, given.short) is None]
    print(f"{len(every) - len(left)} of {len(every)} cells are done", flush=True)
    if left and not given.tell:
        with ProcessPoolExecutor(given.workers) as pool:
            running = [pool.submit(run_cell, place, given.short) for place in left]
            for count, one in enumerate(as_completed(running), start=1):
                print(f"{count}/{len(left)} {one.result()}", flush=True)
    if not given.short:
        publish(every)
    return 0


def publish(every: list[Cell]) -> None:
    """Write the table, the figure and the README of what is done."""
    from tests.calibration import figure, tell

    records = [found for cell in every if (found := finished(cell, False)) is not None]
    rows = [Row(**{k: v for k, v in row.items() if k != "met"})
            for record in records for row in record["rows"]]  # fmt: skip
    PUBLISHED.mkdir(parents=True, exist_ok=True)
    tell.write(PUBLISHED, records, rows, len(every), _machine())
    figure.draw(PUBLISHED, rows)


def _machine() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        name = names[0].partition(": ")[2] if names else name
    return f"{name}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
