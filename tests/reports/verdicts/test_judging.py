from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.reports.verdicts.judging import (
    GRADES,
    REQUIRED,
    Answer,
    Shown,
    grade,
    joint,
    limits,
)
from lewm_probe.results.schema import Metric


def row(low: float | None, high: float | None, value: float = 0.6) -> Metric:
    return Metric(
        model="m", family="lewm", world="w", analysis="voe", metric="auroc", value=value,
        ci_low=low, ci_high=high,
    )  # fmt: skip


BEYOND = {name: row(0.01, 0.3) for name in REQUIRED}
ABOVE = row(0.55, 0.7)


def test_yes_needs_everything() -> None:
    assert grade(ABOVE, BEYOND, 0.01, 0.04, 0.05) == "yes"
    assert grade(ABOVE, BEYOND, 0.01, 0.05, 0.05) == "noticed"
    assert grade(ABOVE, BEYOND, 0.01, None, 0.05) == "noticed"
    assert grade(ABOVE, BEYOND, 0.01, 0.04, 0.02) == "noticed"


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("other", [None, row(0.0, 0.2), row(-0.1, 0.2), row(None, None)])
def test_each_baseline_caps_a_verdict(name: str, other: Metric | None) -> None:
    gains = {k: v for k, v in (BEYOND | {name: other}).items() if v is not None}
    assert grade(ABOVE, gains, 0.01, 0.01, 0.05) == "noticed"
    found = limits([Shown(ABOVE, gains, 0.01, 0.01)], REQUIRED)
    assert (found.missing, found.unbeaten) == (((name,), ()) if other is None else ((), (name,)))


def test_an_effect_needs_interval_and_p() -> None:
    assert grade(row(0.5, 0.7), BEYOND, 0.01, 0.01, 0.05) == "not shown"
    assert grade(ABOVE, BEYOND, 0.05, 0.01, 0.05) == "not shown"
    assert grade(row(None, None), BEYOND, 0.01, 0.01, 0.05) == "not shown"
    assert grade(row(0.3, 0.49), BEYOND, 0.99, 0.99, 0.05) == "no"


def test_without_a_test_there_is_no_verdict() -> None:
    assert grade(None, {}, 0.01, 0.01, 0.05) == "not measured"
    assert grade(ABOVE, BEYOND, None, None, 0.05) == "not measured"


def test_another_level_and_other_baselines() -> None:
    own = row(0.1, 0.3)
    gains = {"random_weights": row(0.1, 0.2), "pixel_pca": row(0.1, 0.2)}
    asked = {"level": 0.0, "required": ("random_weights", "pixel_pca")}
    assert grade(own, gains, 0.01, 0.01, 0.05, **asked) == "yes"  # type: ignore[arg-type]
    del gains["pixel_pca"]
    assert grade(own, gains, 0.01, 0.01, 0.05, **asked) == "noticed"  # type: ignore[arg-type]


def test_several_checkpoints_get_what_all_of_them_reach() -> None:
    """Against the words of the rule, for every three grades."""
    for answers in product(GRADES, repeat=3):
        found = joint(answers)
        noticed = [a in ("yes", "noticed") for a in answers]
        assert (found == "yes") == all(a == "yes" for a in answers)
        assert (found == "noticed") == (all(noticed) and found != "yes")
        assert (found == "mixed") == (any(noticed) and not all(noticed))
        assert (found == "no") == all(a == "no" for a in answers)
    none: list[Answer] = ["not measured"]
    assert joint(none) == joint([]) == "not measured"
    assert joint(["not measured", "yes"]) == "yes"


ends = st.none() | st.floats(0, 1)


@given(ends, ends, ends, ends, st.dictionaries(st.sampled_from(REQUIRED), ends))
def test_more_evidence_never_lowers_a_grade(
    low: float | None, high: float | None, p: float | None, q: float | None, gains: dict[str, float]
) -> None:
    rows = {name: row(end, 1.0) for name, end in gains.items()}
    found = grade(row(low, high), rows, p, q, 0.05)
    if found != "not measured":
        better = {**rows, **BEYOND}
        assert GRADES.index(grade(row(low, high), better, p, 0.0, 0.05)) <= GRADES.index(found)
