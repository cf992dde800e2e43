"""The long commands in their smallest real form, and what is compared of what they write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from lewm_probe.results.speed import SPEED
from tests.tries.things import TRAIN, make

Marker = Callable[[Path], bool]

SUITE = {
    "world": "two-room",
    "seed": 1,
    "random_encoder": {"steps": 10, "seeds": 1},
    "statistics": {"bootstrap": 100},
    "clean": {"trajectories": 4, "frames": 8},
    "probe": {
        "quantities": ["agent_position"],
        **{"train": 20, "validation": 5, "test": 5, "frames": 8},
        "mlp": {"seeds": 1, "max_epochs": 2},
    },
    "voe": {
        "trajectories": 4,
        "disjoint": 4,
        "conditions": [{"name": "t", "kind": "teleport", "who": "agent", "expected": "violation"}],
    },
    "plan": {
        **{"pairs": 4, "evaluations": 2, "samples": 20, "iterations": 2, "elites": 4},
        "monotone": 4,
    },
}


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: of it.
        words: of the command line, in a folder of its own; ``{things}`` is where its inputs lie.
        again: further words of the call that goes on.
        under_way: whether it has begun to write, seen from its folder.
        moments: at which each signal is sent.
        timed: whether the timed tests send each signal once; else only ``make torture`` does.
    """

    name: str
    words: tuple[str, ...]
    under_way: Marker
    again: tuple[str, ...] = ()
    moments: int = 10
    timed: bool = True


def _there(*patterns: str) -> Marker:
    """Whether anything matches one of the patterns."""
    return lambda folder: any(any(folder.glob(pattern)) for pattern in patterns)


FROZEN = (
    "train",
    "two-room/dino_wm-random-cpu",
    *(word for item in TRAIN if "=" in item for word in ("--set", item)),
    *("--set", "model.encoder_size=16"),
    *("--set", "model.encoder.shape.patch_size=8"),
    *("--set", "model.encoder.shape.image_size=16"),
    *("--device", "cpu"),
)

SWEEP = {
    "name": "small",
    "base": "two-room/lewm-cpu",
    "set": dict(item.split("=") for item in TRAIN if "=" in item),
    "seeds": [1],
    "trajectories": 4,
    "axes": [
        {
            "name": "lambda",
            "label": "λ",
            "paper": "Fig 16",
            "says": "bad at 0.5",
            "cells": [{"label": "a"}, {"label": "b", "set": {"objective.sigreg_weight": 0.5}}],
        }
    ],
}

COMMANDS = (
    Command(
        "train",
        (*TRAIN, "--data", "{things}/data.h5", "--out", "out"),
        _there("out/metrics.jsonl"),
        ("--resume",),
    ),
    Command(
        "collect",
        ("data", "collect", "two-room", "-n", "60", "--size", "16", "--out", "out.h5"),
        _there("out.h5.parts/*/0*.h5"),
    ),
    Command(
        "the end of collect",
        ("data", "collect", "two-room", "-n", "60", "--size", "16", "--out", "out.h5"),
        _there("out.h5.parts/*/whole.h5", "out.h5.parts/*/.whole.h5.*"),
    ),
    Command("convert", ("data", "convert", "{things}/data.h5", "out"), _there(".out.*")),
    Command(
        "audit",
        (
            *("audit", "a={things}/run", "--suite", "{things}/suite.yaml", "--no-curve"),
            *("--device", "cpu", "--cache", "cache", "--out", "out"),
        ),
        _there("out/parts/probe/results.json"),
    ),
    Command(
        "study",
        (
            *("study", "two-room", "--recipes", "two-room/lewm-cpu", "--seeds", "1"),
            *(*TRAIN[2:], "--data", "{things}/data.h5", "--fast", "-n", "4", "--out", "out"),
        ),
        _there("out/training/*/metrics.jsonl"),
        moments=4,  # a minute each, and its stages are the commands above
        timed=False,
    ),
    Command(
        "train on a frozen encoder",
        (*FROZEN, "--data", "{things}/data.h5", "--out", "out"),
        _there("runs/.cache/tokens/*.f16", "out/metrics.jsonl"),
        ("--resume",),
        timed=False,
    ),
    Command(
        "tune",
        (
            *("tune", *TRAIN[1:], "--data", "{things}/data.h5", "--steps", "8"),
            *("--trials", "4", "--tolerance", "10", "--rank", "2", "--out", "out"),
        ),
        _there("out/trials.jsonl"),
        moments=4,
        timed=False,
    ),
    Command(
        "sweep",
        (
            *("sweep", "{things}/sweep.yaml", "--data", "{things}/data.h5", "--device", "cpu"),
            *("--jobs", "1", "--out", "out"),
        ),
        _there("out/*/*/metrics.jsonl"),
        moments=4,
        timed=False,
    ),
    Command(
        "decode",
        (
            *("decode", "a={things}/run", "--suite", "{things}/suite.yaml", "--no-curve"),
            *("--steps", "40", "--device", "cpu", "--cache", "cache", "--out", "out"),
        ),
        _there("cache/*/*"),
        timed=False,
    ),
    Command(
        "plan",
        (
            *("plan", "a={things}/run", "--suite", "{things}/suite.yaml"),
            *("--device", "cpu", "--cache", "cache", "--pairs", "pairs.json", "--out", "out"),
        ),
        _there("pairs.json"),
        timed=False,
    ),
    Command("export", ("export", "{things}/vit.safetensors", "--out", "out"), _there("out")),
    Command("report", ("report", "{things}/result", "--out", "out"), _there("out/results.json")),
)


