from __future__ import annotations

from collections.abc import Callable

import pytest

from lewm_probe.analyses.voe.report.contrast import color_alone
from lewm_probe.analyses.voe.report.tables import (
    factor,
    main_pair,
    reading,
    stays_raised,
    voe_tables,
)
from lewm_probe.reports.results_view import WorldView, views
from lewm_probe.reports.tables.plain import csv_text
from lewm_probe.reports.tables.table import Table
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric


@pytest.fixture(scope="module")
def tables(view: WorldView) -> dict[str, Table]:
    return named(view)


def named(view: WorldView) -> dict[str, Table]:
    return {table.name.removeprefix("two-room-"): table for table in voe_tables(view)}


def test_diagnostics_of_collapse_stand_right_after_the_main_table(tables: dict[str, Table]) -> None:
    assert list(tables) == [
        "voe",
        "voe-collapse",
        "voe-baselines",
        "voe-windows",
        "voe-contrasts",
        "voe-checkpoints",
    ]


def test_the_largest_p_of_the_checkpoints_is_shown(
    result: Result, change: Callable[..., Result]
) -> None:
    def worse(m: Metric) -> dict[str, float]:
        one = (m.metric, m.subject, m.model, m.train_seed)
        return {"value": 0.3} if one == ("p_noticed_holm", "teleport_agent", "lewm", 1) else {}

    row = named(views(change(result, update=worse))[0])["voe"].rows[0]
    assert row.group == "Teleport of agent (violation of physics)"
    assert row.cells["p_noticed_holm"].text == "0.30"
    assert row.cells["p_ttest"].text == "< 0.0001"
    assert row.cells["paper"].text == "significant (p < 0.01)"


def test_the_gain_is_over_the_best_baseline_in_its_direction(tables: dict[str, Table]) -> None:
    rows = {(r.group, r.cells["model"].text): r.cells for r in tables["voe"].rows}
    frozen = rows["Frozen agent (violation of physics)", "LeWM"]
    assert frozen["best"].text == "pixel difference (flipped)"
    assert frozen["gain"].value == pytest.approx(frozen["auroc_onset"].value - 0.998)
    baselines = {(r.group, r.cells["model"].text): r.cells for r in tables["voe-baselines"].rows}
    shown = baselines["Frozen agent (violation of physics)", "LeWM"]
    assert shown["pixel_difference"].text == "0.9980 (0.9970 – 0.9990) flipped"
    assert "flipped" not in shown["copy_last"].text
    assert "action_blind" in shown


def test_spans_of_checkpoints_are_no_intervals(tables: dict[str, Table]) -> None:
    titles = {column.key: column.title for column in tables["voe"].columns}
    assert titles["auroc_onset"] == "AUROC onset [95\N{NO-BREAK SPACE}%] (span)"
    texts = {r.cells["model"].text: r.cells["auroc_onset"].text for r in tables["voe"].rows[:3]}
    assert " (" in texts["LeWM"]
    assert " [" in texts["LeWM ViT"]
    head = csv_text(tables["voe"]).splitlines()[0]
    assert "auroc_onset,auroc_onset_low,auroc_onset_high,auroc_onset_span_low," in head


def test_the_smallest_visible_effect_is_stated(tables: dict[str, Table]) -> None:
    table = tables["voe"]
    assert "n = 200 matched pairs" in table.caption
    assert "Smallest effect that so many can see after Holm: d_z = 0.25." in table.caption


def test_n_stands_beside_every_condition(push_t: WorldView) -> None:
    found = {table.name.removeprefix("push-t-"): table for table in voe_tables(push_t)}
    assert found["voe"].caption.startswith(
        "n = 200 matched pairs of trajectories a condition (frozen block 143, pass-through of "
        "block 87, fast-forward of agent 187). AUROC of surprise"
    )
    for name in ("voe", "voe-baselines", "voe-windows", "voe-checkpoints"):
        n = {row.group: row.cells["n"].text for row in found[name].rows}
        assert n["Frozen block (violation of physics)"] == "143", name
        assert n["Swapped actions (mismatch of actions)"] == "200", name
    assert {row.cells["n"].text for row in found["voe-contrasts"].rows} == {"200"}


