from __future__ import annotations

from dataclasses import replace

import numpy as np

from lewm_probe.analyses.voe.filmstrips import AFTER, BEFORE, Films
from lewm_probe.analyses.voe.matched_pairs import MatchedCases


def test_one_case_is_shown_for_all_conditions(cases):
    films = Films(cases)
    changed = cases.changed("teleport_agent")
    films.add("teleport_agent", changed)
    pictures = films.pictures()
    assert list(pictures) == ["film-two-room-reference", "film-two-room-teleport_agent"]
    reference = pictures["film-two-room-reference"]
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
    np.testing.assert_array_equal(pictures["film-two-room-teleport_agent"], whole)


def test_a_case_that_could_not_be_made_is_not_shown(cases):
    films = Films(cases)
    first = films._candidates[0]
    changed = cases.changed("color_agent")
    changed.kept[first] = False
    films.add("color_agent", changed)
    second = films._candidates[1]
    at = cases.onset[second]
    np.testing.assert_array_equal(
        films.pictures()["film-two-room-reference"],
        cases.reference.pixels[second, at - BEFORE : at + AFTER + 1],
    )


def test_no_case_fits(cases):
    late = MatchedCases(
        cases.reference.take([0, 1]), np.full(2, cases.reference.frames - 2), [], seed=0
    )
    assert Films(late).pictures() == {}


def test_a_condition_at_another_moment_is_shown_there(cases):
    films = Films(cases)
    changed = cases.changed("color_agent")
    films.add("color_agent", replace(changed, onset=changed.onset + 1))
    whole = cases.condition("color_agent")[0]
    shown = films.pictures()["film-two-room-color_agent"]
    assert any(
        np.array_equal(shown, whole[case, at - BEFORE : at + AFTER + 1])
        for case in films._candidates
        for at in [int(cases.onset[case]) + 1]
    )
