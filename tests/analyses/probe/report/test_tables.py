from __future__ import annotations

from collections.abc import Callable

import pytest

from lewm_probe.analyses.probe.report.tables import probe_tables
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.table import Table
from lewm_probe.results.result import Result


@pytest.fixture(scope="module")
def tables(view: WorldView) -> dict[str, Table]:
    return named(view)


def named(view: WorldView) -> dict[str, Table]:
    return {table.name.removeprefix("two-room-"): table for table in probe_tables(view)}


def test_a_summary_a_table_a_quantity_and_differences(tables: dict[str, Table]) -> None:
    assert list(tables) == [
        "probes",
        "probes-agent-position",
        "probes-agent-velocity",
        "probes-goal-position",
        "probes-agent-position-change",
        "probe-differences",
    ]


def test_the_papers_value_stands_beside_ours(tables: dict[str, Table]) -> None:
    row = tables["probes"].rows[0]
    assert row.group == "Agent position"
    assert row.cells["model"].text == "LeWM"
    assert row.cells["linear_paper"].text == "0.008 / 0.996"
    assert row.cells["mlp_paper"].text == "0.000 / 1.000"
    assert row.cells["linear_r"].text == "0.9972"
    assert row.cells["linear_random_r"].text == "0.897"


def test_the_papers_angle_stands_beside_the_raw_scalar(push_t: WorldView) -> None:
    found = {table.name: table for table in probe_tables(push_t)}
    rows = {(row.group, row.cells["model"].text): row for row in found["push-t-probes"].rows}
    assert rows["Block angle, raw scalar", "LeWM"].cells["linear_paper"].text == "0.187 / 0.902"
    assert rows["Block angle", "LeWM"].cells["linear_paper"].text == "–"
    assert found["push-t-probes"].caption.endswith(
        " v3. Angles are read as sine and cosine; raw scalar: as the paper reads them."
    )
    titles = {column.title for column in found["push-t-probes-block-position"].columns}
    assert "RMSE (arena units)" in titles
    assert "RMSE" in {column.title for column in found["push-t-probes-contact"].columns}
    assert "angle error (°)" in {c.title for c in found["push-t-probes-block-angle"].columns}


def test_model_free_controls_stand_once_and_others_by_model(tables: dict[str, Table]) -> None:
    table = tables["probes-agent-position"]
    linear = [row for row in table.rows if row.group == "Linear probe of z"]
    assert [row.cells["model"].text for row in linear] == [
        "LeWM",
        "LeWM ViT",
        "PLDM",
        "LeWM, random weights",
        "LeWM ViT, random weights",
        "PLDM, random weights",
        "pixel PCA",
        "time index",
        "mean",
    ]
    assert [row.quiet for row in linear] == [False] * 3 + [True] * 6
    assert linear[0].cells["checkpoints"].text == "3"
    assert linear[0].cells["paper_mse"].text == "0.008"
    assert "paper_mse" not in linear[3].cells
    before = [row for row in table.rows if row.group.startswith("Linear probe of CLS")]
    assert [row.cells["model"].text for row in before] == ["LeWM", "LeWM ViT", "PLDM"]


def test_seed_spread_is_the_sample_sd_of_checkpoints(
    view: WorldView, tables: dict[str, Table]
) -> None:
    rows = view.pick(
        "probe", "mse", subject="agent_position", method="linear", features="z", model="lewm"
    )
    values = [row.value for row in rows if row.value is not None]
    mean = sum(values) / 3
    sd = (sum((v - mean) ** 2 for v in values) / 2) ** 0.5
    cell = tables["probes-agent-position"].rows[0].cells["train_seed_sd"]
    assert cell.value == pytest.approx(sd)


def test_probes_of_parts_of_the_data_stay_out(
    result: Result, change: Callable[..., Result]
) -> None:
    extra = change(result, lambda m: m.analysis == "probe" and m.control is None)
    imagined = [m.model_copy(update={"horizon": 3, "value": 9.0}) for m in extra.metrics]
    both = Result(result.provenance, result.models, [*result.metrics, *imagined])
    assert probe_tables(views(both)[0]) == probe_tables(views(result)[0])


def test_nothing_to_say_gives_no_table(make: Callable[..., Result]) -> None:
    assert probe_tables(views(make(analyses=("rollout",)))[0]) == []


def test_controls_alone_still_make_a_table(result: Result, change: Callable[..., Result]) -> None:
    alone = change(result, lambda m: m.analysis == "probe" and m.control == "mean")
    tables = probe_tables(views(alone)[0])
    assert [row.cells["model"].text for row in tables[0].rows] == ["mean"]