def prepare(things: Path) -> None:
    """Make the inputs of all commands."""
    from lewm_probe.data.sampling.action_statistics import ActionStatistics
    from lewm_probe.models.checkpoints.native import save_checkpoint
    from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
    from lewm_probe.models.family import Origin
    from lewm_probe.models.jepa import JEPA

    make(things)
    (things / "suite.yaml").write_text(yaml.safe_dump(SUITE), encoding="utf-8")
    sizes = {key: yaml.safe_load(str(value)) for key, value in SWEEP["set"].items()}
    (things / "sweep.yaml").write_text(yaml.safe_dump({**SWEEP, "set": sizes}), encoding="utf-8")
    config = ModelConfig(
        image_size=28,
        latent_width=192,
        encoder=EncoderConfig(name="vit-tiny", patch_size=14),
        predictor=PredictorConfig(layers=1, heads=2, head_width=8, mlp_width=8),
    )
    width = config.env_action_width
    model = JEPA(config, ActionStatistics(mean=(0.0,) * width, std=(1.0,) * width), family="lewm")
    save_checkpoint(things / "vit.safetensors", model, meta=Origin(family="lewm", world="two-room"))


TIMED = "plan_seconds"
"""What the name of a timed metric begins with."""


def contents(folder: Path) -> Mapping[str, object]:
    """Every file below a folder, hidden ones too, by what two equal runs have in common.

    Weights, data and tables byte for byte; metrics without speed; results without where and when
    they were made; of pages and figures, which hold that too, that they are there.
    """
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _content(path: Path) -> object:
    if path.name == "metrics.jsonl":
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return _without_speed(records)
    if path.name == "cells.csv":
        return pd.read_csv(path).drop(columns="seconds").to_csv()
    if path.name == "trials.jsonl":
        return [
            {key: value for key, value in json.loads(line).items() if key != "seconds"}
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
    if path.name in ("tune.json", "sweep.json"):
        whole = json.loads(path.read_text(encoding="utf-8"))
        return sorted(whole)  # what stands in them of a search stands in the files beside it
    if path.name == "results.json":
        whole = json.loads(path.read_text(encoding="utf-8"))
        table = whole["metrics"]
        if "metric" in table["columns"]:  # of what was timed, no two runs have the same
            name = table["columns"].index("metric")
            table["rows"] = [r for r in table["rows"] if not str(r[name]).startswith(TIMED)]
        return _without_speed({k: v for k, v in whole.items() if k != "provenance"})
    if path.suffix == ".parquet":
        rows = pd.read_parquet(path)
        return (rows[rows["metric"] != TIMED] if "metric" in rows else rows).to_csv()
    if path.suffix in (".html", ".md", ".svg", ".pdf") or path.name.startswith("provenance"):
        return "there"
    return path.read_bytes()


def _without_speed(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_speed(v) for k, v in value.items() if k not in SPEED}
    return [_without_speed(one) for one in value] if isinstance(value, list) else value
