"""``make bench``: ours against the plain way, piece by piece, and what came of it as a table.

    make bench
    make bench PIECES="sigreg step-cpu" THREADS="1"
    make bench DEVICE=cuda

Within a piece the two ways take turns, so that a machine that slows down slows both. Each piece has
a process of its own. Times are the least and the median of several rounds, memory the most that a
process of either way alone held above what it held before. The log of what was tried is
``reports/benchmarks/README.md``.
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

from tests.benchmarks.pieces import PIECES, Work

OUT = Path("reports/benchmarks")
ROUNDS = 9
SECONDS = 0.25
"""A round repeats a call until it took this long."""


def main() -> None:
    """Measure, write ``speed.json`` and ``speed.md``; ``speed-cuda.…`` on a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--pieces", nargs="*")
    parser.add_argument("--threads", nargs="*", type=int)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--alone", metavar="PIECE", help=argparse.SUPPRESS)
    parser.add_argument("--memory", metavar="WAY", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    bench = Bench(asked.device, asked.rounds)
    if asked.alone:
        (threads,) = asked.threads
        torch.set_num_threads(threads)
        done = bench.memory(asked.alone, asked.memory) if asked.memory else bench.times(asked.alone)
        sys.stdout.write(f"{json.dumps(done)}\n")
        return
    names = asked.pieces or [n for n, piece in PIECES.items() if piece.goal_on(asked.device)]
    on_cpu = asked.device.type == "cpu"
    every = [torch.get_num_threads()]
    found = []
    for threads in dict.fromkeys(asked.threads or ([1, *every] if on_cpu else every)):
        for name in names:
            found.append({"piece": name, "threads": threads, **bench.measured(name, threads)})
            sys.stdout.write(bench.row(found[-1]) + "\n")
            sys.stdout.flush()
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {
        "processor": _processor() if on_cpu else torch.cuda.get_device_name(asked.device),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": _commit(),
    } | bench.peaks()
    text = json.dumps({"machine": machine, "rounds": asked.rounds, "pieces": found}, indent=1)
    name = "speed" if on_cpu else f"speed-{asked.device.type}"
    (OUT / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    (OUT / f"{name}.md").write_text(bench.page(machine, found), encoding="utf-8")


class Bench:
    """Measures on a device."""

    def __init__(self, device: torch.device, rounds: int) -> None:
        self.device, self.rounds = device, rounds

    def measured(self, name: str, threads: int) -> dict[str, Any]:
        """All of a piece, in fresh processes: what came before leaves its traces in the heap."""

        def alone(*more: str) -> Any:
            command = [sys.executable, "-m", "tests.benchmarks.bench", "--alone", name, *more]
            command += ["--device", str(self.device), "--rounds", str(self.rounds)]
            command += ["--threads", str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            return json.loads(done.stdout.splitlines()[-1])

        found: dict[str, Any] = alone()
        for way in ("plain", "ours"):
            found[way]["memory_mb"] = alone("--memory", way)
        return found

    def times(self, name: str) -> dict[str, Any]:
        """Times of both ways of a piece, and their ratios."""
        piece = PIECES[name]
        ways = {"plain": piece.plain(self.device), "ours": piece.ours(self.device)}
        counts = dict(zip(ways, piece.counts, strict=True))
        for work in ways.values():
            work()
            work()
        times: dict[str, list[float]] = {way: [] for way in ways}
        peaks: list[float] = []
        for _ in range(self.rounds):
            if piece.flops:
                peaks.append(self._peak())
            for way, work in ways.items():
                times[way].append(self._once(work) / counts[way])
        found: dict[str, Any] = {}
        for way, work in ways.items():
            found[way] = {
                "least": min(times[way]),
                "median": statistics.median(times[way]),
            }
            if piece.flops:
                with FlopCounterMode(display=False) as counter:
                    work()
                rate = counter.get_total_flops() / counts[way] / min(times[way])
                found[way]["share_of_peak"] = rate / max(peaks)
        found["ratio"] = statistics.median(times["plain"]) / statistics.median(times["ours"])
        found["ratio_of_least"] = min(times["plain"]) / min(times["ours"])
        return found

    def _once(self, work: Work) -> float:
        """Seconds of a call, of as many as fill a round."""
        self._wait()
        began, count = time.perf_counter(), 0
        while True:
            work()
            count += 1
            self._wait()
            seconds = time.perf_counter() - began
            if seconds > SECONDS:
                return seconds / count

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _peak(self) -> float:
        """Operations a second of a product of matrices: in caches on a CPU, in bf16 on a GPU."""
        side, kind = (1024, torch.float32)
        if self.device.type == "cuda":
            side, kind = (8192, torch.bfloat16)
        one = torch.randn(side, side, device=self.device, dtype=kind)
        torch.mm(one, one)
        return 2 * side**3 / self._once(lambda: torch.mm(one, one))

    def peaks(self) -> dict[str, str]:
        """What a GPU can do at the most: products in bf16, and bytes read and written."""
        if self.device.type != "cuda":
            return {}
        from_, to = torch.empty(2, 2**28, device=self.device)
        bandwidth = 2 * 4 * 2**28 / self._once(lambda: to.copy_(from_))
        return {
            "bf16": f"{self._peak() / 1e12:.0f} TFLOP/s",
            "memory": f"{bandwidth / 1e12:.2f} TB/s",
        }

    def memory(self, name: str, way: str) -> float:
        """MB that this process came to hold by calling a piece, above what it held before."""
        work = getattr(PIECES[name], way)(self.device)
        if self.device.type == "cuda":
            before = torch.cuda.memory_allocated(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            work()
            work()
            return (torch.cuda.max_memory_allocated(self.device) - before) / 2**20
        resident = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak so far
        work()
        work()
        return (_status("VmHWM") - resident) / 1024

    def row(self, one: dict[str, Any]) -> str:
        """A line of the table."""
        piece = PIECES[one["piece"]]
        cells = [piece.name, str(one["threads"])]
        for way in ("plain", "ours"):
            found = one[way]
            share = f", {found['share_of_peak']:.0%} of peak" if piece.flops else ""
            seconds = found["median"]
            digits = 2 if seconds < 0.01 else 1
            speed = f"{1 / seconds:,.0f} {piece.unit}/s"
            if piece.unit == "calls":
                speed = f"{1000 * seconds:.{digits}f} ms"
            cells.append(f"{speed}{share}, {found['memory_mb']:,.0f} MB")
        goal = piece.goal_on(self.device)
        met = "" if goal is None else f"{goal:g}×, {'met' if one['ratio'] >= goal else 'missed'}"
        cells += [f"{one['ratio']:.2f}× ({one['ratio_of_least']:.2f}×)", met]
        return f"| {' | '.join(cells)} |"

    def page(self, machine: dict[str, str], found: list[dict[str, Any]]) -> str:
        """``speed.md``."""
        about = ", ".join(f"{name} {value}" for name, value in machine.items())
        peak, again = "1024 × 1024 matrices", "make bench"
        if self.device.type != "cpu":
            peak, again = "8192 × 8192 matrices in bf16", f"make bench DEVICE={self.device}"
        return "\n".join(
            [
                "# Speed: ours against the published formulas written plainly",
                "",
                f"{about}. Median of {self.rounds} rounds in which the two ways take turns, each "
                "piece in a process of its own; in parentheses the ratio of the least times. "
                "Memory: the most that two calls added to a process of its own. Peak: a product of "
                f"{peak} in the same rounds. `{again}` runs it again; the JSON file beside this "
                "one has all numbers.",
                "",
                "| piece | threads | plain | ours | ratio | goal |",
                "|---|--:|--:|--:|--:|--:|",
                *map(self.row, found),
                "",
            ]
        )


def _status(key: str) -> float:
    """KiB that Linux says of this process."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


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
