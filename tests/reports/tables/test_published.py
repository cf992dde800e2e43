from __future__ import annotations

from typing import Any

import pytest

from lewm_probe.reports.page.markdown import markdown
from lewm_probe.reports.page.sections import content
from lewm_probe.reports.results_view import views
from lewm_probe.reports.tables.published import against_tables
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

RIVALS = ("lewm (published)", "pldm (published)")


def result() -> Result:
    """One of ours against two published models: every kind of difference once."""
    metrics = []

    def add(model: str, metric: str, value: float, **keys: Any) -> None:
        shared = {"family": "lewm", "world": "two-room", "train_seed": 1, "features": "z"}
        metrics.append(
            Metric.model_validate(
                {**shared, "model": model, **keys} | {"metric": metric, "value": value}
            )
        )

    voe = {"analysis": "voe", "subject": "teleport_agent", "window": "onset"}
    probe = {"analysis": "probe", "subject": "agent_position", "method": "linear"}
    rank = {"analysis": "geometry"}
    rollouts = [{"analysis": "rollout", "horizon": k} for k in (1, 8)]
    for k, model in enumerate(("lewm", *RIVALS)):
        add(model, "auroc", 0.9 - 0.1 * k, **voe)
        add(model, "mse", 0.02 + 0.01 * k, **probe)
        add(model, "effective_rank", 30.0 + k, **rank)
        for at in rollouts:
            add(model, "mse_over_copy_last", 0.5, **at)
    for k, versus in enumerate(RIVALS, 1):
        how = {"versus": versus, "n": 200 - k}
        ends = {"ci_low": 0.1 * k - 0.02, "ci_high": 0.1 * k + 0.02, "higher_is_better": True}
        add("lewm", "auroc_difference_paired", 0.1 * k, **voe, **how, **ends)
        ends = {"ci_low": -0.02, "ci_high": 0.001, "higher_is_better": False}
        add("lewm", "mse_difference_unpaired", -0.01 * k, **probe, **how, **ends)
        add("lewm", "effective_rank_difference_stored", -1.0 * k, **rank, versus=versus)
        for at in rollouts:
            add("lewm", "mse_over_copy_last_difference_stored", 0.0, **at, versus=versus)
    # Differences within one result are told elsewhere.
    add("lewm", "auroc_difference", 0.3, **voe, versus="pldm")
    return Result([], [], metrics)


def test_headlines_stand_beside_every_published_model() -> None:
    (view,) = views(result())
    headlines, _ = against_tables(view)
    assert headlines.name == "two-room-against-lewm"
    assert headlines.title == "LeWM against published results"
    assert headlines.headings == [("", 2), ("LeWM (published)", 2), ("pldm (published)", 2)]
    cells = {
        (row.group, row.cells["measure"].text): [
            headlines.cell(row, column).text for column in headlines.columns[1:]
        ]
        for row in headlines.rows
    }
    assert cells == {
        ("AUROC at onset", "Teleport of agent"): [
            "0.900",
            "0.800",
            "0.100 [0.080, 0.120]",
            "0.700",
            "0.200 [0.180, 0.220]",
        ],
        ("Probes: MSE on z-scored targets", "Agent position, linear"): [
            "0.020",
            "0.030",
            "−0.010 [−0.020, 0.001] unpaired",
            "0.040",
            "−0.020 [−0.020, 0.001] unpaired",
        ],
        ("Rollouts: error over copy-last", "k = 8"): ["0.500", "0.500", "0.00", "0.500", "0.00"],
        ("Effective rank", "Latents"): ["30.0", "31.0", "−1.00", "32.0", "−2.00"],
    }
    assert ", with 95 % interval, n = 198–199. Paired over" in headlines.caption


def test_every_difference_says_how_it_was_made_and_who_is_ahead() -> None:
    (view,) = views(result())
    _, everything = against_tables(view)
    assert everything.name == "two-room-against-all-lewm"
    rows = [
        [everything.cell(row, column).text for column in everything.columns]
        for row in everything.rows
        if row.group == "LeWM − LeWM (published)"
    ]
    assert rows == [
        [
            "AUROC at onset: Teleport of agent",
            "0.900",
            "0.800",
            "0.100 [0.080, 0.120]",
            "paired",
            "199",
            "LeWM",
        ],
        [
            "Probes: MSE on z-scored targets: Agent position, linear",
            "0.020",
            "0.030",
            "−0.010 [−0.020, 0.001]",
            "unpaired",
            "199",
            "not shown",
        ],
        ["Rollouts: error over copy-last: k = 1", "0.500", "0.500", "0.00", "no rows", "", ""],
        ["Rollouts: error over copy-last: k = 8", "0.500", "0.500", "0.00", "no rows", "", ""],
        ["Effective rank: Latents", "30.0", "31.0", "−1.00", "no rows", "", ""],
    ]


def test_the_page_shows_headlines_and_folds_the_rest() -> None:
    given = result()
    whole = content(given, views(given), None)
    (section,) = [s for part in whole.parts for s in part.sections if s.key == "against"]
    assert [t.name for t in section.open_tables] == ["two-room-against-lewm"]
    assert [t.name for t in section.folded_tables] == ["two-room-against-all-lewm"]
    assert "### Against published results" in markdown(whole)


def test_stored_differences_stand_beside_pairs_of_models() -> None:
    given = result()
    whole = content(given, views(given), None)
    compared = {
        one.table.title: one.table for p in whole.parts for s in p.sections for one in s.comparisons
    }
    table = compared["LeWM against pldm (published)"]
    (row,) = [
        r for r in table.rows if r.cells["measure"].text == "Teleport of agent: AUROC at onset"
    ]
    assert row.cells["difference"].value == pytest.approx(0.2)


def test_without_differences_there_is_no_section() -> None:
    bare = Result([], [], [m for m in result().metrics if m.versus is None])
    assert against_tables(views(bare)[0]) == []
