from __future__ import annotations

import csv
import io

from lewm_probe.reports.tables.plain import csv_text, markdown
from lewm_probe.reports.tables.table import Cell, Column, Row, Table, cell, p_cell, table, text

COLUMNS = (Column("model", "Model", numeric=False), Column("mse", "MSE"), Column("p", "p"))
TABLE = Table(
    "t",
    "Title",
    "Caption",
    COLUMNS,
    (
        Row({"model": text("a|b <c>"), "mse": cell(0.1234567891, 0.1, 0.2)}, group="First"),
        Row({"model": text("d, e"), "mse": cell(0.5), "p": p_cell(0.03)}, group="Second"),
    ),
)


def test_csv_keeps_numbers_whole_and_ends_apart() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(TABLE))))
    assert list(rows[0]) == ["group", "model", "mse", "mse_low", "mse_high", "p"]
    assert rows[0]["mse"] == "0.12345679"
    assert (rows[0]["mse_low"], rows[0]["mse_high"], rows[0]["p"]) == ("0.1", "0.2", "")
    assert (rows[1]["model"], rows[1]["mse_low"], rows[1]["p"]) == ("d, e", "", "0.03")


def test_markdown_escapes_pipes_and_tags() -> None:
    assert markdown(TABLE).splitlines() == [
        "| Model | MSE | p |",
        "| --- | ---: | ---: |",
        "| **First** |  |  |",
        "| a\\|b &lt;c> | 0.123 [0.100, 0.200] |  |",
        "| **Second** |  |  |",
        "| d, e | 0.500 | 0.030 |",
    ]


def test_headings_over_columns_are_said_in_one_line() -> None:
    columns = (COLUMNS[0], Column("a_mse", "MSE", over="A"), Column("b_mse", "MSE", over="B"))
    row = Row({"model": text("m"), "a_mse": cell(0.1), "b_mse": cell(0.2)})
    headed = Table("t", "Title", "Caption", columns, (row,))
    assert headed.headings == [("", 1), ("A", 1), ("B", 1)]
    assert TABLE.headings == []
    assert markdown(headed).splitlines()[0] == "| Model | A: MSE | B: MSE |"
    assert csv_text(headed).splitlines()[0] == "model,a_mse,b_mse"


def test_columns_that_say_nothing_are_dropped() -> None:
    made = table(
        "t", "", "", COLUMNS, [Row({"model": text("a"), "mse": cell(1.0), "p": Cell("–")})]
    )
    assert made is not None
    assert [column.key for column in made.columns] == ["model", "mse"]


def test_a_table_of_names_alone_is_no_table() -> None:
    assert table("t", "", "", COLUMNS, [Row({"model": text("a")})]) is None
    assert table("t", "", "", COLUMNS, []) is None
