from __future__ import annotations

from dataclasses import replace

import numpy as np

from lewm_probe.analyses.voe.shown.filmstrips import AFTER, BEFORE, Clips
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs


def test_one_case_is_shown_for_all_conditions(cases):
    clips = Clips(cases)
    changed = cases.changed("teleport_agent")
    clips.add("teleport_agent", changed)
    images = clips.images()
    assert list(images) == ["film-two-room-reference", "film-two-room-teleport_agent"]
    reference = images["film-two-room-reference"]
    shown = [
        case
        for case, at in enumerate(cases.onset)
        if at >= BEFORE
        and at + AFTER < cases.reference.frames
        and np.array_equal(cases.reference.pixels[case, at - BEFORE : at + AFTER + 1], reference)
    ]
    assert len(shown) == 1
    at = cases.onset[shown[0]]
    whole = cases.condition("teleport_agent")[0][shown[0], at - BEFORE : at + AFTER + 1]
    np.testing.assert_array_equal(images["film-two-room-teleport_agent"], whole)


def test_a_case_that_could_not_be_made_is_not_shown(cases):
    clips = Clips(cases)
    first = clips._candidates[0]
    changed = cases.changed("color_agent")
    changed.kept[first] = False
    clips.add("color_agent", changed)
    second = clips._candidates[1]
    at = cases.onset[second]
    np.testing.assert_array_equal(
        clips.images()["film-two-room-reference"],
        cases.reference.pixels[second, at - BEFORE : at + AFTER + 1],
    )


def test_no_case_fits(cases):
    late = MatchedPairs(
        cases.reference.take([0, 1]), np.full(2, cases.reference.frames - 2), [], seed=0
    )
    assert Clips(late).images() == {}


def test_a_condition_at_another_moment_is_shown_there(cases):
    clips = Clips(cases)
    changed = cases.changed("color_agent")
    clips.add("color_agent", replace(changed, onset=changed.onset + 1))
    whole = cases.condition("color_agent")[0]
    shown = clips.images()["film-two-room-color_agent"]
    assert any(
        np.array_equal(shown, whole[case, at - BEFORE : at + AFTER + 1])
        for case in clips._candidates
        for at in [int(cases.onset[case]) + 1]
    )
