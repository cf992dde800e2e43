from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.reports.results_view import ANY, WorldView, means, preferred, sample, samples, views
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric


def metric(value: float | None, **keys: object) -> Metric:
    shared = {"model": "m", "family": "lewm", "world": "w", "analysis": "voe", "metric": "auroc"}
    return Metric(**{**shared, "value": value, **keys})  # type: ignore[arg-type]


def seen(*metrics: Metric) -> WorldView:
    return views(Result([], [], metrics))[0]


def test_pick_leaves_controls_differences_and_doses_out_unless_asked() -> None:
    rows = [
        metric(1),
        metric(2, control="copy_last"),
        metric(3, versus="other"),
        metric(4, dose=0.5),
        metric(None, window="onset"),
    ]
    view = seen(*rows)
    assert view.pick("voe", "auroc") == rows[:1]
    assert view.pick("voe", "auroc", control=ANY, versus=ANY, dose=ANY) == rows[:4]
    assert view.pick("voe", "auroc", control=("copy_last", None)) == rows[:2]
    assert view.pick("probe", "mse") == []


def test_last_step_counts_and_a_row_without_step_counts_more() -> None:
    early, late = metric(1, step=0, train_seed=0), metric(2, step=9, train_seed=0)
    bare = metric(3, train_seed=0)
    assert seen(early, late).pick("voe", "auroc") == [late]
    assert seen(early, late, bare).pick("voe", "auroc") == [bare]
    assert seen(early, late, bare).pick_all_steps("voe", "auroc") == [early, late, bare]


def test_curves_over_training_need_two_steps(view: WorldView) -> None:
    at = {"subject": "agent_position", "features": "z", "method": "linear"}
    curves = view.training("probe", "pearson_r", **at)
    assert list(curves) == [
        *(("lewm", k) for k in range(3)),
        ("lewm-vit", 0),
        *(("pldm", k) for k in range(3)),
    ]
    assert [step for step, _ in curves["lewm", 0]] == [0, 200, 400, 800, 1600]
    assert view.training("voe", "auroc", subject="teleport_agent", window="onset") == {}


def test_means_average_evaluation_seeds_before_training_seeds() -> None:
    rows = [metric(v, train_seed=s, eval_seed=e) for v, s, e in ((0, 0, 1), (2, 0, 2), (5, 1, 1))]
    (mean,) = means(rows)
    assert mean.value == 3  # not 7/3
    assert mean.values == (1, 5)
    assert mean.checkpoints == 2
    assert mean.seed_sd == pytest.approx(8**0.5)


def test_an_interval_is_the_envelope_and_missing_ends_do_not_hide_values() -> None:
    rows = [
        metric(0.5, train_seed=0, ci_low=0.4, ci_high=0.6, n=20),
        metric(0.9, train_seed=1, n=30),
    ]
    (mean,) = means(rows)
    assert (mean.low, mean.high) == (0.4, 0.9)
    assert (mean.n, mean.n_high) == (20, 30)
    assert sample(rows) == "n = 20–30"
    (single,) = means(rows[1:])
    assert (single.low, single.high, single.seed_sd) == (None, None, None)
    assert means([metric(None)]) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_mean_lies_in_its_envelope(values: list[float]) -> None:
    rows = [metric(v, train_seed=k, ci_low=v - 1, ci_high=v + 1) for k, v in enumerate(values)]
    (mean,) = means(rows)
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low <= mean.value <= mean.high


def test_onset_is_preferred_over_no_window_only() -> None:
    onset, bare, late = metric(1, window="onset"), metric(2), metric(3, window="mean_after")
    assert preferred([bare, onset]) == [onset]
    assert preferred([bare]) == [bare]
    assert preferred([onset, late]) == [onset, late]


def test_conditions_with_fewer_trajectories_are_named() -> None:
    rows = [
        metric(1, subject="blur", n=200),
        metric(1, subject="frozen_block", n=143),
        metric(1, subject="fast_forward_agent", n=160),
        metric(1, subject="fast_forward_agent", n=200),
        metric(1, subject="brightness"),
    ]
    assert (
        samples(rows, " pairs") == "n = 200 pairs (frozen block 143, fast-forward of agent 160–200)"
    )
    assert samples(rows[:1]) == "n = 200"
    assert samples(rows[-1:]) == ""


def test_each_world_has_its_own_suite(make: Callable[..., Result]) -> None:
    lone = (("lewm", "lewm", (0,)),)
    first = make(models=lone, analyses=("geometry",))
    second = make(models=lone, analyses=("geometry",), world="push-t", doses={"dose_x": (0.1,)})
    two_room, push_t = views(merge([first, second]))
    for view, command in ((two_room, "two-room"), (push_t, "push-t")):
        assert [record.command.split()[-1] for record in view.provenance] == [command]
    assert two_room.stated("dose_x") == {}
    assert push_t.stated("dose_x") == {"name": "dose_x"}
    assert push_t.stated("fast_forward_agent")["dose"] == 0.1


def test_worlds_are_apart_and_looks_are_shared(make: Callable[..., Result]) -> None:
    first = make(analyses=("rollout",))
    second = make(models=(("lewm-vit", "lewm", (0,)),), analyses=("rollout",), world="push-t")
    a, b = views(merge([first, second]))
    assert (a.world, b.world) == ("two-room", "push-t")
    assert b.models == ["lewm-vit"]
    assert a.looks["lewm-vit"] == b.looks["lewm-vit"]
    assert {row.world for row in b.pick("rollout", "mse")} == {"push-t"}


def test_checkpoints_are_training_seeds_of_models_not_of_differences(view: WorldView) -> None:
    assert view.checkpoints("lewm") == [0, 1, 2]
    assert view.checkpoints("lewm-vit") == [0]
    assert view.checkpoints("nobody") == []


def test_conditions_go_by_what_they_violate_and_the_suite_may_say_so(
    make: Callable[..., Result],
) -> None:
    rows = [
        metric(0.7, subject=name) for name in ("brightness", "strange", "teleport_x", "reference")
    ]
    assert seen(*rows).conditions() == ["teleport_x", "brightness", "strange"]
    named = make(analyses=("voe",), models=(("lewm", "lewm", (0,)),))
    settings = {"suite": {"voe": {"conditions": [{"name": "strange", "kind": "teleport"}]}}}
    stamp = named.provenance[0].model_copy(update={"settings": settings})
    view = views(Result([stamp], [], rows))[0]
    assert view.kind("strange") == "teleport"
    assert view.kind("brightness") == "brightness"
    assert view.setting("voe", "nothing", default=3) == 3
