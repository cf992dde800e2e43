"""``make torture``: every long command, every signal, random moments, and twice at once.

The log is published.

Stopped, it goes on: what is in the log is not done again. Moments are drawn over the time that the
undisturbed command takes, so that its beginning and its very end are among them.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture.commands import COMMANDS, Command, contents, prepare
from tests.torture.torment import both, differences, finish, start, torment

LOG = Path("reports/benchmarks/torture.jsonl")
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")

AT_ONCE = "twice at once"
"""In place of a signal: a second call begins at the moment."""


def main() -> None:
    """Run what the log lacks, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--commands", nargs="*", default=[c.name for c in COMMANDS])
    asked = parser.parse_args()
    # Started with & or nohup, this process ignores Ctrl-C, and so would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    commit = _commit()
    known = [one for one in _read() if one["commit"] == commit]
    done = {(one["command"], one["signal"], one["number"]) for one in known}
    with tempfile.TemporaryDirectory() as place:
        things = Path(place) / "things"
        things.mkdir()
        prepare(things)
        for command in COMMANDS:
            jobs = [
                (name, number)
                for name in (*SIGNALS, AT_ONCE)
                for number in range(command.moments)
                if (command.name, name, number) not in done
            ]
            if command.name not in asked.commands or not jobs:
                continue
            wanted, takes = _undisturbed(command, things, Path(place))

            def one(job: tuple[str, int], command: Command = command) -> dict[str, Any]:
                name, number = job
                rng = np.random.default_rng([asked.seed, COMMANDS.index(command), number])
                moment = float(rng.uniform(0, takes))  # noqa: B023
                with tempfile.TemporaryDirectory() as folder:
                    tried = _twice if name == AT_ONCE else _tried
                    found = tried(command, name, moment, things, Path(folder), wanted)  # noqa: B023
                key = {"command": command.name, "signal": name, "number": number}
                return {**key, "commit": commit, "takes": round(takes, 2), **found}  # noqa: B023

            with ThreadPoolExecutor(asked.workers) as pool:
                for found in pool.map(one, jobs):
                    with open(LOG, "a", encoding="utf-8") as log:
                        log.write(json.dumps(found) + "\n")
                    sys.stdout.write(f"{found['command']} {found['signal']} {found['faults']}\n")
    _write_table([one for one in _read() if one["commit"] == commit])


def _undisturbed(command: Command, things: Path, place: Path) -> tuple[Any, float]:
    folder = Path(tempfile.mkdtemp(dir=place))
    began = time.monotonic()
    process = start(command.words, things, folder)
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"{command.name} fails undisturbed: {said}")
    return contents(folder), time.monotonic() - began


def _tried(
    command: Command, name: str, moment: float, things: Path, folder: Path, wanted: Any
) -> dict[str, Any]:
    marked = command.name.startswith("the end")

    def due(where: Path, seconds: float) -> bool:
        return command.under_way(where) if marked else seconds >= moment

    outcome = torment(command, name, due, things, folder)
    faults = outcome.faults(name)
    if outcome.unborn(name) and any(folder.iterdir()):
        faults.append("something was written before anybody listened")
    try:
        if outcome.code == 0:
            faults += differences(contents(folder), wanted)
        # A whole data set may stand there just before the end; converting replaces nothing.
        whole = command.name == "convert" and not differences(contents(folder), wanted)
        if not whole and (outcome.code or not command.again):
            faults += differences(finish(command, things, folder), wanted)
    except AssertionError as error:
        faults.append(str(error))
    said = " ".join(line for line in outcome.said.splitlines() if line.startswith("Error: "))
    said = "before our first line" if outcome.unborn(name) else said.replace(str(things), "THINGS")
    return {**asdict(outcome), "said": said, "faults": faults}


def _twice(
    command: Command, _: str, moment: float, things: Path, folder: Path, wanted: Any
) -> dict[str, Any]:
    faults = both(command, things, folder, moment)
    return {"at": moment, "faults": faults + differences(contents(folder), wanted)}


def _read() -> list[dict[str, Any]]:
    if not LOG.exists():
        return []
    return [json.loads(line) for line in LOG.read_text(encoding="utf-8").splitlines()]


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def _write_table(found: list[dict[str, Any]]) -> None:
    lines = [
        "# Killed at any moment",
        "",
        "Each long command was sent a signal at random moments of its time, called again to its "
        "end, and compared with an undisturbed run: weights, data and tables byte for byte, "
        "results without their provenance, and the listing of the folder, hidden files too. "
        "Ctrl-C and SIGTERM have to end with exit code 1 and one sentence, or with 0 and the "
        "whole result; no process may live on. (In the first tenth of a second Python itself has "
        "not come to our first line; it ends by the signal then, and nothing may be written.) "
        "Twice at once: a second call begins in the same place at such a moment; one comes to "
        "its end, the other too or to one sentence, and the result is the same. `make torture` "
        "runs it again; `torture.jsonl` has every moment and what was said.",
        "",
        f"{len(found)} moments, {platform.processor() or platform.machine()}, "
        f"Python {platform.python_version()}, commit {', '.join({f['commit'] for f in found})}, "
        "seed 0, two at a time.",
        "",
        "| command | signal | moments | ended before it | faults |",
        "|---|---|---:|---:|---:|",
    ]
    for command in COMMANDS:
        for name in (*SIGNALS, AT_ONCE):
            mine = [f for f in found if (f["command"], f["signal"]) == (command.name, name)]
            if mine:
                first = sum(f["code"] == 0 for f in mine) if name in SIGNALS else "–"
                bad = sum(bool(f["faults"]) for f in mine)
                lines.append(f"| {command.name} | {name} | {len(mine)} | {first} | {bad} |")
    faults = [f for f in found if f["faults"]]
    if faults:
        lines += ["", "## Faults", ""]
        lines += [
            f"- {f['command']}, {f['signal']} at {f['at']:.2f} s: {'; '.join(f['faults'])[:400]}"
            for f in faults
        ]
    LOG.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
