"""The schema that analyses write and reports read.

A result is one tidy list of metrics, the raw per-trajectory rows behind them, and provenance. On
disk it is a folder with ``results.json`` and ``rows.parquet`` (continued in ``metrics-2.json``, …
and ``rows-2.parquet``, …) and, where there are filmstrips, ``pictures/*.png``. Stored results of
any checkpoints can be merged and compared later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import Field, ValidationError

from lewm_probe.core.config import LARGEST
from lewm_probe.core.errors import UserError
from lewm_probe.core.files import (
    FILE,
    FOLDER,
    NOTHING,
    atomic_path,
    kind_of,
    write_error,
    write_text,
)
from lewm_probe.results.cards import MOST_CARDS, Card, Cards, Kind, joined, plain
from lewm_probe.results.family import corrected
from lewm_probe.results.identity import conflict
from lewm_probe.results.parts import (
    FIRST,
    find_parts,
    metrics_name,
    split,
    write_metrics,
    write_parts,
)
from lewm_probe.results.place import check_place
from lewm_probe.results.schema import (
    ROW_COLUMNS,
    SCHEMA_VERSION,
    Metric,
    ModelEntry,
    Provenance,
    Record,
)
from lewm_probe.results.table import as_records, as_table
from lewm_probe.results.untrusted import (
    MAX_FILES,
    MAX_JSON,
    check_depth,
    inside,
    read_clips,
    read_rows,
)

_Name = Annotated[str, Field(max_length=200)]


class _Stored(Record):
    schema_version: int
    provenance: list[Provenance]
    models: list[ModelEntry]
    metrics: list[Metric]
    cards: dict[Kind, Annotated[dict[_Name, Card], Field(max_length=MOST_CARDS)]] = Field(
        default_factory=dict
    )


class Result:
    """What an analysis returns: metrics, raw rows, images and provenance. Treat as frozen.

    Attributes:
        provenance: one entry for each command that contributed.
        models: the checkpoints.
        metrics: the tidy list.
        rows: raw rows with the columns of ``ROW_COLUMNS``.
        cards: how readers see the names in it.
        images: name → uint8 (T, H, W, 3) filmstrip.
    """

    def __init__(
        self,
        provenance: Sequence[Provenance],
        models: Sequence[ModelEntry],
        metrics: Sequence[Metric],
        rows: pd.DataFrame | None = None,
        images: Mapping[str, np.ndarray] | None = None,
        cards: Cards | None = None,
    ) -> None:
        self.provenance = tuple(provenance)
        self.models = tuple(models)
        self.metrics = tuple(metrics)
        self.rows = as_rows(rows if rows is not None else [])
        self.images = dict(images or {})
        self.cards: Cards = joined(cards or {})

    def frame(self) -> pd.DataFrame:
        """The metrics as a table, a column for each key."""
        return pd.DataFrame(
            [m.model_dump() for m in self.metrics], columns=list(Metric.model_fields)
        )

    def plain(self) -> dict[str, Any]:
        """What ``results.json`` holds, as plain values; metrics as by ``as_table``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "provenance": [_plain(p) for p in self.provenance],
            "models": [_plain(m) for m in self.models],
            "cards": plain(self.cards),
            "metrics": as_table(self.metrics),
        }

    def save(self, folder: Path) -> None:
        """Write ``results.json``, ``rows.parquet``, their parts and ``pictures/`` into ``folder``.

        An earlier ``results.json`` is taken away first and the new one is written last: where it
        stands, the rest is whole and belongs to it, also where two commands write the same result.

        Raises:
            UserError: the disk is full, or the folder may not be written.
        """
        folder = Path(folder)
        check_place(folder)
        try:
            (folder / "results.json").unlink(missing_ok=True)
        except OSError as error:
            raise write_error(folder, error) from error
        write_parts(self.rows, folder)
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
        columns = compact(stored["metrics"]["columns"])
        groups = split(map(compact, stored["metrics"]["rows"]), len(text.encode()))
        first, *later = (
            f'  "columns": {columns},\n  "rows": [\n' + ",\n".join(lines) + "\n  ]\n }\n"
            for lines in groups
        )
        write_metrics([f"{{\n{table}" for table in later], folder)
        files = f'{{\n  "files": {len(groups)},\n'
        write_text(folder / "results.json", f'{text},\n "metrics": {files}{first}}}\n')

    @classmethod
    def load(cls, folder: Path) -> Result:
        """Read a result folder back, validated.

        Raises:
            UserError: missing, truncated, of a newer schema, not of this schema, larger than any
                result is, or linked from elsewhere: folders come from untrusted sources too.
        """
        folder = Path(folder)
        path = folder / "results.json"
        for place, wanted in ((folder, FOLDER), (path, FILE)):
            if (there := kind_of(place)) not in (wanted, NOTHING):
                raise UserError(
                    f"{place} is {there}, but {wanted} was expected there. Give a folder that an "
                    "analysis wrote with --out."
                )
        if not path.is_file():
            raise UserError(
                f"{folder} holds no results.json. Give a folder that an analysis wrote with --out, "
                "for example the one `lewm-probe voe` names at its end."
            )
        raw = _read(path, folder)
        try:
            version = raw["schema_version"]
        except (KeyError, TypeError) as error:
            raise _cut_short(path, error) from error
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
            if version >= 3:
                raw = raw | {"metrics": _metrics(raw.get("metrics"), folder, version)}
            stored = _Stored.model_validate(raw)
        except ValueError as error:
            raise UserError(
                f"{path} does not fit the results schema at {_fault(error, version)}. "
                "Run the analysis that wrote it again."
            ) from error
        check_depth(path, [p.settings for p in stored.provenance])
        check_depth(path, [m.config for m in stored.models])
        parts = find_parts(folder)
        rows = read_rows(parts, folder, ROW_COLUMNS) if parts else None
        images = read_clips(folder)
        try:
            return cls(stored.provenance, stored.models, stored.metrics, rows, images, stored.cards)
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(
                f"{folder / FIRST} holds numbers that rows of a result cannot hold ({error}). "
                "Run the analysis that wrote it again."
            ) from error


