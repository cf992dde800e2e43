"""A result as somebody else would read it: json, pandas, and this project's documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

Metric = dict[str, Any]


class Who(NamedTuple):
    """A checkpoint."""

    world: str
    model: str
    train_seed: int | None
    step: int | None


KEYS = ["analysis", "metric", "subject", "features", "method", "control", "window", "dose"]
KEYS += ["horizon", "stride", "axis"]
"""What rows of one array share; ``horizon`` not in rows of surprise, where frames differ by it."""


def version(folder: Path) -> int:
    """Of the schema that a result was written in."""
    return int(json.loads((folder / "results.json").read_text())["schema_version"])


def further(folder: Path, files: int) -> list[dict[str, Any]]:
    """The tables in which metrics go on."""
    return [
        json.loads((folder / f"metrics-{number}.json").read_text())
        for number in range(2, files + 1)
    ]


class Stored:
    """``results.json`` and the rows beside it."""

    def __init__(self, folder: Path) -> None:
        raw = json.loads((folder / "results.json").read_text())
        self.version = raw["schema_version"]
        self.provenance, self.models = raw["provenance"], raw["models"]
        self.metrics: list[Metric] = []
        if self.version >= 3:
            for table in (raw["metrics"], *further(folder, raw["metrics"].get("files", 1))):
                for row in table["rows"]:
                    self.metrics.append(dict(zip(table["columns"], row, strict=True)))
        parts = sorted(folder.glob("rows*.parquet"), key=lambda p: int(p.stem[5:] or 1))
        self.rows = pd.concat(map(pd.read_parquet, parts), ignore_index=True)
        # Numbers in the order of the ids: text is slow to sort and to look up.
        self.rows["trajectory_id"] = pd.factorize(self.rows["trajectory_id"], sort=True)[0]
        self._series: dict[tuple[Any, ...], pd.Series | None] = {}

    def suite(self, world: str) -> dict[str, Any]:
        """What was asked in a world, with all its defaults."""
        suites = (record["settings"].get("suite") for record in self.provenance)
        return next(s for s in suites if s and s.get("world") == world and len(s) > 1)

    def config(self, who: Who) -> dict[str, Any]:
        """The model's own sizes."""
        return next(
            entry["config"]
            for entry in self.models
            if (entry["name"], entry.get("train_seed")) == (who.model, who.train_seed)
            and entry.get("step") == who.step
        )

    def width(self, who: Who) -> int:
        """D: of how many axes the variance was measured, or else as the model says."""
        keys = {"analysis": "geometry", "metric": "dimension_variance", "features": "z"}
        measured = len(self.stacked(who, "axis", **keys))
        return measured or int(self.config(who)["latent_width"])

    def predicted_width(self, who: Who) -> int:
        """Of what is predicted: z, or all tokens of a frame one after the other."""
        config = self.config(who)
        if "latent_width" in config:
            return int(config["latent_width"])
        shape = config["encoder"]["shape"]
        return int((shape["image_size"] // shape["patch_size"]) ** 2 * shape["width"])

    def last_step(self, world: str, model: str, train_seed: int | None) -> int | None:
        """The step of a model's weights: the largest, or none said."""
        steps = self._steps[world, model, train_seed]
        return None if None in steps else max(step for step in steps if step is not None)

    @cached_property
    def _steps(self) -> dict[tuple[Any, ...], set[int | None]]:
        found: dict[tuple[Any, ...], set[int | None]] = {}
        for m in self.metrics:
            if m.get("versus") not in self.names:  # a difference of methods has no step
                who = (m["world"], m["model"], m.get("train_seed"))
                found.setdefault(who, set()).add(m.get("step"))
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """Of the models."""
        return frozenset(entry["name"] for entry in self.models)

    def seeds(self, world: str, model: str) -> list[Who]:
        """The checkpoints of a name, each at its last step."""
        entries = [e for e in self.models if e["name"] == model and e["world"] in (None, world)]
        seeds = dict.fromkeys(entry.get("train_seed") for entry in entries)
        there = [seed for seed in seeds if (world, model, seed) in self._steps]
        return [Who(world, model, s, self.last_step(world, model, s)) for s in there]

    @cached_property
    def arrays(self) -> dict[tuple[Any, ...], pd.DataFrame]:
        """Rows by checkpoint and keys."""
        rows = self.rows.copy()
        rows["dose"] = rows["dose"].astype(np.float64).round(6)
        surprise = (rows["analysis"] == "voe") & (rows["metric"] == "surprise")
        found: dict[tuple[Any, ...], pd.DataFrame] = {}
        for which, keys in (
            (surprise, [k for k in KEYS if k not in ("horizon", "axis")]),
            (~surprise, KEYS),
        ):
            for values, part in rows[which].groupby([*Who._fields, *keys], dropna=False):
                plain = [None if pd.isna(v) else v for v in values]
                rest = dict(zip(keys, plain[4:], strict=True))
                found[(Who(*plain[:4]), *(rest.get(k) for k in KEYS))] = part
        return found

    def part(self, who: Who, **keys: Any) -> pd.DataFrame | None:
        """The rows of these keys, the others null."""
        if keys.get("dose") is not None:
            keys["dose"] = round(float(np.float32(keys["dose"])), 6)
        return self.arrays.get((who, *(keys.get(k) for k in KEYS)))

    def series(self, who: Who, **keys: Any) -> pd.Series | None:
        """A value for each trajectory."""
        at = (who, *(keys.get(k) for k in KEYS))
        if at not in self._series:
            part = self.part(who, **keys)
            self._series[at] = None if part is None else plain_series(part)
        return self._series[at]

    def stacked(self, who: Who, along: str, **keys: Any) -> dict[Any, pd.Series]:
        """The same for each value of a key that is there, e.g. of ``axis``."""
        place = 1 + KEYS.index(along)
        asked = [keys.get(k) for k in KEYS]
        values = [k[place] for k in self._like(who, keys["analysis"], keys["metric"])]
        found = {}
        for value in dict.fromkeys(values):
            asked[place - 1] = value
            series = self.series(who, **dict(zip(KEYS, asked, strict=True)))
            if value is not None and series is not None:
                found[value] = series
        return found

    @cached_property
    def _by_metric(self) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
        found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
        for key in self.arrays:
            found.setdefault(key[:3], []).append(key)
        return found

    def _like(self, who: Who, analysis: str, metric: str) -> Iterator[tuple[Any, ...]]:
        yield from self._by_metric.get((who, analysis, metric), ())


def plain_series(part: pd.DataFrame) -> pd.Series:
    """Values by trajectory, in the order of their ids."""
    values = part["value"].to_numpy(np.float64)
    return pd.Series(values, index=part["trajectory_id"].to_numpy()).sort_index()


def keys_of(metric: Metric, *names: str) -> dict[str, Any]:
    """Some keys of a metric."""
    return {name: metric.get(name) for name in names}
