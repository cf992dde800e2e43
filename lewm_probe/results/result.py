"""The schema that analyses write and reports read.

A result is one tidy list of metrics, the raw per-trajectory rows behind them, and provenance. On
disk it is a folder with ``results.json``, ``rows.parquet`` and, where there are filmstrips,
``pictures/*.png``. Stored results of any checkpoints can be merged and compared later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_path, write_error, write_text
from lewm_probe.results.untrusted import MAX_JSON, check_depth, inside, read_clips, read_rows

SCHEMA_VERSION = 1

ROW_COLUMNS = {
    "model": "string",
    "train_seed": "Int32",
    "step": "Int64",
    "world": "string",
    "analysis": "string",
    "subject": "string",
    "features": "string",
    "method": "string",
    "control": "string",
    "trajectory_id": "string",
    "frame": "Int32",
    "horizon": "Int32",
    "stride": "Int32",
    "axis": "string",
    "metric": "string",
    "value": "float32",
}
"""Columns of ``rows.parquet`` and their pandas types; null where one does not apply."""


PAIRED, UNPAIRED, STORED = "_difference_paired", "_difference_unpaired", "_difference_stored"
"""What names of metrics against a published result end with: the same trajectories, others, or two
stored numbers (no rows, no interval)."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Metric(_Record):
    """One number with its interval and everything needed to know what it is.

    ``control`` is null for the model itself. ``horizon`` counts blocks ahead (rollout) or frames
    after the intervention (surprise over time, negative before it). Values and intervals keep nine
    significant digits.
    """

    model: str
    family: str
    train_seed: int | None = None
    step: int | None = None
    world: str
    analysis: str
    subject: str | None = None
    features: str | None = None
    method: str | None = None
    control: str | None = None
    window: str | None = None
    horizon: int | None = None
    dose: float | None = None
    stride: int | None = None
    versus: str | None = None
    metric: str
    value: float | None
    unit: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    eval_seed: int | None = None
    higher_is_better: bool | None = None

    @field_validator("value", "ci_low", "ci_high")
    @classmethod
    def _nine_digits(cls, value: float | None) -> float | None:
        return None if value is None else float(f"{value:.9g}")


class ModelEntry(_Record):
    """A checkpoint that was analysed."""

    name: str
    family: str
    train_seed: int | None = None
    step: int | None = None
    world: str | None = None
    fingerprint: str
    parameters: int | None = None
    source: str | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    curves: dict[str, list[float | None]] = Field(default_factory=dict)
    """Training curves: ``step`` and each logged loss term and diagnostic."""

    @property
    def label(self) -> str:
        """Name with training seed and step, for messages and notes."""
        parts = [self.name]
        if self.train_seed is not None:
            parts.append(f"training seed {self.train_seed}")
        if self.step is not None:
            parts.append(f"step {self.step}")
        return ", ".join(parts)


class Provenance(_Record):
    """Where numbers come from: enough to run them again."""

    command: str
    version: str
    commit: str | None = None
    hardware: str = ""
    packages: dict[str, str] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    fingerprints: dict[str, str] = Field(default_factory=dict)
    wall_seconds: float | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    """Warnings a reader of the numbers must see, e.g. a failed preflight."""


class _Stored(_Record):
    schema_version: int
    provenance: list[Provenance]
    models: list[ModelEntry]
    metrics: list[Metric]


