from __future__ import annotations

from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.reports.tables.sources import models_table, provenance_table
from lewm_probe.results.result import Result
from lewm_probe.results.schema import ModelEntry, Provenance


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


def test_training_data_have_a_column_where_any_checkpoint_names_them() -> None:
    def columns(*data: str) -> list[str]:
        entries = [
            ModelEntry(
                name="m",
                family="mine",
                world="w",
                train_seed=k,
                fingerprint="ab",
                config={"data_fingerprint": one} if one else {},
            )
            for k, one in enumerate(data)
        ]
        table = models_table(views(Result([], entries, []))[0])
        assert table is not None
        return [column.key for column in table.columns]

    assert columns("", "") == ["model", "family", "train_seed", "fingerprint"]
    assert columns("", "0123") == ["model", "family", "train_seed", "fingerprint", "data"]


def test_analyses_of_one_command_stand_in_one_row() -> None:
    first = Provenance(
        command="lewm-probe audit a",
        version="1.0",
        wall_seconds=60.0,
        seeds={"evaluation": 7},
        fingerprints={"a": "aa" * 16, "inputs": "bb" * 16},
        settings={"analysis": "probe"},
    )
    second = first.model_copy(
        update={
            "wall_seconds": 3.0,
            "fingerprints": {"a": "aa" * 16, "inputs": "cc" * 16},
            "settings": {"analysis": "voe"},
        }
    )
    other = first.model_copy(update={"commit": "f" * 40})
    table = provenance_table([first, second, other])
    assert table is not None
    folded, alone = (row.cells for row in table.rows)
    assert folded["analyses"].text == "probe, voe"
    assert folded["wall"].text == "1 min 03 s"
    assert folded["wall"].value == 63.0
    assert folded["seeds"].text == "evaluation 7"
    assert folded["fingerprints"].text == f"a {'a' * 12}, inputs {'b' * 12}, inputs {'c' * 12}"
    assert (alone["analyses"].text, alone["wall"].text) == ("probe", "1 min 00 s")


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
