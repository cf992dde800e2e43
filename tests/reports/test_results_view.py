from __future__ import annotations

from collections.abc import Callable

from lewm_probe.reports.results_view import ANY, WorldView, views
from lewm_probe.results.result import Result, merge
from lewm_probe.results.schema import Metric, Provenance


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


def test_a_setting_is_that_of_the_call_that_asked_its_analysis() -> None:
    """Other calls' suites have the section too, with its defaults."""
    calls = [
        Provenance(
            command=name,
            version="",
            settings={"analysis": name, "suite": {"world": "w", "decode": {"steps": steps}}},
        )
        for name, steps in (("map", 600), ("decode", 300))
    ]
    view = views(Result(calls, [], [metric(1)]))[0]
    assert view.setting("decode", "steps", default=1) == 300
    assert view.setting("suite", "world", default="") == "w"
    assert view.setting("decode", "width", default=64) == 64