def test_the_papers_pair_goes_before_others(
    push_t: WorldView, dosed_result: Result, change: Callable[..., Result]
) -> None:
    def pair(keep: Callable[[Metric], bool]) -> tuple[str, str]:
        return main_pair(views(change(dosed_result, keep))[0])

    assert main_pair(push_t) == ("teleport_both", "color_block")
    assert pair(lambda m: m.subject != "teleport_both") == ("teleport_block", "color_block")
    compared = ("teleport_block", "color_agent")
    only = pair(
        lambda m: (
            m.subject != "teleport_both"
            and (
                m.versus not in ("color_agent", "color_block") or (m.subject, m.versus) == compared
            )
        )
    )
    assert only == compared
    assert pair(lambda m: "color" not in str(m.subject)) == ("teleport_both", "")
    assert pair(lambda m: m.analysis != "voe") == ("", "")


def test_one_row_a_training_seed_where_there_are_several(tables: dict[str, Table]) -> None:
    rows = tables["voe-checkpoints"].rows
    assert {row.cells["model"].text for row in rows} == {"LeWM", "PLDM"}
    assert [row.cells["train_seed"].text for row in rows[:6]] == ["0", "1", "2"] * 2


def test_ratios_are_exponentials_of_the_mean_log(view: WorldView, tables: dict[str, Table]) -> None:
    rows = tables["voe-windows"].rows
    pldm = next(r for r in rows if r.group.startswith("Recoloured agent") and "PLDM" in str(r))
    at = {"subject": "color_agent", "model": "pldm", "window": "steady"}
    mean = view.mean("voe", "delta_log_surprise", **at)
    assert mean is not None
    assert pldm.cells["steady"].value == pytest.approx(factor(mean.value))
    assert factor(1e4) is factor(None) is None


@pytest.mark.parametrize(
    ("condition", "model", "says"),
    [
        ("teleport_agent", "lewm", "decays"),
        ("frozen_agent", "lewm", "persists"),
        ("color_agent", "pldm", "persists: never saw such an image"),
        ("color_agent", "lewm", "no rise shown"),
        ("nothing", "lewm", ""),
    ],
)
def test_how_the_course_reads(view: WorldView, condition: str, model: str, says: str) -> None:
    assert reading(view, condition, model) == says


@pytest.mark.parametrize(
    ("low", "says"),
    [(0.003, "persists, not shown to be above ×1.25"), (0.3, "persists: never saw such an image")],
)
def test_a_ratio_near_one_does_not_call_an_image_new(
    result: Result, change: Callable[..., Result], low: float, says: str
) -> None:
    """×1.007, measured to a thousandth, is raised and is nothing."""

    def raised(m: Metric) -> dict[str, float]:
        steady = m.metric == "delta_log_surprise" and m.window == "steady"
        return {"value": low + 0.004, "ci_low": low, "ci_high": low + 0.008} if steady else {}

    changed = views(change(result, update=raised))[0]
    assert reading(changed, "color_agent", "pldm") == says
    assert stays_raised(changed, "color_agent", "pldm") == (low > 0.3 - 1e-9)
    alone = color_alone(changed, "color_agent", "pldm")
    assert ("the model may never have seen such an image" in alone) == (low > 0.2)


def test_without_intervals_nothing_is_read_into_the_course(
    result: Result, change: Callable[..., Result]
) -> None:
    bare = views(change(result, update=lambda m: {"ci_low": None, "ci_high": None}))[0]
    assert reading(bare, "teleport_agent", "lewm") == ""


def test_unknown_conditions_and_baselines_are_shown(
    result: Result, change: Callable[..., Result]
) -> None:
    def renamed(m: Metric) -> dict[str, str]:
        found = {"subject": "gravity_off"} if m.subject == "blur" else {}
        return found | ({"control": "oracle_x"} if m.control == "copy_last" else {})

    tables = named(views(change(result, lambda m: m.analysis == "voe", renamed))[0])
    assert "Gravity off (other)" in {row.group for row in tables["voe"].rows}
    assert "oracle x" in [column.title for column in tables["voe-baselines"].columns]
