"""Where numbers come from: tables of checkpoints and of commands."""

from __future__ import annotations

from collections.abc import Iterable

from lewm_probe.reports import formatting, labels
from lewm_probe.reports.results_view import WorldView
from lewm_probe.reports.tables.table import Cell, Column, Row, Table, table, text
from lewm_probe.results.schema import Provenance

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
            "family": text(view.family_label(entry.family)),
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
    """Commands, commits, versions, hardware and wall time; the analyses of a command in one row."""
    runs: dict[tuple[str, ...], list[Provenance]] = {}
    for record in records:
        packages = ", ".join(f"{k} {v}" for k, v in sorted(record.packages.items()))
        run = (record.command, record.version, record.commit or "", record.hardware, packages)
        runs.setdefault(run, []).append(record)
    rows = []
    for (command, version, commit, hardware, packages), part in runs.items():
        seconds = [one.wall_seconds for one in part if one.wall_seconds is not None]
        wall = sum(seconds) if seconds else None
        analyses = (one.settings.get("analysis") for one in part)
        seeds = (f"{labels.plain(k)} {v}" for one in part for k, v in sorted(one.seeds.items()))
        prints = (
            f"{labels.plain(k)} {v[:12]}"
            for k, v in sorted({pair for one in part for pair in one.fingerprints.items()})
        )
        cells = {
            "command": text(command),
            "analyses": text(_listed(one for one in analyses if isinstance(one, str))),
            "version": text(version),
            "commit": Cell(commit[:12], commit or None),
            "hardware": text(hardware),
            "wall": Cell(formatting.duration(wall), wall),
            "seeds": text(_listed(seeds)),
            "fingerprints": text(_listed(prints)),
            "packages": text(packages),
        }
        rows.append(Row(cells))
    return table(
        "provenance",
        "Provenance",
        "The commands that made these numbers, and where they ran; wall time: of all their "
        "analyses.",
        [
            Column("command", "Command", numeric=False),
            Column("analyses", "analyses", numeric=False),
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


def _listed(found: Iterable[str]) -> str:
    """Each once, in order of appearance."""
    return ", ".join(dict.fromkeys(found))


def _count(value: int | None) -> Cell:
    return Cell(formatting.count(value) if value is not None else "", value)
