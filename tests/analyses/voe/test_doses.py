"""Dose-responses against what the oracle's surprise must be, and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe.doses import write_doses
from lewm_probe.analyses.voe.scores import OnsetScores
from lewm_probe.analyses.voe.settings import DoseResponse
from lewm_probe.core.errors import UsageError
from lewm_probe.core.seeding import stream

TELEPORT = DoseResponse(name="dose_teleport_agent", kind="teleport", who="agent", doses=(0.01, 0.3))
COLOR = DoseResponse(
    name="dose_color_agent", kind="color", who="agent", rgb=(0, 0, 255), doses=(0.5, 1.0)
)


def written(found, suite, response=TELEPORT):
    rows = []

    def add(metric, estimate, **keys):
        rows.append((metric, estimate, keys))

    seen = {
        dose: OnsetScores(np.arange(len(s["model"][0])), np.full(len(s["model"][0]), 5), s)
        for dose, s in found.items()
    }
    write_doses(add, response, seen, {}, suite)
    return rows


def pair(shift: float, seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = stream(0, "doses", seed)
    return np.exp(rng.normal(size=n) + shift), np.exp(rng.normal(size=n))


def test_areas_and_their_differences(suite):
    found = {
        0.01: {"model": pair(0, 1), "copy_last": pair(0, 2)},
        0.3: {"model": pair(4, 3), "copy_last": pair(0.5, 4)},
    }
    rows = written(found, suite)
    for dose, scores in found.items():
        areas = {}
        for scorer, (high, low) in scores.items():
            control = None if scorer == "model" else scorer
            (area,) = (
                e.value
                for m, e, k in rows
                if m == "auroc" and k["dose"] == dose and k["control"] == control
            )
            labels = np.r_[np.ones(len(high)), np.zeros(len(low))]
            assert area == pytest.approx(roc_auc_score(labels, np.r_[high, low]), abs=1e-12)
            areas[scorer] = area
        (gain,) = (
            e.value for m, e, k in rows if m == "delta_auroc_over_copy_last" and k["dose"] == dose
        )
        assert gain == pytest.approx(areas["model"] - areas["copy_last"], abs=1e-12)
    (first,) = ((e.value, k["unit"]) for m, e, k in rows if m == "first_dose")
    assert first == (0.3, "arena")


def test_no_dose_beats_the_jump_detector(suite):
    same = pair(3, 5)
    rows = written({0.01: {"model": same, "copy_last": same}}, suite)
    (first,) = (e.value for m, e, k in rows if m == "first_dose")
    assert first is None


def test_doses_without_cases_are_left_out(suite):
    none = (np.zeros(1), np.zeros(1))
    rows = written({0.01: {"model": none, "copy_last": none}}, suite)
    assert [m for m, _, _ in rows] == ["first_dose"]


@pytest.fixture(scope="module")
def table(suite, doubles):
    asked = suite.voe.model_copy(update={"dose_response": (TELEPORT, COLOR)})
    oracle = checkpoint_from_model("oracle", doubles["oracle"]())
    frame = run(
        "voe", [oracle], suite.model_copy(update={"voe": asked}), cache=LatentCache()
    ).frame()
    return frame[frame.dose.notna() | (frame.metric == "first_dose")]


def test_the_oracle_notices_far_teleports_and_no_colours(table):
    areas = table[(table.metric == "auroc") & table.control.isna()].set_index(["subject", "dose"])
    assert areas.value["dose_teleport_agent", 0.3] > 0.98
    assert areas.value["dose_teleport_agent", 0.01] < areas.value["dose_teleport_agent", 0.3]
    for dose in (0.5, 1.0):
        assert areas.value["dose_color_agent", dose] == pytest.approx(0.5, abs=0.1)
    assert set(areas.window) == {"onset"}
    assert set(table[table.metric == "auroc"].control.dropna()) >= {"copy_last", "pixel_difference"}


def test_scoring_windows_gives_what_scoring_whole_trajectories_gives(suite, doubles):
    """A far teleport as a condition and as a dose see the same surprise at onset."""
    condition = TELEPORT.at(0.3)
    asked = suite.voe.model_copy(
        update={"dose_response": (TELEPORT,), "conditions": (*suite.voe.conditions, condition)}
    )
    oracle = checkpoint_from_model("oracle", doubles["oracle"]())
    frame = run(
        "voe", [oracle], suite.model_copy(update={"voe": asked}), cache=LatentCache()
    ).frame()
    frame = frame[(frame.window == "onset") & (frame.metric == "auroc")]
    frame = frame.assign(control=frame.control.fillna("model")).set_index("control")
    whole = frame[frame.subject == condition.name]
    dosed = frame[(frame.subject == TELEPORT.name) & (frame.dose == 0.3)]
    for scorer in ("model", "copy_last", "linear_extrapolation", "pixel_difference"):
        assert dosed.value[scorer] == pytest.approx(whole.value[scorer], abs=1e-12)


@pytest.mark.parametrize("doses", [(0.2, 0.1), (0.1, 0.1), (0.0, 0.1), (0.5, 1.5)])
def test_doses_must_grow(doses):
    with pytest.raises(ValueError, match="doses must grow, from above 0 to at most 1"):
        DoseResponse(name="d", kind="teleport", who="agent", doses=doses)


def test_a_colour_dose_needs_its_colour():
    with pytest.raises(UsageError) as error:
        DoseResponse(name="d", kind="color", who="agent", doses=(0.5,))
    assert str(error.value) == (
        "The condition 'd@0.5' of kind color lacks the key 'rgb': this kind needs 'who' and 'rgb'. "
        "Fix it in the suite's voe.conditions."
    )
