from __future__ import annotations

from collections.abc import Callable

import pytest

from lewm_probe.analyses.voe.report.doses.tables import (
    dose_rows,
    dose_tables,
    dosed,
    first_dose,
    first_doses,
    scale,
)
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.reports.tables.table import Table
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Change = Callable[..., Result]
FIRST = "first_dose"


@pytest.fixture(scope="module")
def tables(push_t: WorldView) -> list[Table]:
    return dose_tables(push_t)


def cell(table: Table, group: str, model: str, key: str) -> str:
    rows = [row for row in table.rows if row.group.startswith(group)]
    (row,) = [row for row in rows if row.cells["model"].text == model]
    return row.cells[key].text.replace("\N{NO-BREAK SPACE}", " ") if key in row.cells else ""


def test_means_stand_first_then_every_checkpoint(tables: list[Table]) -> None:
    assert [table.name for table in tables] == ["push-t-dose", "push-t-dose-checkpoints"]
    means, checkpoints = tables
    assert [row.cells["model"].text for row in means.rows[:8]] == [
        "LeWM",
        "LeWM, copy last",
        "LeWM, random encoder",
        "LeWM, action-blind predictor",
        "PLDM",
        "PLDM, copy last",
        "PLDM, random encoder",
        "PLDM, action-blind predictor",
    ]
    assert [row.quiet for row in means.rows[:8]] == [False, True, True, True] * 2
    assert [row.cells["train_seed"].text for row in checkpoints.rows[:8]] == ["0"] * 4 + ["1"] * 4
    groups = list(dict.fromkeys(row.group for row in means.rows))
    assert groups == [
        "Teleport of agent (share of the arena’s width)",
        "Teleport of block (share of the arena’s width)",
        "Fast-forward of agent (share of the arena’s width)",
        "Recoloured agent (share of the way to the colour)",
        "Recoloured block (share of the way to the colour)",
    ]


def test_numbers_are_those_of_the_rows(push_t: WorldView, tables: list[Table]) -> None:
    keys = [column.key for column in tables[0].columns]
    assert keys == [
        "model", "first_dose", "dose_0.01", "dose_0.02", "dose_0.05", "dose_0.1", "dose_0.2",
        "dose_0.25", "dose_0.5", "dose_1", "n",
    ]  # fmt: skip
    for control, name in ((None, "PLDM"), ("copy_last", "PLDM, copy last")):
        at = {"subject": "dose_teleport_block", "model": "pldm", "control": control}
        rows = dose_rows(push_t, "auroc", **at)
        for dose in (0.01, 0.05, 0.5):
            values = [row.value for row in rows if row.dose == dose and row.value is not None]
            assert len(values) == 2
            shown = cell(tables[0], "Teleport of block", name, f"dose_{dose:g}")
            assert float(shown) == pytest.approx(sum(values) / 2, abs=0.0006)
        one = next(row for row in rows if row.train_seed == 1 and row.dose == 0.05)
        (mine,) = [
            row
            for row in tables[1].rows
            if row.group.startswith("Teleport of block")
            and row.cells["model"].text == name
            and row.cells["train_seed"].value == 1
        ]
        assert mine.cells["dose_0.05"].value == one.value
        assert mine.cells["dose_0.05"].low == one.ci_low
    assert cell(tables[0], "Recoloured block", "LeWM", "dose_0.02") == ""
    assert cell(tables[0], "Fast-forward of agent", "LeWM", "n") == "160–200"
    n = [
        cell(tables[0], "Fast-forward of agent", "n at each dose", f"dose_{d}") for d in (0.2, 0.5)
    ]
    assert n == ["200", "160"]
    of = [row.group.split(" (")[0] for row in tables[0].rows if "n at" in row.cells["model"].text]
    assert of == ["Fast-forward of agent"]


def test_first_doses_are_those_of_the_rows(push_t: WorldView, tables: list[Table]) -> None:
    (seed, again) = [
        row.value for row in push_t.pick("voe", FIRST, subject="dose_color_block", model="lewm")
    ]
    assert seed == again == 0.25
    assert first_doses(push_t, "dose_color_block", "lewm") == [0.25, 0.25]
    assert cell(tables[0], "Recoloured block", "LeWM", "first_dose") == "25 %"
    assert cell(tables[0], "Recoloured block", "LeWM, copy last", "first_dose") == ""
    assert scale(push_t, "dose_color_block") == "of the way to the colour"
    assert scale(push_t, "dose_fast_forward_agent") == "of the arena’s width"


@pytest.mark.parametrize(
    ("values", "shown", "exact"),
    [
        ((0.02, 0.05), "2 % – 5 %", (0.05, 0.02, 0.05)),
        ((0.02, None), "2 % (1 of 2)", (None, 0.02, 0.02)),
        ((None, None), "none", (None, None, None)),
    ],
)
def test_checkpoints_may_differ_and_none_may_win(
    values: tuple[float | None, ...],
    shown: str,
    exact: tuple[float | None, ...],
    dosed_result: Result,
    change: Change,
) -> None:
    def other(m: Metric) -> dict[str, float | None]:
        if (m.subject, m.model) != ("dose_teleport_agent", "lewm"):
            return {}
        if m.metric == FIRST:
            return {"value": values[m.train_seed or 0]}
        return {"ci_low": -0.01} if m.metric == "delta_auroc_over_copy_last" else {}

    table = dose_tables(views(change(dosed_result, update=other))[0])[0]
    assert cell(table, "Teleport of agent", "LeWM", "first_dose") == shown
    found = table.rows[0].cells["first_dose"]
    assert (found.value, found.low, found.high) == exact
    assert csv_text(table).splitlines()[0].startswith("group,model,first_dose,first_dose_low,")


def test_without_a_stored_first_dose_none_is_named(dosed_result: Result, change: Change) -> None:
    bare = views(change(dosed_result, lambda m: m.metric != FIRST))[0]
    assert {first_dose(bare, condition, "lewm", 0) for condition in dosed(bare)} == {None}


def test_one_training_seed_needs_no_second_table(make: Callable[..., Result]) -> None:
    one = make((("m", "x", (0,)),), doses={"dose_teleport_agent": (0.1, 0.2)}, analyses=("voe",))
    tables = dose_tables(views(one)[0])
    assert [table.name for table in tables] == ["two-room-dose"]
    assert tables[0].caption.startswith("AUROC of surprise at onset, n = 200; grey: the same with")


def test_results_without_doses_have_no_table(view: WorldView) -> None:
    assert dosed(view) == []
    assert dose_tables(view) == []