class Result:
    """What an analysis returns: metrics, raw rows, images and provenance. Treat as frozen.

    Attributes:
        provenance: one entry for each command that contributed.
        models: the checkpoints.
        metrics: the tidy list.
        rows: raw rows with the columns of ``ROW_COLUMNS``.
        images: name → uint8 (T, H, W, 3) filmstrip.
    """

    def __init__(
        self,
        provenance: Sequence[Provenance],
        models: Sequence[ModelEntry],
        metrics: Sequence[Metric],
        rows: pd.DataFrame | None = None,
        images: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.provenance = tuple(provenance)
        self.models = tuple(models)
        self.metrics = tuple(metrics)
        self.rows = as_rows(rows if rows is not None else [])
        self.images = dict(images or {})

    def frame(self) -> pd.DataFrame:
        """The metrics as a table, a column for each key."""
        return pd.DataFrame(
            [m.model_dump() for m in self.metrics], columns=list(Metric.model_fields)
        )

    def plain(self) -> dict[str, Any]:
        """What ``results.json`` holds, as plain values.

        A key of a metric that does not apply is left out, which halves the file; readers see null.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "provenance": [_plain(p) for p in self.provenance],
            "models": [_plain(m) for m in self.models],
            "metrics": [_told(m) for m in self.metrics],
        }

    def save(self, folder: Path) -> None:
        """Write ``results.json``, ``rows.parquet`` and ``pictures/`` into ``folder``.

        An earlier ``results.json`` is taken away first and the new one is written last: where it
        stands, the rest is whole and belongs to it, also where two commands write the same result.

        Raises:
            UserError: the disk is full, or the folder may not be written.
        """
        folder = Path(folder)
        try:
            (folder / "results.json").unlink(missing_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        with atomic_path(folder / "rows.parquet") as path:
            self.rows.to_parquet(path, compression="zstd", index=False)
        for name, strip in self.images.items():
            with atomic_path(folder / "pictures" / f"{name}.png") as path:
                height = strip.shape[1]
                clip = strip.transpose(1, 0, 2, 3).reshape(height, -1, 3)  # (H, T·W, 3)
                Image.fromarray(clip).save(path, pnginfo=None)
        for clip_path in (folder / "pictures").glob("[!.]*.png"):  # not what others now write
            if clip_path.stem not in self.images:
                clip_path.unlink(missing_ok=True)
        stored = self.plain()
        head = {key: value for key, value in stored.items() if key != "metrics"}
        text = json.dumps(head, indent=1, allow_nan=False)[:-2]
        compact = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
        lines = ",\n".join(compact(metric) for metric in stored["metrics"])
        write_text(folder / "results.json", f'{text},\n "metrics": [\n{lines}\n ]\n}}\n')

    @classmethod
    def load(cls, folder: Path) -> Result:
        """Read a result folder back, validated.

        Raises:
            UserError: missing, truncated, of a newer schema, not of this schema, larger than any
                result is, or linked from elsewhere: folders come from untrusted sources too.
        """
        folder = Path(folder)
        path = folder / "results.json"
        if not path.is_file():
            raise UserError(
                f"{folder} holds no results.json. Give a folder that an analysis wrote with --out, "
                "for example the one `lewm-probe voe` names at its end."
            )
        inside(path, folder, MAX_JSON)
        try:
            raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
            version = raw["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{path} is not a whole results file ({type(error).__name__}). It was cut short or "
                "is something else; run the analysis that wrote it again."
            ) from error
        if type(version) is not int or version < 1:
            raise UserError(
                f"{path} says that its schema version is {str(version)[:40]!r}, and a whole number "
                f"from 1 to {SCHEMA_VERSION} was expected. It is damaged or of another program; "
                "run the analysis that wrote it again."
            )
        if version > SCHEMA_VERSION:
            raise UserError(
                f"{path} has schema version {version}; this lewm-probe reads up to version "
                f"{SCHEMA_VERSION}. Upgrade lewm-probe, or run the analysis again with this "
                "version."
            )
        try:
            stored = _Stored.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UserError(
                f"{path} does not fit the results schema at {where}: {first['msg']}. "
                "Run the analysis that wrote it again."
            ) from error
        check_depth(path, [p.settings for p in stored.provenance])
        check_depth(path, [m.config for m in stored.models])
        rows_path = folder / "rows.parquet"
        rows = read_rows(rows_path, folder, ROW_COLUMNS) if rows_path.is_file() else None
        images = read_clips(folder)
        try:
            return cls(stored.provenance, stored.models, stored.metrics, rows, images)
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(
                f"{rows_path} holds numbers that rows of a result cannot hold ({error}). "
                "Run the analysis that wrote it again."
            ) from error


def step_order(step: int | None) -> float:
    """Where a step stands in its run: weights that do not say theirs are the final ones."""
    return math.inf if step is None else step


def merge(results: Iterable[Result]) -> Result:
    """One result out of many; a later one replaces equal metrics, models and images."""
    results = list(results)
    metrics: dict[tuple[Any, ...], Metric] = {}
    models: dict[tuple[Any, ...], ModelEntry] = {}
    images: dict[str, np.ndarray] = {}
    identity = [k for k in Metric.model_fields if k not in _MEASURED]
    for result in results:
        for metric in result.metrics:
            metrics[tuple(getattr(metric, key) for key in identity)] = metric
        for model in result.models:
            models[(model.name, model.train_seed, model.step, model.fingerprint)] = model
        images |= result.images
    rows = [r.rows for r in results if len(r.rows)]
    keys = [c for c in ROW_COLUMNS if c != "value"]
    table = pd.concat(rows).drop_duplicates(keys, keep="last") if rows else None
    provenance = list({p.model_dump_json(): p for r in results for p in r.provenance}.values())
    return Result(provenance, list(models.values()), list(metrics.values()), table, images)


def _plain(record: _Record) -> dict[str, Any]:
    """Plain values; NaN and infinities, which JSON lacks, become null."""
    values: dict[str, Any] = json.loads(record.model_dump_json())
    return values


def _told(metric: Metric) -> dict[str, Any]:
    """Plain values of the keys that apply."""
    values = _plain(metric)
    return {key: value for key, value in values.items() if value is not None or key == "value"}


_MEASURED = {"value", "ci_low", "ci_high", "n", "unit", "higher_is_better"}


def as_rows(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table with exactly the columns and types of ``ROW_COLUMNS``."""
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    unknown = set(table.columns) - set(ROW_COLUMNS)
    if unknown:
        raise ValueError(f"unknown row columns: {sorted(unknown)}")
    return table.reindex(columns=list(ROW_COLUMNS)).astype(ROW_COLUMNS).reset_index(drop=True)
