"""Where the time of a piece goes, operation by operation, on one thread.

    .venv/bin/python -m tests.benchmarks.profiled

Writes ``profile.md`` into ``reports/benchmarks``: for each piece the operations that take the most
time by themselves, in the plain way and in ours.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.pieces import PIECES, Work

OUT = Path("reports/benchmarks/profile.md")
SHOWN = ("step-cpu", "step", "encode", "sigreg")
CALLS = 5
LEAST = 0.01
"""Operations with a smaller share of the time are counted together."""


def times(work: Work) -> dict[str, float]:
    """Milliseconds of a call that each operation takes by itself."""
    work()
    work()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(CALLS):
            work()
    found: dict[str, float] = {}
    for event in seen.key_averages():
        name = event.key if event.key.startswith("aten::") else "Python, autograd, the profiler"
        found[name] = found.get(name, 0.0) + event.self_cpu_time_total / 1000 / CALLS
    return found


def table(name: str) -> list[str]:
    """Of one piece."""
    piece, cpu = PIECES[name], torch.device("cpu")
    works = {"plain": piece.plain(cpu), "ours": piece.ours(cpu)}
    each = {way: times(work) for way, work in works.items()}
    totals = {way: sum(found.values()) for way, found in each.items()}
    lines = [f"## {piece.name}", "", "| operation | plain | ours |", "|---|--:|--:|"]
    names = sorted(
        {op for way, found in each.items() for op in found if found[op] > LEAST * totals[way]},
        key=lambda op: -each["plain"].get(op, 0) - each["ours"].get(op, 0),
    )
    for op in names:
        cells = [
            f"{found.get(op, 0):.2f} ms ({found.get(op, 0) / totals[way]:.0%})"
            for way, found in each.items()
        ]
        lines.append(f"| {op.removeprefix('aten::').strip('_')} | {' | '.join(cells)} |")
    rest = [
        f"{sum(time for op, time in found.items() if op not in names):.2f} ms"
        for found in each.values()
    ]
    lines.append(f"| all others | {' | '.join(rest)} |")
    lines.append(f"| all | {' | '.join(f'{total:.1f} ms' for total in totals.values())} |")
    if piece.flops:
        counted = []
        for work in works.values():
            with FlopCounterMode(display=False) as counter:
                work()
            counted.append(f"{counter.get_total_flops() / 1e9:.1f} GFLOP")
        lines.append(f"| products of matrices | {' | '.join(counted)} |")
    return [*lines, ""]


def main() -> None:
    """Profile and write."""
    torch.set_num_threads(1)
    lines = [
        "# Where the time goes",
        "",
        "`python -m tests.benchmarks.profiled`: a call of each piece of [speed.md](speed.md), on "
        "one thread, under PyTorch's profiler, which slows it by some per cent. An operation's "
        "time is its own, without what it calls.",
        "",
    ]
    for name in SHOWN:
        lines += table(name)
    OUT.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
