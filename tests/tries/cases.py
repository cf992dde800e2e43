"""What was tried: a name, the words, and what the folder holds beside ``things``.

Chosen afresh after the faults of an earlier round of tries were mended, none because its outcome
was known; what came of each stands in ``outcomes.yaml``. ``{folder}`` is where it is tried.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.tries.things import TRAIN

Prepare = Callable[[Path], object]


@dataclass(frozen=True)
class Try:
    """One try.

    Attributes:
        name: what it is.
        words: of the command line.
        prepare: changes the folder before.
    """

    name: str
    words: tuple[str, ...]
    prepare: Prepare = lambda folder: None


def text(name: str, content: str) -> Prepare:
    """Write a file of text."""
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def edited(name: str, change: Callable[[dict], None]) -> Prepare:  # type: ignore[type-arg]
    """Change a JSON file."""

    def prepare(folder: Path) -> None:
        raw = json.loads((folder / name).read_text(encoding="utf-8"))
        change(raw)
        (folder / name).write_text(json.dumps(raw), encoding="utf-8")

    return prepare


def suite(**changes: object) -> Prepare:
    """Write ``suite.yaml``: TwoRoom's smallest, with changes."""
    whole = {
        "world": "two-room",
        "seed": 1,
        "probe": {"quantities": ["agent_position"]},
        "voe": {
            "trajectories": 4,
            "disjoint": 4,
            "conditions": [
                {"name": "teleport", "kind": "teleport", "who": "agent", "expected": "violation"}
            ],
        },
        **changes,
    }
    return text("suite.yaml", yaml.safe_dump(json.loads(json.dumps(whole))))  # without aliases


def broken_weights(folder: Path) -> None:
    path = folder / "run" / "model.safetensors"
    tensors = load_file(path)
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    name = next(iter(sorted(tensors)))
    tensors[name] = tensors[name].clone().fill_(float("nan"))
    save_file(tensors, path, metadata)


def no_episodes(folder: Path) -> None:
    with h5py.File(folder / "empty.h5", "w") as file:
        file["ep_len"] = np.zeros(0, np.int64)
        file["ep_offset"] = np.zeros(0, np.int64)
        file["pixels"] = np.zeros((0, 16, 16, 3), np.uint8)
        file["action"] = np.zeros((0, 2), np.float32)


def picture_as_data(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "data2.h5", format="PNG")


def link(name: str, to: str) -> Prepare:
    return lambda folder: os.symlink(to, folder / name)


GEOMETRY = ("geometry", "-n", "4", "--no-curve", "--device", "cpu", "--cache", "{folder}/cache")
DATA = ("--data", "{folder}/data.h5")
NEW = ("--out", "{folder}/new")

PLAN = ("plan", "a={folder}/run", "--cache", "{folder}/cache")
"""Without where to write."""

