"""What holds for every condition and dose of every suite, whatever its kind and world."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.voe.conditions import CONDITIONS
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, Stimuli, matched_pairs
from lewm_probe.core.config import load_yaml, read_yaml
from tests.fixtures.plugin import PLUGIN

ROOT = Path(__file__).parents[4]
SUITES = {
    path.parent.name if path.stem == "suite" else path.stem: path
    for path in [*sorted((ROOT / "analyses").glob("*.yaml")), *sorted(PLUGIN.glob("*/suite.yaml"))]
}
ASKED = {name: read_yaml(path.read_text(encoding="utf-8"))["voe"] for name, path in SUITES.items()}
EACH = [
    (suite, c["name"])
    for suite, voe in ASKED.items()
    for c in voe["conditions"]
    if "matched_to" not in c
]
DOSED = [(suite, r["name"]) for suite, voe in ASKED.items() for r in voe.get("dose_response", [])]

SIZE = 32


class Shown:
    """Suites with few and short trajectories; their matched pairs are made once."""

    @cache  # noqa: B019 — lives as long as the module's tests
    def suite(self, name: str) -> Suite:
        suite = load_yaml(SUITES[name], Suite, "suite")
        few = suite.voe.model_copy(update={"trajectories": 8, "frames": 9})
        return suite.model_copy(update={"voe": few})

    @cache  # noqa: B019
    def pairs(self, name: str) -> MatchedPairs:
        return matched_pairs(self.suite(name), SIZE, history=2)

    def alone(self, name: str, condition: Condition) -> MatchedPairs:
        """The same trajectories and moments with one condition."""
        pairs = self.pairs(name)
        return MatchedPairs(pairs.reference, pairs.onset, [condition], self.suite(name).seed)


@pytest.fixture(scope="module")
def shown(plugin: Path) -> Shown:
    return Shown()


def test_every_kind_is_asked_for(plugin: Path) -> None:
    kinds = {c["kind"] for voe in ASKED.values() for c in voe["conditions"]}
    assert kinds == set(CONDITIONS.names())


@pytest.mark.parametrize(("suite", "name"), EACH)
def test_nothing_differs_before_t0_and_something_does_from_it_on(shown, suite, name):
    pairs = shown.pairs(suite)
    changed, (pixels, actions) = pairs.changed(name), pairs.condition(name)
    frames = np.arange(pairs.reference.frames)[None]
    affected = frames >= changed.onset[:, None]  # (N, T)
    differs = (pixels != pairs.reference.pixels).any(axis=(2, 3, 4))
    acted = (actions != pairs.reference.actions).any(axis=2)
    assert changed.kept.any()
    assert not differs[~affected | ~changed.kept[:, None]].any()
    assert not acted[frames < changed.onset[:, None] - 1].any()
    if pairs.conditions[name].expected == "action":
        assert len(changed.pixels) == 0
        assert acted[np.arange(len(pairs)), changed.onset - 1].all()
        return
    assert not acted.any()
    assert differs[np.arange(len(pairs)), changed.onset][changed.kept].mean() > 0.8
    made = np.zeros(differs.shape, int)
    np.add.at(made, (changed.case, changed.frame), 1)
    np.testing.assert_array_equal(made, affected & changed.kept[:, None])  # each frame once


@pytest.mark.parametrize(("suite", "name"), EACH)
def test_alone_it_is_made_again_to_the_byte(shown, suite, name):
    """A condition depends on no other one, nor on what was made before it."""
    pairs = shown.pairs(suite)
    alone = shown.alone(suite, pairs.conditions[name])
    same(alone.changed(name), pairs.changed(name))


@pytest.mark.parametrize(("suite", "name"), DOSED)
def test_a_dose_is_frame_t0_alone_of_its_condition(shown, suite, name):
    pairs = shown.pairs(suite)
    (response,) = [r for r in shown.suite(suite).voe.dose_response if r.name == name]
    dose = response.at(response.doses[len(response.doses) // 2])
    seen = pairs.dosed(dose)
    whole = shown.alone(suite, dose).changed(dose.name)
    first = whole.frame == whole.onset[whole.case]
    parts = (whole.case[first], whole.frame[first], whole.pixels[first])
    same(seen, Stimuli(*parts, whole.actions, whole.kept, whole.onset))


def test_looking_up_recorded_places_leaves_the_world_alone(shown):
    pairs = shown.pairs("push-t")
    condition = pairs.conditions["step_teleport_agent"]
    same(shown.alone("push-t", condition).changed(condition.name), pairs.changed(condition.name))


def same(found: Stimuli, expected: Stimuli) -> None:
    for key, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, key), value, key)
