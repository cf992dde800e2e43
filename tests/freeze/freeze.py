"""Prove that a change of structure changed no number: write what commands give, and compare.

    make freeze          # before: the numbers of this tree, or of COMMIT=…, into runs/freeze/before
    make freeze-check    # after: the same commands again, compared with them

What is frozen: metrics, rows and report texts of audits, weights and training records of every CPU
recipe, stimuli (a model whose latents are hashes of pictures), and every help text. The fast tier
takes some four minutes on two cores; WHOLE=1 adds whole suites, several checkpoints a method,
stored results to compare with, and longer training. On one machine, with one thread a command, two
runs of the same code are equal to the last bit. Wall times and commits are not frozen.

``named.yaml`` lists differences that a change is meant to make, each with its reason.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from safetensors.numpy import load_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FROZEN = ROOT / "runs" / "freeze"
SHOWN = 12
"""Lines shown of one difference."""

TWO_ROOM = ROOT / "reports" / "two-room-cpu" / "weights"
PUSH_T = ROOT / "reports" / "push-t-cpu" / "weights"


class Bench:
    """Runs the commands of one scenario with the code of one tree.

    Args:
        code: folder that holds ``lewm_probe``, recipes and suites.
        out: where the scenario's frozen files go.
    """

    def __init__(self, code: Path, out: Path) -> None:
        self.code, self.out = code, out
        self.work = Path(tempfile.mkdtemp(prefix="freeze-"))
        out.mkdir(parents=True, exist_ok=True)

    def run(self, *words: object, fails: bool = False) -> str:
        """Run ``lewm-probe`` in the scenario's work folder; its standard output.

        Raises:
            SystemExit: it failed (unless ``fails``).
        """
        paths = os.pathsep.join(map(str, (self.code, HERE)))
        environment = os.environ | {
            "PYTHONPATH": paths,
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "MPLBACKEND": "Agg",
            "SDL_VIDEODRIVER": "dummy",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "lewm_probe.cli.main", *map(str, words)],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and not fails:
            raise SystemExit(f"lewm-probe {' '.join(map(str, words))}\n{done.stderr}{done.stdout}")
        return done.stdout

    def audit(self, name: str, *words: object, command: str = "audit") -> Path:
        """Run an analysis or audit and freeze what it gave as ``name``; its folder."""
        folder = self.work / name
        self.run(command, *words, "--out", folder, "--cache", self.work / "cache", "--quiet")
        keep_result(folder, self.out / name)
        return folder

    def done(self) -> None:
        """Take the work folder away."""
        shutil.rmtree(self.work)


TIMED = "plan_seconds"
"""What no two runs have in common."""


def keep_result(folder: Path, out: Path) -> None:
    """Metrics a line each, rows as they are, notes, and the report's texts without provenance."""
    out.mkdir(parents=True, exist_ok=True)
    stored = json.loads((folder / "results.json").read_text())
    kept = (m for m in metrics_of(stored) if not m["metric"].startswith(TIMED))
    lines = [json.dumps(metric, sort_keys=True) for metric in kept]
    (out / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    notes = [note for entry in stored["provenance"] for note in entry["notes"]]
    (out / "notes.txt").write_text("".join(f"{note}\n" for note in dict.fromkeys(notes)))
    models = [{k: v for k, v in m.items() if k != "source"} for m in stored["models"]]
    (out / "models.json").write_text(json.dumps(models, indent=1, sort_keys=True))
    parts = sorted(folder.glob("rows*.parquet"), key=lambda p: int(p.stem[5:] or 1))
    rows = pd.concat(map(pd.read_parquet, parts))
    rows[rows["metric"] != TIMED].to_parquet(out / "rows.parquet", index=False)
    films = {p.name: hash_of(p) for p in sorted((folder / "pictures").glob("*.png"))}
    (out / "films.json").write_text(json.dumps(films, indent=1))
    report = folder / "report.md"
    if report.is_file():
        (out / "report.md").write_text(anywhere(without_provenance(report.read_text())))
    for table in sorted((folder / "tables").glob("*.csv")):
        if table.stem != "provenance":
            (out / table.name).write_text(anywhere(table.read_text()))


def metrics_of(stored: dict[str, Any]) -> list[dict[str, Any]]:
    """Metrics without their nulls, of any schema: one by one, or (from 3 on) as a table."""
    metrics: list[dict[str, Any]] | dict[str, Any] = stored["metrics"]
    if isinstance(metrics, dict):
        rows = [dict(zip(metrics["columns"], row, strict=False)) for row in metrics["rows"]]
        return [{k: v for k, v in row.items() if v is not None or k == "value"} for row in rows]
    return metrics


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def anywhere(text: str) -> str:
    """A text without the place of this checkout."""
    return text.replace(str(ROOT), "ROOT")


def without_provenance(text: str) -> str:
    """A report without the section that holds commands and wall times."""
    return re.sub(r"(?ms)^## Provenance$.*?(?=^## |\Z)", "", text)


# ---- scenarios


def helps(bench: Bench, whole: bool) -> None:
    """Every help text."""
    pending: list[tuple[str, ...]] = [()]
    while pending:
        words = pending.pop()
        text = bench.run(*words, "--help")
        (bench.out / f"{'-'.join(words) or 'lewm-probe'}.txt").write_text(text)
        box = re.search(r"Commands ─.*?╰", text, re.DOTALL)
        if box:
            pending += [(*words, name) for name in re.findall(r"(?m)^│ ([a-z][\w-]*)", box[0])]


def stimuli(bench: Bench, whole: bool) -> None:
    """Surprise of a model that hashes pictures: every byte of every condition counts."""
    for world in ("two-room", "push-t"):
        asked = ("--model", "pixels=pixel_hash:make", "--world", world, "-n", 30 if whole else 12)
        bench.audit(world, *asked, command="voe")


def one(bench: Bench, whole: bool) -> None:
    """One checkpoint, all analyses, n = 12."""
    bench.audit("vit", f"vit={TWO_ROOM / 'lewm-vit-1.safetensors'}", "-n", 12)


def planning(bench: Bench, whole: bool) -> None:
    """Planning with one checkpoint in each world."""
    few = ("--episodes", 6 if whole else 2, "--samples", 20, "--iterations", 3, "--elites", 5)
    for world, at in (("two-room", TWO_ROOM), ("push-t", PUSH_T)):
        asked = (f"lewm={at / 'lewm-1.safetensors'}", "--world", world, *few)
        bench.audit(world, *asked, "--oracle-pairs", 2, command="plan")


def training(world: str) -> Callable[[Bench, bool], None]:
    """Some steps of every CPU recipe of a world: weights and records."""

    def scenario(bench: Bench, whole: bool) -> None:
        steps = 30 if whole else 10
        data = {}
        for path in sorted((bench.code / "training" / world).glob("*-cpu.yaml")):
            recipe = yaml.safe_load(path.read_text())
            asked = recipe["data"]["collect"]
            key = json.dumps(asked)
            if key not in data:
                data[key] = bench.work / f"data-{len(data)}.h5"
                more = ["--policy", asked["policy"]] if "policy" in asked else []
                more += ["--length", asked["length"], "--mode", asked["mode"]]
                bench.run("data", "collect", world, "-n", 24, "--size", asked["size"],
                          *more, "--out", data[key], "--workers", 1, "--quiet")  # fmt: skip
                (bench.out / f"data-{len(data) - 1}.txt").write_text(hash_of(data[key]))
            run = bench.work / path.stem
            few = ["optimizer.batch=32", "optimizer.epochs=2", "logging.every_steps=1"]
            few += [f"optimizer.steps_per_epoch={steps // 2}", "logging.validation_batches=1"]
            sets = [word for item in few for word in ("--set", item)]
            bench.run("train", f"{world}/{path.stem}", "--data", data[key], "--out", run,
                      "--device", "cpu", "--quiet", *sets)  # fmt: skip
            weights = load_file(run / "model.safetensors")
            told = {k: hashlib.sha256(v.tobytes()).hexdigest() for k, v in sorted(weights.items())}
            (bench.out / f"{path.stem}.json").write_text(json.dumps(told, indent=1))
            records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
            kept = [{k: v for k, v in r.items() if "second" not in k} for r in records]
            text = json.dumps(kept, sort_keys=True, indent=0)
            (bench.out / f"{path.stem}-records.json").write_text(text)

    return scenario


def methods(bench: Bench, whole: bool) -> None:
    """Two training seeds of two methods, alone and against a stored result."""
    four = [
        f"{m}={TWO_ROOM / f'{m}-{seed}.safetensors'}" for m in ("lewm", "pldm") for seed in (1, 2)
    ]
    stored = bench.audit("four", *four, "-n", 12)
    bench.audit("against", *four[1:3], "-n", 12, "--against", f"before={stored}")


def push_t(bench: Bench, whole: bool) -> None:
    """One checkpoint of each method on Push-T."""
    bench.audit(
        "two", *(f"{m}={PUSH_T / f'{m}-1.safetensors'}" for m in ("lewm", "pldm")), "-n", 12
    )


def whole_suite(bench: Bench, whole: bool) -> None:
    """The whole suite for one checkpoint, in our shape."""
    bench.audit("ours", f"vit={TWO_ROOM / 'lewm-vit-1.safetensors'}")


def whole_suite_released(bench: Bench, whole: bool) -> None:
    """The whole suite for the same checkpoint in the released shape."""
    released = ROOT / "reports" / "audit-example" / "released"
    bench.audit("released", f"vit={released}")


FAST: dict[str, Callable[[Bench, bool], None]] = {
    "one": one,
    "stimuli": stimuli,
    "planning": planning,
    "training-two-room": training("two-room"),
    "training-push-t": training("push-t"),
    "help": helps,
}
WHOLE = {
    "whole-suite": whole_suite,
    "whole-suite-released": whole_suite_released,
    "methods": methods,
    "push-t": push_t,
} | FAST


# ---- writing and comparing


def write(code: Path, out: Path, whole: bool, only: list[str]) -> None:
    """Run the scenarios with the code in ``code``, two at once, and freeze what they gave."""
    scenarios = WHOLE if whole else FAST
    chosen = {n: s for n, s in scenarios.items() if not only or n in only}

    def one_of(name: str) -> None:
        began, target = time.monotonic(), out / name
        shutil.rmtree(target, ignore_errors=True)
        bench = Bench(code, target)
        chosen[name](bench, whole)
        bench.done()
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one_of, chosen))
    (out / "tier.txt").write_text("whole" if whole else "fast")


