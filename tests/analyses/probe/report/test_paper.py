from __future__ import annotations

from collections.abc import Callable

import pytest

from lewm_probe.analyses.probe.report.paper import paper_probe_table
from lewm_probe.analyses.voe.report.paper_table import paper_surprise_table
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.table import Table
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

Change = Callable[..., Result]


@pytest.fixture(scope="module")
def probes(push_t: WorldView) -> Table:
    table = paper_probe_table(push_t)
    assert table is not None
    return table


def test_rows_are_quantities_and_columns_models(probes: Table) -> None:
    assert [(row.group, row.cells["whose"].text, row.quiet) for row in probes.rows] == [
        ("Agent location", "ours", False),
        ("Agent location", "training seeds", True),
        ("Agent location", "paper", True),
        ("Block location", "ours", False),
        ("Block location", "training seeds", True),
        ("Block location", "paper", True),
        ("Block angle", "ours, raw scalar", False),
        ("Block angle", "training seeds", True),
        ("Block angle", "paper, raw scalar", True),
        ("Block angle", "ours, sine and cosine", False),
        ("Block angle", "training seeds", True),
    ]
    titles = ["linear MSE", "linear r", "MLP MSE", "MLP r"]
    assert [(c.over, c.title) for c in probes.columns] == [
        ("", "Quantity"),
        *(("LeWM", title) for title in titles),
        *(("PLDM", title) for title in titles),
    ]
    assert probes.headings == [("", 1), ("LeWM", 4), ("PLDM", 4)]


def test_ours_are_means_of_checkpoints_beside_the_papers(push_t: WorldView, probes: Table) -> None:
    ours, seeds, paper = (row.cells for row in probes.rows[6:9])
    at = {"subject": "block_angle_raw", "method": "linear", "features": "z", "model": "pldm"}
    mean = push_t.mean("probe", "mse", **at)
    assert mean is not None
    found = ours["pldm_linear_mse"]
    assert found.text == f"{mean.value:.3f}"
    assert (found.value, found.low, found.high) == (mean.value, *sorted(mean.values))
    ends = dict.fromkeys(f"{value:.3f}" for value in sorted(mean.values))
    assert seeds["pldm_linear_mse"].text == "–".join(ends)
    assert paper["pldm_linear_mse"].text == "0.446"
    assert paper["pldm_linear_pearson_r"].text == "0.745"
    assert paper["lewm_mlp_mse"].text == "0.021"
    assert paper["lewm_mlp_pearson_r"].text == "0.990"


def test_ranges_below_zero_are_legible(dosed_result: Result, change: Change) -> None:
    def none(m: Metric) -> dict[str, float]:
        mine = m.subject == "block_angle_raw" and m.metric == "pearson_r" and m.control is None
        return {"value": -0.004 - 0.02 * (m.train_seed or 0)} if mine else {}

    table = paper_probe_table(views(change(dosed_result, update=none))[0])
    assert table is not None
    ours, seeds = (row.cells["lewm_linear_pearson_r"].text for row in table.rows[6:8])
    assert (ours, seeds) == ("−0.014", "−0.024 – −0.004")


def test_degrees_stand_beside_sine_and_cosine_alone(push_t: WorldView, probes: Table) -> None:
    at = {"subject": "block_angle", "method": "mlp", "features": "z", "model": "lewm"}
    mse = push_t.mean("probe", "mse", **at)
    degrees = push_t.mean("probe", "angle_error_deg", **at)
    assert mse is not None
    assert degrees is not None
    waves = probes.rows[9].cells
    assert waves["lewm_mlp_mse"].text == f"{mse.value:.3f} · {degrees.value:.1f}°"
    assert waves["lewm_mlp_mse"].value == mse.value
    assert "°" not in "".join(cell.text for row in probes.rows[:9] for cell in row.cells.values())
    assert probes.caption.endswith(
        " Angles: the paper’s convention is the z-scored raw scalar, and its value stands beside "
        "ours of the raw scalar; sine and cosine, with the mean error in degrees, are ours only."
    )


def test_what_was_not_measured_or_published_is_left_out(
    view: WorldView, dosed_result: Result, change: Change, make: Callable[..., Result]
) -> None:
    def keep(m: Metric) -> bool:
        return m.subject == "block_position" and (m.model == "lewm" and m.train_seed == 0)

    small = paper_probe_table(views(change(dosed_result, keep))[0])
    assert small is not None
    assert [row.cells["whose"].text for row in small.rows] == ["ours", "paper"]
    # The checkpoints that were not probed are known all the same, and the paper has their family.
    assert [c.over for c in small.columns] == [""] + ["LeWM"] * 4 + ["PLDM"] * 4
    assert small.caption == (
        "Test error on z-scored targets and Pearson r, n = 200 test trajectories. Paper: "
        "LeWorldModel, arXiv 2603.19312 v3."
    )
    room = paper_probe_table(view)
    assert room is not None
    assert {row.group for row in room.rows} == {"Agent location"}
    jepa = (("mine", "jepa", (0,)),)
    assert paper_probe_table(views(make(jepa))[0]) is None
    assert paper_probe_table(views(make(world="mine"))[0]) is None


def test_findings_stand_beside_our_numbers(view: WorldView, push_t: WorldView) -> None:
    table = paper_surprise_table([view, push_t])
    assert table is not None
    assert list(dict.fromkeys(row.group for row in table.rows)) == [
        "TwoRoom: teleport of agent",
        "TwoRoom: recoloured agent",
        "Push-T: teleport of agent and block",
        "Push-T: recoloured block",
    ]
    lewm, pldm = (row.cells for row in table.rows[-2:])
    assert (lewm["paper"].text, pldm["paper"].text) == ("weaker, not significant", "reacts")
    at = {"subject": "color_block", "model": "pldm", "window": "onset"}
    mean = push_t.mean("voe", "auroc", **at)
    assert mean is not None
    assert (pldm["auroc"].value, pldm["auroc"].low) == (mean.value, mean.low)
    p = max(row.value for row in push_t.pick("voe", "p_ttest_raw", **at) if row.value is not None)
    assert pldm["p_ttest_raw"].value == p
    assert pldm["n"].text == "200"


def test_worlds_of_no_paper_have_no_findings(make: Callable[..., Result]) -> None:
    assert paper_surprise_table(views(make(world="mine", analyses=("voe",)))) is None
    assert paper_surprise_table(views(make(analyses=("probe",)))) is None
