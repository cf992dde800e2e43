import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.results.result import Result
from lewm_probe.stats.bootstrap import Estimate


@pytest.fixture
def checkpoint(doubles):
    return checkpoint_from_model("lewm", doubles["oracle"](train_seed=3, step=40))


def test_a_metric_says_whose_it_is(checkpoint, suite):
    recorder = ResultRecorder("probe", suite)
    recorder.metric(checkpoint, "r2", Estimate(0.5, 0.4, 0.6, 20), subject="agent_position")
    (metric,) = recorder.metrics
    assert (metric.model, metric.family, metric.train_seed, metric.step) == ("lewm", "lewm", 3, 40)
    assert (metric.world, metric.analysis, metric.subject) == (
        "two-room",
        "probe",
        "agent_position",
    )
    assert (metric.value, metric.ci_low, metric.ci_high, metric.n) == (0.5, 0.4, 0.6, 20)
    assert (metric.eval_seed, metric.higher_is_better) == (suite.seed, True)


def test_not_finite_is_null(checkpoint, suite):
    recorder = ResultRecorder("probe", suite)
    recorder.metric(checkpoint, "r2", Estimate(float("nan"), float("-inf"), float("inf"), 3))
    recorder.metric(checkpoint, "mse", None)
    assert [(m.value, m.ci_low, m.ci_high) for m in recorder.metrics] == [(None, None, None)] * 2


def test_rows_and_result_survive_the_disk(checkpoint, suite, tmp_path):
    recorder = ResultRecorder("probe", suite)
    recorder.rows(checkpoint, "mse", np.array([1.0, np.nan, 3.0]), ["a", "b", "c"], subject="q")
    recorder.rows(checkpoint, "true", np.array([5.0]), ["a"], np.array([7]), axis="x")
    recorder.note("Mind the gap.")
    recorder.note("Mind the gap.")
    result = recorder.result([checkpoint], {"sizes": 3})
    result.save(tmp_path)
    rows = Result.load(tmp_path).rows
    assert rows["trajectory_id"].tolist() == ["a", "c", "a"]
    assert rows["value"].tolist() == [1.0, 3.0, 5.0]
    assert rows["model"].unique().tolist() == ["lewm"]
    assert rows["frame"].iloc[2] == 7 and rows["step"].iloc[0] == 40
    (stamp,) = result.provenance
    assert stamp.notes == ["Mind the gap."]
    assert stamp.settings == {"sizes": 3}


def test_nothing_written_is_an_empty_result(checkpoint, suite):
    result = ResultRecorder("probe", suite).result([checkpoint], {})
    assert len(result.metrics) == 0 and len(result.rows) == 0
