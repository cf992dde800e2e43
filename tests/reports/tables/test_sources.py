from __future__ import annotations

from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.reports.tables.sources import models_table, provenance_table
from lewm_probe.reports.view import WorldView, views
from lewm_probe.results import ModelEntry, Provenance, Result


def test_checkpoints_are_listed_with_whole_fingerprints_in_the_csv(view: WorldView) -> None:
    table = models_table(view)
    assert table is not None
    assert [row.cells["model"].text for row in table.rows] == (
        ["LeWM"] * 3 + ["LeWM ViT"] + ["PLDM"] * 3
    )
    assert table.rows[0].cells["parameters"].text == "1 032 456"
    fingerprint = view.entries[0].fingerprint
    assert table.rows[0].cells["fingerprint"].text == fingerprint[:12]
    assert fingerprint in csv_text(table)


def test_a_bare_entry_is_enough() -> None:
    entry = ModelEntry(name="m", family="mine", world="w", fingerprint="ab")
    table = models_table(views(Result([], [entry], []))[0])
    assert table is not None
    assert [column.key for column in table.columns] == ["model", "family", "fingerprint"]


def test_provenance_says_what_ran_where() -> None:
    record = Provenance(
        command="lewm-probe voe a", version="1.0", commit="f" * 40, wall_seconds=63.0
    )
    table = provenance_table([record])
    assert table is not None
    cells = table.rows[0].cells
    assert cells["command"].text == "lewm-probe voe a"
    assert cells["commit"].text == "f" * 12
    assert cells["wall"].text == "1 min 03 s"
    assert provenance_table([]) is None