def respelt(text: str, expected: list[dict[str, str]]) -> str:
    """A text with the words that were given other names, to be compared as it would be now."""
    for rule in expected:
        if "was" in rule:
            text = re.sub(rule["was"], rule["now"], text)
    return text


def differences(
    before: Path, after: Path, only: list[str], expected: list[dict[str, str]]
) -> Iterator[tuple[str, str]]:
    """Each file that differs, and how."""
    files = {p.relative_to(d).as_posix() for d in (before, after) for p in d.rglob("*.*")}
    for name in sorted(files - {"tier.txt"}):
        if only and name.split("/")[0] not in only:
            continue
        old, new = before / name, after / name
        if not old.is_file() or not new.is_file():
            yield name, "only " + ("after" if new.is_file() else "before")
        elif name.endswith(".parquet"):
            a, b = pd.read_parquet(old), pd.read_parquet(new)
            if list(a.columns) != list(b.columns) or len(a) != len(b):
                yield name, f"{a.shape} {list(a.columns)} → {b.shape} {list(b.columns)}"
            elif not a.equals(b):
                apart = ~((a == b) | (a.isna() & b.isna())).fillna(False).all(axis=1)
                few = f"{a[apart].head(2)}\n{b[apart].head(2)}"
                yield name, f"{int(apart.sum())} of {len(a)} rows differ, first\n{few}"
        elif old.read_bytes() != new.read_bytes():
            texts = respelt(old.read_text(), expected), new.read_text()
            if name.endswith(".txt"):  # help is wrapped in columns: words count, not places
                texts = tuple("\n".join(sorted(re.sub(r"[─╭╮╰╯│]", " ", t).split())) for t in texts)
            lines = difflib.unified_diff(*(t.splitlines() for t in texts), lineterm="", n=0)
            if told := "\n".join(line for line in lines if line[:3] not in ("---", "+++")):
                yield name, told


