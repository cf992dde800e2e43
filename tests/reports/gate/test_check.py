from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lewm_probe.core.errors import UsageError
from lewm_probe.reports.gate.check import check_gate
from lewm_probe.reports.gate.outcome import Outcome, gate_failure, gate_table
from lewm_probe.reports.gate.threshold import Gate, load_gate
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric

GATE = """
thresholds:
  - {name: notices one wrong step, analysis: voe, subject: step_teleport_agent, window: onset,
     metric: auroc, at_least: 0.7}
  - {analysis: probe, subject: agent_position, method: linear, features: z, metric: pearson_r,
     at_least: 0.9, bound: ci_low, model: lewm}
"""


def metric(**keys: object) -> Metric:
    shared = {"model": "a", "family": "a", "train_seed": 1, "step": 9, "world": "w"}
    return Metric.model_validate(
        {**shared, "analysis": "voe", "metric": "auroc", "subject": "jump", "value": 0.8, **keys}
    )


def gate(tmp_path: Path, *thresholds: str) -> Gate:
    path = tmp_path / "gate.yaml"
    path.write_text("thresholds:\n" + "".join(f"  - {{{text}}}\n" for text in thresholds))
    return load_gate(path)


def held(tmp_path: Path, metrics: list[Metric], *thresholds: str) -> list[Outcome]:
    return check_gate(Result([], [], metrics), gate(tmp_path, *thresholds))


JUMP = "analysis: voe, metric: auroc, subject: jump"


def test_every_checkpoint_is_held_against_every_threshold(
    make: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(GATE)
    outcomes = check_gate(make(), load_gate(path))
    reported = [(one.threshold.name, one.model, one.passed) for one in outcomes]
    assert reported == [
        *[("notices one wrong step", f"lewm, seed {s}", True) for s in (0, 1, 2)],
        *[("notices one wrong step", f"pldm, seed {s}", False) for s in (0, 1, 2)],
        ("notices one wrong step", "lewm-vit", True),
        *[(None, f"lewm, seed {s}", True) for s in (0, 1, 2)],
    ]
    last = outcomes[-1]
    assert last.measured == last.metric.ci_low != last.metric.value


@pytest.mark.parametrize(
    ("limits", "value", "passed"),
    [
        ("at_least: 0.8", 0.8, True),
        ("at_least: 0.81", 0.8, False),
        ("at_most: 0.8", 0.8, True),
        ("at_most: 0.79", 0.8, False),
        ("at_least: 0.5, at_most: 0.9", 0.8, True),
        ("at_least: 0.5", None, False),
        ("at_most: 1", float("inf"), False),
        ("at_least: 0.5, bound: ci_low", 0.8, False),
        ("at_least: 0.5, bound: ci_high", 0.8, True),
    ],
)
def test_limits(tmp_path: Path, limits: str, value: float | None, passed: bool) -> None:
    (one,) = held(tmp_path, [metric(value=value, ci_low=0.4, ci_high=0.95)], f"{JUMP}, {limits}")
    assert one.passed == passed


def test_keys_that_are_left_out_mean_every_value_but_no_control(tmp_path: Path) -> None:
    metrics = [
        metric(window="onset", value=0.9),
        metric(window="mean_after", value=0.6),
        metric(window="onset", control="copy_last", value=0.1),
        metric(window="onset", dose=0.5, value=0.1),
        metric(window="onset", versus="b", value=0.1),
    ]
    both = held(tmp_path, metrics, f"{JUMP}, at_least: 0.7")
    assert [(one.measured, one.passed) for one in both] == [(0.9, True), (0.6, False)]
    (one,) = held(tmp_path, metrics, f"{JUMP}, at_least: 0.7, window: onset")
    assert one.measured == 0.9
    (copied,) = held(tmp_path, metrics, f"{JUMP}, at_most: 0.5, control: copy_last")
    assert copied.passed and copied.metric.control == "copy_last"


def test_an_explicit_null_does_not_apply(tmp_path: Path) -> None:
    metrics = [metric(window="contact", value=0.1), metric(value=0.9)]
    (one,) = held(tmp_path, metrics, f"{JUMP}, at_least: 0.7, window: null")
    assert one.measured == 0.9


def test_a_gain_names_its_baseline_itself(tmp_path: Path) -> None:
    gain = metric(metric="delta_auroc_over_copy_last", versus="copy_last", value=0.2)
    (one,) = held(
        tmp_path,
        [metric(), gain],
        "analysis: voe, metric: delta_auroc_over_copy_last, at_least: 0.1",
    )
    assert one.metric == gain


def test_only_the_last_step_counts(tmp_path: Path) -> None:
    (one,) = held(tmp_path, [metric(step=1, value=0.1), metric()], f"{JUMP}, at_least: 0.7")
    assert one.measured == 0.8


def test_differences_of_all_training_seeds_are_held_once(tmp_path: Path) -> None:
    difference = metric(
        metric="auroc_difference_paired", versus="a (p)", train_seed=None, step=None, value=-0.1
    )
    metrics = [metric(), metric(train_seed=2), difference]
    (one,) = held(
        tmp_path,
        metrics,
        "analysis: voe, metric: auroc_difference_paired, versus: a (p), at_least: -0.05",
    )
    assert (one.model, one.passed) == ("a, all training seeds", False)


def test_what_failed_is_told_in_one_paragraph(tmp_path: Path) -> None:
    metrics = [
        metric(window="onset", value=0.61, ci_low=0.5),
        metric(analysis="probe", subject="pose", metric="r2", method="mlp", value=None),
    ]
    outcomes = held(
        tmp_path,
        metrics,
        f"name: jumps, {JUMP}, at_least: 0.7",
        f"{JUMP}, at_least: 0.55, at_most: 0.9, bound: ci_low",
        "analysis: probe, metric: r2, at_least: 0.1",
        f"{JUMP}, at_least: 0.1",
    )
    assert str(gate_failure(outcomes, "gate.yaml")) == (
        "3 of 4 numbers did not pass the gate gate.yaml. “jumps”: auroc (jump onset) of a is "
        "0.6100, at least 0.7 was asked; lower end of auroc (jump onset) of a is 0.5000, at least "
        "0.55 and at most 0.9 was asked; r2 (pose mlp) of a could not be measured, at least 0.1 "
        "was asked. The results were written all the same: fix the model, or the gate where it "
        "asks too much."
    )
    assert gate_failure(outcomes[3:], "gate.yaml") is None
    columns, rows = gate_table(outcomes)
    assert len(columns) == len(rows[0]) and [r[0] for r in rows] == ["FAILED"] * 3 + ["passed"]
    assert outcomes[0].plain() == {
        "name": "jumps",
        "passed": False,
        "measured": 0.61,
        "bound": "value",
        "at_least": 0.7,
        "at_most": None,
        "world": "w",
        "analysis": "voe",
        "metric": "auroc",
        "model": "a",
        "train_seed": 1,
        "subject": "jump",
        "window": "onset",
        "value": 0.61,
        "ci_low": 0.5,
        "step": 9,
    }


ASKS = "Fix the gate, or measure what it asks for."


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (
            "analysis: voe, metric: auroc, subject: jumb, at_least: 0",
            "“voe auroc subject jumb”, fits no number of a: 'subject: jumb' is not there. Did you "
            "mean 'jump'? Known there: jump.",
        ),
        (
            "analysis: vo, metric: auroc, at_least: 0",
            "“vo auroc”, fits no number of a: 'analysis: vo' is not there. Did you mean 'voe'? "
            "Known there: voe.",
        ),
        (
            f"{JUMP}, model: b, at_least: 0",
            "“voe auroc model b subject jump”, fits no number of these results: 'model: b' is not "
            "there. Known there: a.",
        ),
        (
            f"{JUMP}, train_seed: 7, at_least: 0",
            "“voe auroc train_seed 7 subject jump”, fits no number of these results: 'train_seed: "
            "7' is not there. Known there: 1.",
        ),
        (
            f"{JUMP}, horizon: 3, at_least: 0",
            "“voe auroc subject jump horizon 3”, fits no number of a: 'horizon: 3' is not there. "
            "There it does not apply.",
        ),
        (
            f"{JUMP}, window: null, at_least: 0",
            "“voe auroc subject jump”, fits no number of a: 'window: null' is not there. Known "
            "there: onset.",
        ),
        (
            "analysis: voe, metric: d_z, at_least: 0",
            "“voe d_z”, fits no number of a: every number there has a 'versus', which the "
            "threshold does not name. Known there: color.",
        ),
    ],
)
def test_a_threshold_that_fits_nothing_is_an_error(
    tmp_path: Path, threshold: str, message: str
) -> None:
    metrics = [metric(window="onset"), metric(metric="d_z", versus="color")]
    with pytest.raises(UsageError) as caught:
        held(tmp_path, metrics, threshold)
    assert str(caught.value) == f"Threshold 1 of the gate, {message} {ASKS}"


