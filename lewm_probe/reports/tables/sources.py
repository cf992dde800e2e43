"""Where numbers come from: tables of checkpoints and of commands."""

from __future__ import annotations

from collections.abc import Iterable

from lewm_probe.reports import numbers, words
from lewm_probe.reports.tables.table import Cell, Column, Row, Table, table, text
from lewm_probe.reports.view import WorldView
from lewm_probe.results import Provenance

_DATA_KEYS = ("data_fingerprint", "data", "dataset", "fingerprint")


def models_table(view: WorldView) -> Table | None:
    """Checkpoints: seed, step, size, fingerprint, training data, source."""
    rows = []
    for entry in view.entries:
        encoder = entry.config.get("encoder")
        if isinstance(encoder, dict):
            encoder = encoder.get("name") or encoder.get("kind")
        data = next(
            (entry.config[k] for k in _DATA_KEYS if isinstance(entry.config.get(k), str)), ""
        )
        width = entry.config.get("latent_width")
        cells = {
            "model": text(view.label(entry.name)),
            "family": text(words.FAMILIES.get(entry.family, entry.family)),
            "train_seed": _count(entry.train_seed),
            "step": _count(entry.step),
            "parameters": _count(entry.parameters),
            "encoder": text(encoder if isinstance(encoder, str) else ""),
            "latent_width": _count(width if isinstance(width, int) else None),
            "fingerprint": Cell(entry.fingerprint[:12], entry.fingerprint),
            "data": Cell(data[:12], data),
            "source": text(entry.source or ""),
        }
        rows.append(Row(cells))
    return table(
        f"{view.world}-models",
        "Models",
        "Every checkpoint in this report. Fingerprints cover weights, configuration and statistics "
        "(first 12 digits here, whole in the CSV).",
        [
            Column("model", "Model", numeric=False),
            Column("family", "Family", numeric=False),
            Column("train_seed", "training seed"),
            Column("step", "step"),
            Column("parameters", "parameters"),
            Column("encoder", "encoder", numeric=False),
            Column("latent_width", "latent width"),
            Column("fingerprint", "fingerprint", numeric=False),
            Column("data", "data", numeric=False),
            Column("source", "source", numeric=False),
        ],
        rows,
    )


def provenance_table(records: Iterable[Provenance]) -> Table | None:
    """Commands, commits, versions, hardware and wall time."""
    rows = []
    for record in records:
        packages = ", ".join(f"{k} {v}" for k, v in sorted(record.packages.items()))
        seeds = ", ".join(f"{words.plain(k)} {v}" for k, v in sorted(record.seeds.items()))
        prints = ", ".join(
            f"{words.plain(k)} {v[:12]}" for k, v in sorted(record.fingerprints.items())
        )
        cells = {
            "command": text(record.command),
            "version": text(record.version),
            "commit": Cell((record.commit or "")[:12], record.commit),
            "hardware": text(record.hardware),
            "wall": Cell(numbers.duration(record.wall_seconds), record.wall_seconds),
            "seeds": text(seeds),
            "fingerprints": text(prints),
            "packages": text(packages),
        }
        rows.append(Row(cells))
    return table(
        "provenance",
        "Provenance",
        "The commands that made these numbers, and where they ran.",
        [
            Column("command", "Command", numeric=False),
            Column("version", "version", numeric=False),
            Column("commit", "commit", numeric=False),
            Column("hardware", "hardware", numeric=False),
            Column("wall", "wall time"),
            Column("seeds", "seeds", numeric=False),
            Column("fingerprints", "fingerprints", numeric=False),
            Column("packages", "packages", numeric=False),
        ],
        rows,
    )


def _count(value: int | None) -> Cell:
    return Cell(numbers.count(value) if value is not None else "", value)