def named(name: str, difference: str, expected: list[dict[str, str]]) -> str | None:
    """What of a difference is not named, if anything."""
    rules = [r for r in expected if "file" in r and fnmatch(name, r["file"])]
    if any("line" not in rule for rule in rules):
        return None
    left = [
        line
        for line in difference.splitlines()
        if not line.startswith("@@") and not any(re.search(r["line"], line) for r in rules)
    ]
    return "\n".join(left) or None


def check(before: Path, after: Path, only: list[str]) -> int:
    """Print every difference that is not named; how many files have one."""
    expected = yaml.safe_load((HERE / "named.yaml").read_text()) or []
    found, told = 0, 0
    for name, difference in differences(before, after, only, expected):
        left = named(name, difference, expected)
        if left is None:
            told += 1
            continue
        found += 1
        lines = left.splitlines()
        more = [f"… and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
        print(f"\n{name}", *lines[:SHOWN], *more, sep="\n  ")
    print(f"\n{found} files differ, and {told} as named.yaml says.")
    return found


def checkout(commit: str) -> Path:
    """A folder with the files of a commit."""
    folder = Path(tempfile.mkdtemp(prefix="freeze-code-"))
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "lewm_probe", "training", "analyses"],
        check=True,
        capture_output=True,
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("write", "check"))
    parser.add_argument("--commit", help="freeze the code of this commit instead of the tree's")
    parser.add_argument("--whole", action="store_true", help="the slow tier too")
    parser.add_argument("--out", type=Path, default=FROZEN, help="folder of before/ and after/")
    parser.add_argument("--only", nargs="+", default=[], help="scenarios, instead of all")
    asked = parser.parse_args()
    if asked.what == "write":
        code = checkout(asked.commit) if asked.commit else ROOT
        write(code, asked.out / "before", asked.whole, asked.only)
        return 0
    if not (asked.out / "before" / "tier.txt").is_file():
        print("Nothing was frozen yet: `make freeze`, perhaps with COMMIT=…, comes first.")
        return 2
    write(ROOT, asked.out / "after", asked.whole, asked.only)
    chosen = asked.only or list(WHOLE if asked.whole else FAST)
    return 1 if check(asked.out / "before", asked.out / "after", chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