def test_a_checkpoint_that_was_not_measured_does_not_slip_through(tmp_path: Path) -> None:
    metrics = [metric(), metric(model="b", subject="other")]
    with pytest.raises(UsageError) as caught:
        held(tmp_path, metrics, f"{JUMP}, at_least: 0")
    assert str(caught.value) == (
        "Threshold 1 of the gate, “voe auroc subject jump”, fits no number of b: 'subject: jump' "
        f"is not there. Known there: other. {ASKS}"
    )


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (
            "analysis: voe, metric: auroc, at_lest: 1",
            "has an unknown key 'thresholds.0.at_lest'. Did you mean 'at_least'? Known keys there: "
            "analysis, at_least, at_most, bound, control, dose, features, horizon, method, metric, "
            "model, name, stride, subject, train_seed, verdict, versus, window, world.",
        ),
        ("metric: auroc, at_least: 1", "lacks the key 'thresholds.0.analysis'. Add it."),
    ],
)
def test_the_schema_is_closed(tmp_path: Path, threshold: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        gate(tmp_path, threshold)
    assert str(caught.value) == f"gate {tmp_path / 'gate.yaml'} {message}"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("bound: value", "a threshold needs at_least, at_most or both. Fix this value."),
        (
            "at_least: 2, at_most: 1",
            "at_least lies above at_most, so that no number could pass. Fix this value.",
        ),
        ("at_least: .nan", "Input should be a finite number. Fix this value."),
        ("at_most: .inf", "Input should be a finite number. Fix this value."),
        ("at_most: true", "Input should be a valid number. Fix this value."),
    ],
)
def test_limits_that_are_none(tmp_path: Path, limits: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        gate(tmp_path, f"{JUMP}, {limits}")
    assert str(caught.value).endswith(message)
