"""Metrics as a table: the keys once, then a row a metric, as ``results.json`` holds them.

With pandas: ``pd.DataFrame(stored["metrics"]["rows"], columns=stored["metrics"]["columns"])``. Of
many checkpoints the rows go on in ``metrics-2.json``, …, each ``{"columns": …, "rows": …}``;
``stored["metrics"]["files"]`` says how many files there are in all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lewm_probe.results.schema import Metric

KEYS = tuple(Metric.model_fields)
ALWAYS = ("model", "metric", "value")
"""Columns that are there whatever they hold."""


def as_table(metrics: Sequence[Metric]) -> dict[str, Any]:
    """Columns and rows as plain values; columns that are null everywhere are left out.

    What is not finite is null.
    """
    plain = [json.loads(metric.model_dump_json()) for metric in metrics]
    columns = [k for k in KEYS if k in ALWAYS or any(each[k] is not None for each in plain)]
    return {"columns": columns, "rows": [[each[key] for key in columns] for each in plain]}


def as_records(table: Any) -> list[dict[str, Any]]:
    """The rows of a table as mappings, to be validated as ``Metric``.

    Raises:
        ValueError: no such table; says where and what, e.g. ``metrics.rows.3: …``.
    """
    if not isinstance(table, Mapping) or set(table) != {"columns", "rows"}:
        raise ValueError("metrics: a table of 'columns' and 'rows' was expected")
    columns, rows = table["columns"], table["rows"]
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        raise ValueError("metrics.columns: a list of names was expected")
    unknown = [c for c in columns if c not in KEYS]
    if unknown:
        raise ValueError(f"metrics.columns: '{unknown[0][:40]}' is no key of a metric")
    if len(set(columns)) < len(columns):
        raise ValueError("metrics.columns: a name stands there twice")
    if not isinstance(rows, list):
        raise ValueError("metrics.rows: a list of rows was expected")
    records = []
    for place, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise ValueError(f"metrics.rows.{place}: a list of {len(columns)} values was expected")
        records.append(dict(zip(columns, row, strict=True)))
    return records