def merge(results: Iterable[Result]) -> Result:
    """One result out of many; a later one replaces equal metrics, models and images.

    P-values that verdicts rest on are corrected again: over all that is one result now.

    Raises:
        UserError: one name stands for two methods or two sets of weights, which would be averaged.
    """
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
    if (why := conflict(list(models.values()), metrics.values())) is not None:
        raise UserError(
            f"These results cannot be told apart when they are put together: {why}. One name "
            "stands for one family, one architecture and, at a training seed and step, one set of "
            "weights. Report them apart, or audit one of them again under another name "
            "(name=path)."
        )
    rows = [r.rows for r in results if len(r.rows)]
    keys = [c for c in ROW_COLUMNS if c != "value"]
    table = pd.concat(rows).drop_duplicates(keys, keep="last") if rows else None
    provenance = list({p.model_dump_json(): p for r in results for p in r.provenance}.values())
    cards = joined(*(r.cards for r in results))
    family = corrected(metrics.values())
    return Result(provenance, list(models.values()), family, table, images, cards)


def _metrics(table: Any, folder: Path, version: int) -> list[dict[str, Any]]:
    """All metrics of a result, those of further files after those of ``results.json``."""
    files = 1
    if version >= 4 and isinstance(table, Mapping):
        files = table.get("files", 0)
        if type(files) is not int or not 1 <= files <= MAX_FILES:
            raise ValueError(f"metrics.files: a whole number from 1 to {MAX_FILES} was expected")
        table = {key: value for key, value in table.items() if key != "files"}
    records = as_records(table)
    size = (folder / "results.json").stat().st_size
    for number in range(2, files + 1):
        path = folder / metrics_name(number)
        if not path.is_file():
            raise UserError(
                f"{path} is missing, and results.json says that metrics are in {files} files. Get "
                "the folder again from where it came, or run the analysis that wrote it again."
            )
        size += inside(path, folder, MAX_JSON - size).stat().st_size
        try:
            records += as_records(_read(path, folder))
        except ValueError as error:
            raise ValueError(f"{error} (of {path.name})") from error
    return records


def _read(path: Path, folder: Path) -> Any:
    """A JSON file of a result folder."""
    inside(path, folder, MAX_JSON)
    try:
        return json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=lambda word: _no_number(path, word),
            parse_float=lambda digits: _decimal(path, digits),
            parse_int=lambda digits: _whole(path, digits),
        )
    except (ValueError, RecursionError) as error:
        raise _cut_short(path, error) from error


def _cut_short(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path} is not a whole results file ({type(error).__name__}). It was cut short or is "
        "something else; run the analysis that wrote it again."
    )


def _plain(record: Record) -> dict[str, Any]:
    """Plain values; NaN and infinities, which JSON lacks, become null."""
    values: dict[str, Any] = json.loads(record.model_dump_json())
    return values


def _decimal(path: Path, digits: str) -> float:
    """A number of the file; one beyond all computers would be read as infinite."""
    value = float(digits)
    return value if math.isfinite(value) else _no_number(path, digits)


def _whole(path: Path, digits: str) -> int:
    """A whole number of the file; none is of more digits than 64 bits hold."""
    if len(digits) <= len(str(LARGEST)) and abs(value := int(digits)) <= LARGEST:
        return value
    raise UserError(
        f"{path} holds a whole number of {len(digits)} digits, and 64 bits hold "
        f"{len(str(LARGEST))} at most. It was damaged, or edited by another program; run the "
        "analysis that wrote it again."
    )


def _no_number(path: Path, word: str) -> NoReturn:
    """Refuse what a missing number would be taken for: none is ever written (they are null)."""
    raise UserError(
        f"{path} holds {word[:20]}, which is no number; numbers that could not be measured are "
        "stored as null. It was damaged, or edited by another program; run the analysis that wrote "
        "it again."
    )


def _fault(error: ValueError, version: int) -> str:
    """Where a file does not fit the schema, and why."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if version >= 3 and where[:1] == ["metrics"]:
        where.insert(1, "rows")
    return f"{'.'.join(where)}: {first['msg']}"


_MEASURED = {"value", "ci_low", "ci_high", "n", "unit", "higher_is_better"}


def as_rows(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table with exactly the columns and types of ``ROW_COLUMNS``."""
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    unknown = set(table.columns) - set(ROW_COLUMNS)
    if unknown:
        raise ValueError(f"unknown row columns: {sorted(unknown)}")
    return table.reindex(columns=list(ROW_COLUMNS)).astype(ROW_COLUMNS).reset_index(drop=True)
