from __future__ import annotations

import json
from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError
from lewm_probe.reports.gate.foreseen import check_foreseen
from lewm_probe.reports.gate.threshold import Gate, load_gate
from lewm_probe.results.analyses import ANALYSES

SUITE = {
    "world": "two-room",
    "voe": {"conditions": [{"name": "teleport_agent"}], "dose_response": [{"name": "dose_blur"}]},
    "probe": {"quantities": ["agent_position"]},
    "straightness": {"strides": [1, 2, 10]},
}
ANALYSED = ("probe", "voe", "straightness", "geometry")


def gate(tmp_path: Path, threshold: str) -> Gate:
    path = tmp_path / "gate.yaml"
    path.write_text(f"thresholds:\n  - {{{threshold}}}\n")
    return load_gate(path)


@pytest.mark.parametrize(
    ("threshold", "title", "reported"),
    [
        (
            "analysis: vo, metric: auroc, at_least: 0",
            "vo auroc",
            "'analysis: vo' will not be there. Did you mean 'voe'? Known: geometry, probe, "
            "straightness, voe.",
        ),
        (
            "analysis: rollout, metric: mse, at_most: 1",
            "rollout mse",
            "'analysis: rollout' will not be there. Known: geometry, probe, straightness, voe.",
        ),
        (
            "analysis: geometry, metric: efective_rank, at_least: 2",
            "geometry efective_rank",
            "'metric: efective_rank' will not be there. Did you mean 'effective_rank'? Known: "
            "dimension_variance, effective_rank, participation_ratio, r2, sigreg, trace_cov.",
        ),
        (
            "analysis: voe, subject: teleport_agnt, metric: auroc, at_least: 0.7",
            "voe auroc subject teleport_agnt",
            "'subject: teleport_agnt' will not be there. Did you mean 'teleport_agent'? Known: "
            "dose_blur, preflight, reference, teleport_agent.",
        ),
        (
            "analysis: voe, subject: teleport_agnt, verdict: yes",
            "voe subject teleport_agnt verdict",
            "'subject: teleport_agnt' will not be there. Did you mean 'teleport_agent'? Known: "
            "dose_blur, preflight, reference, teleport_agent.",
        ),
        (
            "analysis: probe, subject: agent_velocity, metric: r2, at_least: 0",
            "probe r2 subject agent_velocity",
            "'subject: agent_velocity' will not be there. Did you mean 'agent_position'? Known: "
            "agent_position, agent_position_change, agent_position_raw.",
        ),
        (
            "analysis: voe, metric: auroc, model: lwem, at_least: 0",
            "voe auroc model lwem",
            "'model: lwem' will not be there. Did you mean 'lewm'? Known: lewm, pldm.",
        ),
        (
            "analysis: voe, metric: auroc, world: push-t, at_least: 0",
            "world push-t voe auroc",
            "'world: push-t' will not be there. Known: two-room.",
        ),
        (
            "analysis: voe, metric: auroc_difference_paired, at_least: 0",
            "voe auroc_difference_paired",
            "'metric: auroc_difference_paired' will not be there. Did you mean "
            "'auroc_difference'? Known: action_swap_auroc, auroc, auroc_difference, "
            "auroc_whitened, clean_over_copy_last, d_z, delta_auroc_over_action_blind, "
            "delta_auroc_over_copy_last, delta_auroc_over_linear_extrapolation, "
            "delta_auroc_over_pixel_difference, delta_auroc_over_random_encoder, "
            "delta_log_surprise, ….",
        ),
        (
            "analysis: voe, metric: auroc, window: onest, at_least: 0",
            "voe auroc window onest",
            "'window: onest' will not be there. Did you mean 'onset'? Known: max, max_after, "
            "mean_after, min, onset, steady, transient.",
        ),
        (
            "analysis: probe, metric: r2, method: mpl, at_least: 0",
            "probe r2 method mpl",
            "'method: mpl' will not be there. Did you mean 'mlp'? Known: linear, mlp.",
        ),
        (
            "analysis: straightness, metric: cosine, stride: 3, at_least: 0",
            "straightness cosine stride 3",
            "'stride: 3' will not be there. Known: 1, 2, 10.",
        ),
    ],
)
def test_a_slip_is_told_before_the_work(
    tmp_path: Path, threshold: str, title: str, reported: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_foreseen(gate(tmp_path, threshold), SUITE, ANALYSED, {"lewm", "pldm"})
    assert str(caught.value) == (
        f"Threshold 1 of the gate, “{title}”, would fit no number of this audit: {reported} "
        "Nothing was measured yet: fix the gate."
    )


@pytest.mark.parametrize(
    "threshold",
    [
        "analysis: voe, subject: dose_blur, metric: p_noticed_holm, at_most: 0.05",
        "analysis: probe, subject: agent_position_change, metric: pearson_r, at_least: 0.9",
        "analysis: voe, subject: teleport_agent, verdict: noticed",
        "analysis: voe, metric: auroc_difference_paired, versus: lewm (old), at_least: 0",
        "analysis: geometry, subject: time_index, metric: r2, at_most: 0.5, model: lewm",
    ],
)
def test_what_may_be_there_is_left_to_the_results(tmp_path: Path, threshold: str) -> None:
    check_foreseen(gate(tmp_path, threshold), SUITE, ANALYSED, {"lewm"}, {"old"})


REPORTS = Path(__file__).parents[3] / "reports"
PUBLISHED = [path.parent for path in sorted(REPORTS.rglob("results.json"))]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: str(path.relative_to(REPORTS)))
def test_analyses_declare_all_that_was_ever_published(folder: Path) -> None:
    tables = [json.loads((folder / "results.json").read_text(encoding="utf-8"))["metrics"]]
    tables += [json.loads(path.read_text()) for path in sorted(folder.glob("metrics-*.json"))]
    rows = [dict(zip(part["columns"], row, strict=True)) for part in tables for row in part["rows"]]
    assert rows
    for row in rows:
        analysis = ANALYSES.get(row["analysis"])
        if "_difference_" not in row["metric"]:  # against published results
            assert row["metric"].removesuffix("_holm") in analysis.metrics
        for key in ("method", "window"):
            assert row.get(key) is None or row[key] in analysis.keys[key]
