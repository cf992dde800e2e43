"""``make bench``: ours against the plain way, piece by piece, and what came of it as a table.

    make bench
    make bench PIECES="sigreg step-cpu" THREADS="1"

Within a piece the two ways take turns, so that a machine that slows down slows both; times are the
least and the median of several rounds, memory the most that a process of either way alone held
above what it held before. The log of what was tried is ``reports/benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.pieces import CALLS, PIECES, Work

OUT = Path("reports/benchmarks")
ROUNDS = 9
SECONDS = 0.25
"""A round repeats a call until it took this long."""


def main() -> None:
    """Measure, write ``speed.json`` and ``speed.md``."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--pieces", nargs="*", default=list(PIECES))
    parser.add_argument("--threads", nargs="*", type=int, default=[1, torch.get_num_threads()])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--memory", nargs=2, metavar=("PIECE", "WAY"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        sys.stdout.write(f"{_memory(*asked.memory)}\n")
        return
    found = []
    for threads in dict.fromkeys(asked.threads):
        torch.set_num_threads(threads)
        for name in asked.pieces:
            found.append({"piece": name, "threads": threads, **_measured(name, asked.rounds)})
            sys.stdout.write(_row(found[-1]) + "\n")
            sys.stdout.flush()
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {
        "processor": _processor(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": _commit(),
    }
    text = json.dumps({"machine": machine, "rounds": asked.rounds, "pieces": found}, indent=1)
    (OUT / "speed.json").write_text(text + "\n", encoding="utf-8")
    (OUT / "speed.md").write_text(_page(machine, asked.rounds, found), encoding="utf-8")


def _measured(name: str, rounds: int) -> dict[str, Any]:
    piece = PIECES[name]
    ways = {"plain": piece.plain(), "ours": piece.ours()}
    calls = dict(zip(ways, CALLS.get(name, (piece.unit[1], piece.unit[1])), strict=True))
    for work in ways.values():
        work()
        work()
    times: dict[str, list[float]] = {way: [] for way in ways}
    peaks: list[float] = []
    for _ in range(rounds):
        if piece.flops:
            peaks.append(_peak())
        for way, work in ways.items():
            times[way].append(_once(work) / calls[way])
    found: dict[str, Any] = {}
    for way, work in ways.items():
        found[way] = {
            "least": min(times[way]),
            "median": statistics.median(times[way]),
            "memory_mb": _memory_of(name, way),
        }
        if piece.flops:
            with FlopCounterMode(display=False) as counter:
                work()
            rate = counter.get_total_flops() / calls[way] / min(times[way])
            found[way]["share_of_peak"] = rate / max(peaks)
    found["ratio"] = statistics.median(times["plain"]) / statistics.median(times["ours"])
    found["ratio_of_least"] = min(times["plain"]) / min(times["ours"])
    return found


def _once(work: Work) -> float:
    """Seconds of a call, of as many as fill a round."""
    began, count = time.perf_counter(), 0
    while True:
        work()
        count += 1
        seconds = time.perf_counter() - began
        if seconds > SECONDS:
            return seconds / count


def _peak() -> float:
    """Operations a second of a product of matrices that fills the caches."""
    one = torch.randn(1024, 1024)
    torch.mm(one, one)
    return 2 * 1024**3 / _once(lambda: torch.mm(one, one))


def _memory(name: str, way: str) -> float:
    """MB that this process came to hold by calling a piece, above what it held before."""
    work = getattr(PIECES[name], way)()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak so far
    work()
    work()
    return (_status("VmHWM") - before) / 1024


def _status(key: str) -> float:
    """KiB that Linux says of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def _memory_of(name: str, way: str) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.bench", "--memory", name, way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def _row(one: dict[str, Any]) -> str:
    piece = PIECES[one["piece"]]
    cells = [piece.name, str(one["threads"])]
    for way in ("plain", "ours"):
        found = one[way]
        share = f", {found['share_of_peak']:.0%} of peak" if piece.flops else ""
        seconds = found["median"]
        unit = piece.unit[0]
        speed = f"{1000 * seconds:.1f} ms" if unit == "calls" else f"{1 / seconds:,.0f} {unit}/s"
        cells.append(f"{speed}{share}, {found['memory_mb']:,.0f} MB")
    met = "met" if one["ratio"] >= piece.goal else "missed"
    cells += [f"{one['ratio']:.2f}× ({one['ratio_of_least']:.2f}×)", f"{piece.goal:g}×, {met}"]
    return f"| {' | '.join(cells)} |"


def _page(machine: dict[str, str], rounds: int, found: list[dict[str, Any]]) -> str:
    about = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join(
        [
            "# Speed: ours against the published formulas written plainly",
            "",
            f"{about}. Median of {rounds} rounds in which the two ways take turns, in "
            "parentheses the ratio of the least times. Memory: the most that two calls added to "
            "a process of its own. Peak: a product of 1024 × 1024 matrices in the same rounds. "
            "`make bench` runs it again; `speed.json` has all numbers.",
            "",
            "| piece | threads | plain | ours | ratio | goal |",
            "|---|--:|--:|--:|--:|--:|",
            *map(_row, found),
            "",
        ]
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