TRIES = (
    # data sets
    Try(
        "collect into a folder",
        ("data", "collect", "two-room", "-n", "2", "--out", "{folder}/run"),
    ),
    Try(
        "collect into a name with a slash at its end",
        ("data", "collect", "two-room", "-n", "2", "--out", "{folder}/new/"),
    ),
    Try(
        "collect a text file",
        ("data", "collect", "two-room", "-n", "2", "--size", "8", "--out", "{folder}/x.txt"),
    ),
    Try(
        "collect with a seed beyond 64 bits",
        ("data", "collect", "two-room", "-n", "2", "--seed", str(2**70), "--out", "{folder}/x.h5"),
    ),
    Try(
        "collect by a policy of another world",
        ("data", "collect", "two-room", "-n", "2", "--policy", "mixed", "--out", "{folder}/x.h5"),
    ),
    Try(
        "collect by 100,000 workers",
        (
            "data",
            "collect",
            "two-room",
            "-n",
            "2",
            "--size",
            "8",
            "--workers",
            "100000",
            "--out",
            "{folder}/x.h5",
        ),
    ),
    Try(
        "info on an empty file",
        ("data", "info", "{folder}/nothing.h5"),
        text("nothing.h5", ""),
    ),
    Try(
        "info on a picture called .h5",
        ("data", "info", "{folder}/data2.h5"),
        picture_as_data,
    ),
    Try("info on no episodes", ("data", "info", "{folder}/empty.h5"), no_episodes),
    Try("info on results", ("data", "info", "{folder}/result")),
    Try(
        "preview of an episode that is not there",
        ("data", "preview", "{folder}/data.h5", "--episode", "12"),
    ),
    Try(
        "preview as a kind of image that it cannot be",
        ("data", "preview", "{folder}/data.h5", "--out", "{folder}/x.xyz"),
    ),
    Try(
        "preview onto the data set",
        ("data", "preview", "{folder}/data.h5", "--out", "{folder}/data.h5"),
    ),
    Try(
        "convert onto itself",
        ("data", "convert", "{folder}/data.h5", "{folder}/data.h5", "--overwrite"),
    ),
    Try(
        "convert onto a link to itself",
        ("data", "convert", "{folder}/data.h5", "{folder}/link.h5", "--overwrite"),
        link("link.h5", "data.h5"),
    ),
    Try(
        "convert episodes backwards",
        ("data", "convert", "{folder}/data.h5", "{folder}/x.h5", "--episodes", "5:2"),
    ),
    Try(
        "convert episodes beyond the last",
        ("data", "convert", "{folder}/data.h5", "{folder}/x.h5", "--episodes", "10:99"),
    ),
    Try(
        "convert to an unknown kind",
        ("data", "convert", "{folder}/data.h5", "{folder}/x.zip"),
    ),
    Try(
        "convert to a billion pixels",
        ("data", "convert", "{folder}/data.h5", "{folder}/x.h5", "--size", "1000000"),
    ),
    Try(
        "check with windows longer than episodes",
        ("data", "check", "{folder}/data.h5", "--frames", "1000000"),
    ),
    Try(
        "check with a share that is no number",
        ("data", "check", "{folder}/data.h5", "--validation-fraction", "nan"),
    ),
    # training
    Try("train a folder", ("train", "{folder}/run", *DATA, *NEW)),
    Try("train results", ("train", "{folder}/result/results.json", *DATA, *NEW)),
    Try("train with a truth as seed", (*TRAIN, "--set", "seed=true", *DATA, *NEW)),
    Try(
        "train at a rate that is no number",
        (*TRAIN, "--set", "optimizer.learning_rate=nan", *DATA, *NEW),
    ),
    Try(
        "train at an infinite rate",
        (*TRAIN, "--set", "optimizer.learning_rate=1e999", *DATA, *NEW),
    ),
    Try(
        "train at a rate that diverges",
        (*TRAIN, "--set", "optimizer.learning_rate=1e30", *DATA, *NEW),
    ),
    Try(
        "train with a batch beyond the data",
        (*TRAIN, "--set", "optimizer.batch=100000", *DATA, *NEW),
    ),
    Try(
        "train on windows longer than episodes",
        (*TRAIN, "--set", "data.frames=100000", *DATA, *NEW),
    ),
    Try("train on results", (*TRAIN, "--data", "{folder}/result", *NEW)),
    Try("train into a file", (*TRAIN, *DATA, "--out", "{folder}/data.h5")),
    Try(
        "train with a name that leaves the folder",
        (*TRAIN, "--set", "name=../../outside", *DATA, *NEW),
    ),
    Try(
        "train with a key twice",
        (*TRAIN, "--set", "seed=1", "--set", "seed=2", *DATA, *NEW),
    ),
    Try(
        "resume with a recipe that is no YAML",
        (*TRAIN, *DATA, "--out", "{folder}/half", "--resume"),
        text("half/recipe.yaml", "a: ["),
    ),
    Try(
        "resume with rubbish among the metrics",
        (*TRAIN, *DATA, "--out", "{folder}/half", "--resume"),
        lambda f: (f / "half/metrics.jsonl").write_bytes(b"\xff\xfe{}\n"),
    ),
    Try(
        "resume from an empty state",
        (*TRAIN, *DATA, "--out", "{folder}/half", "--resume"),
        text("half/resume.safetensors", ""),
    ),
    Try(
        "resume from a state without a header",
        (*TRAIN, *DATA, "--out", "{folder}/half", "--resume"),
        lambda f: save_file(load_file(f / "run/model.safetensors"), f / "half/resume.safetensors"),
    ),
    # checkpoints
    Try("inspect a data set", ("inspect", "{folder}/data.h5")),
    Try("inspect a recipe", ("inspect", "{folder}/run/recipe.yaml")),
    Try("inspect a hub address without a name", ("inspect", "hf://")),
    Try("inspect a run that never finished", ("inspect", "{folder}/half")),
    Try(
        "ask of weights that are no numbers",
        (*GEOMETRY, "a={folder}/run", *NEW),
        broken_weights,
    ),
    Try("ask of an empty path", (*GEOMETRY, "a=", *NEW)),
    Try("ask of an empty name", (*GEOMETRY, "={folder}/run", *NEW)),
    Try(
        "ask of one run twice under one name",
        (*GEOMETRY, "a={folder}/run", "a={folder}/run", *NEW),
    ),
    Try("ask of a name with a slash", (*GEOMETRY, "x/../../y={folder}/run", *NEW)),
    Try("ask of a name of 5,000 letters", (*GEOMETRY, f"{'n' * 5000}={{folder}}/run", *NEW)),
    Try(
        "ask in a world spelt otherwise",
        (*GEOMETRY, "a={folder}/run", "--world", "two_room", *NEW),
    ),
    Try(
        "ask by the suite of another world",
        (*GEOMETRY, "a={folder}/run", "--suite", "push-t", *NEW),
    ),
    Try(
        "ask with a cache that is a file",
        ("geometry", "a={folder}/run", "-n", "4", "--cache", "{folder}/data.h5", *NEW),
    ),
    Try(
        "ask on a device that is not here",
        ("geometry", "a={folder}/run", "--device", "mps", *NEW),
    ),
    Try(
        "ask a model that is a command of the system",
        (*GEOMETRY, "--model", "os:system@true", *NEW),
    ),
    Try(
        "ask a model whose module is misspelt",
        (*GEOMETRY, "--model", "lewm_prob:load", *NEW),
    ),
    Try("ask three trajectories", ("geometry", "a={folder}/run", "-n", "3", *NEW)),
    # suites, gates, results
    Try(
        "a suite with a condition twice",
        (*GEOMETRY, "a={folder}/run", "--suite", "{folder}/suite.yaml", *NEW),
        suite(
            voe={
                "trajectories": 4,
                "disjoint": 4,
                "conditions": [
                    {"name": "t", "kind": "teleport", "who": "agent", "expected": "violation"}
                ]
                * 2,
            }
        ),
    ),
    Try(
        "a suite with a quantity that is not there",
        (
            "probe",
            "a={folder}/run",
            "--suite",
            "{folder}/suite.yaml",
            "--cache",
            "{folder}/cache",
            *NEW,
        ),
        suite(probe={"quantities": ["agent_postion"]}),
    ),
    Try(
        "a suite of a billion trajectories",
        (
            "geometry",
            "a={folder}/run",
            "--suite",
            "{folder}/suite.yaml",
            "--cache",
            "{folder}/cache",
            *NEW,
        ),
        suite(
            voe={
                "trajectories": 10**9,
                "disjoint": 4,
                "conditions": [
                    {"name": "t", "kind": "teleport", "who": "agent", "expected": "violation"}
                ],
            }
        ),
    ),
    Try(
        "a suite that is a list",
        (*GEOMETRY, "a={folder}/run", "--suite", "{folder}/suite.yaml", *NEW),
        text("suite.yaml", "- world: two-room\n"),
    ),
    Try(
        "a gate of nothing",
        ("audit", "a={folder}/run", "--gate", "{folder}/gate.yaml", *NEW),
        text("gate.yaml", ""),
    ),
    Try(
        "a gate at no number",
        ("audit", "a={folder}/run", "--gate", "{folder}/gate.yaml", *NEW),
        text(
            "gate.yaml",
            "thresholds: [{name: x, analysis: geometry, metric: effective_rank, at_least: .nan}]",
        ),
    ),
    Try(
        "against a folder that holds no results",
        ("audit", "a={folder}/run", "--against", "{folder}/run", *NEW),
    ),
    Try(
        "report of the newest schema",
        ("report", "{folder}/result", *NEW),
        edited("result/results.json", lambda r: r.update(schema_version=99)),
    ),
    Try(
        "report of results without models",
        ("report", "{folder}/result", *NEW),
        edited("result/results.json", lambda r: r.update(models=[])),
    ),
    Try("report of a file", ("report", "{folder}/result/results.json", *NEW)),
    Try(
        "report of one result twice",
        ("report", "{folder}/result", "{folder}/result", *NEW),
    ),
    Try(
        "report into the folder of its results",
        ("report", "{folder}/result", "--out", "{folder}/result"),
    ),
    Try("export into the run", ("export", "{folder}/run", "--out", "{folder}/run")),
    Try(
        "copy a recipe onto a file",
        ("recipes", "cp", "two-room/lewm-cpu", "{folder}/data.h5"),
    ),
    Try("demo into a file", ("demo", "--out", "{folder}/data.h5")),
    # planning
    Try("plan with no samples", (*PLAN, "--samples", "0", *NEW)),
    Try("plan with more elites than samples", (*PLAN, "--samples", "10", "--elites", "20", *NEW)),
    Try("plan with a solver that is not there", (*PLAN, "--solver", "cme", *NEW)),
    Try("plan with a solver for choices", (*PLAN, "--solver", "categorical_cem", *NEW)),
    Try("plan with a horizon of a fraction", (*PLAN, "--horizon", "2.5", *NEW)),
    Try("plan with pairs that are a data set", (*PLAN, "--pairs", "{folder}/data.h5", *NEW)),
    Try(
        "plan with pairs of nothing",
        (*PLAN, "--pairs", "{folder}/pairs.json", *NEW),
        text("pairs.json", "{}"),
    ),
    Try("plan with pairs in a folder", (*PLAN, "--pairs", "{folder}/run", *NEW)),
    Try("plan in recorded episodes", (*PLAN, "--world", "{folder}/data.h5", *NEW)),
    Try("audit with what is no analysis", ("audit", "a={folder}/run", "--with", "plann", *NEW)),
    Try("correlate results without planning", ("correlate", "{folder}/result", *NEW)),
)
"""In groups: data sets, training, checkpoints, suites and results, the terminal, planning."""
