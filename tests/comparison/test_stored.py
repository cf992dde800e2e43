from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lewm_probe.auditing.against import comparable
from lewm_probe.comparison.stored import (
    LOG_FLOOR,
    StoredCheckpoint,
    checkpoints,
    key_of,
    log_floor,
    samples,
    stored,
)
from lewm_probe.results.result import Result, as_rows
from lewm_probe.results.schema import Metric, Provenance

PUBLISHED = Path(__file__).parents[2] / "reports" / "two-room-cpu"


@pytest.fixture(scope="module")
def published() -> Result:
    return Result.load(PUBLISHED)


def test_published_rows_give_the_published_numbers(published: Result) -> None:
    """Rows hold float32 of what the analyses computed: their numbers come out again."""
    one = checkpoints(published, "two-room")[0]
    assert one == StoredCheckpoint("two-room", "lewm", "lewm", 1, 900)
    found = samples(published.rows, one, log_floor(published, "two-room"), comparable())
    numbers = stored(published.metrics, one, comparable())
    assert {dict(key)["analysis"] for key in found} == {
        "probe",
        "voe",
        "straightness",
        "rollout",
    }
    assert len(found) > 40
    for key, sample in found.items():
        values = sample.values.to_numpy()
        if sample.statistic == "mean":
            value = values[:, 0].mean()
        elif sample.statistic == "ratio":
            value = values[:, 0].mean() / values[:, 1].mean()
        else:
            value = roc_auc_score(np.repeat([1, 0], len(values)), values.T.ravel())
        assert value == pytest.approx(numbers[key].value, rel=1e-5, abs=1e-6), key
        assert len(values) == numbers[key].n


def test_every_seed_is_a_checkpoint_at_its_last_step(published: Result) -> None:
    found = checkpoints(published, "two-room")
    assert [(c.model, c.train_seed, c.step) for c in found] == [
        (e.name, e.train_seed, e.step) for e in published.models
    ]
    assert checkpoints(published, "push-t") == []


def test_weights_without_a_step_are_the_last_of_their_run() -> None:
    """A folder with weights.pt and weights_epoch_N.pt: curves have the epochs as steps."""

    def metric(step: int | None) -> Metric:
        keys = {"model": "a", "family": "lewm", "world": "w", "step": step, "value": 1.0}
        return Metric(**keys, analysis="probe", metric="mse")

    for steps in ((None, 1, 2), (1, None, 2), (1, 2, None)):
        (one,) = checkpoints(Result([], [], [metric(step) for step in steps]), "w")
        assert one.step is None


ONE = StoredCheckpoint("w", "a", "a", 1, None)


def row(**keys: object) -> dict[str, object]:
    shared = {"model": "a", "train_seed": 1, "world": "w", "analysis": "voe", "features": "z"}
    return {**shared, "metric": "surprise", "horizon": 0, "trajectory_id": "t", **keys}


def test_a_condition_with_an_onset_of_its_own_is_matched_by_frame() -> None:
    rows = as_rows(
        [
            *[row(subject="reference", frame=f, horizon=f - 5, value=1.0 + f) for f in range(4, 9)],
            row(subject="frozen_block", frame=7, value=80.0),  # later than the case's own onset, 5
            row(subject="frozen_block", frame=12, trajectory_id="u", value=80.0),
            row(subject="reference", frame=5, trajectory_id="u", value=1.0),  # not at frame 12
        ]
    )
    found = samples(rows, ONE, 0.0, comparable())
    keys = {"analysis": "voe", "subject": "frozen_block", "features": "z", "window": "onset"}
    delta = found[key_of(metric="delta_log_surprise", **keys)]
    assert delta.values[0].to_dict() == {"t": pytest.approx(np.log(10.0))}
    assert key_of(metric="delta_auroc_over_copy_last", **keys) not in found


def test_values_that_are_not_finite_are_left_out() -> None:
    at = {"analysis": "probe", "metric": "mse", "subject": "p", "method": "linear", "horizon": None}
    rows = as_rows(
        [row(trajectory_id=t, value=v, **at) for t, v in (("a", 1.0), ("b", np.inf), ("c", 3.0))]
    )
    (sample,) = samples(rows, ONE, 0.0, comparable()).values()
    assert sorted(sample.values.index) == ["a", "c"]


def test_numbers_of_latent_scale_and_of_other_windows_are_not_compared() -> None:
    def metric(**keys: object) -> Metric:
        shared = {"model": "a", "family": "a", "train_seed": 1, "world": "w", "value": 1.0}
        return Metric.model_validate({**shared, **keys})

    kept = metric(analysis="voe", metric="auroc", window="onset")
    gain = metric(analysis="voe", metric="delta_auroc_over_copy_last", versus="copy_last")
    others = [
        metric(analysis="voe", metric="auroc", window="mean_after"),
        metric(analysis="voe", metric="surprise", window="onset"),
        metric(analysis="voe", metric="auroc", window="onset", control="copy_last"),
        metric(analysis="rollout", metric="mse", horizon=1),
        metric(analysis="straightness", metric="cosine", versus="b"),
        metric(analysis="voe", metric="auroc", window="onset", world="other"),
    ]
    assert list(stored([kept, gain, *others], ONE, comparable()).values()) == [kept]


def test_the_floor_is_the_suites() -> None:
    suite = {"world": "w", "voe": {"log_floor": 1e-3}}
    record = Provenance(command="c", version="0", settings={"suite": suite})
    assert log_floor(Result([record], [], []), "w") == 1e-3
    assert log_floor(Result([record], [], []), "other") == LOG_FLOOR
