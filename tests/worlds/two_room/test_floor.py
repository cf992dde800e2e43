"""Collisions against a brute-force oracle, the published rule, and what no motion may ever do."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lewm_probe.worlds.two_room.floor import is_free, slide

# The floor once more, in numbers: reach, wall contact from either side, doorway.
LOW, HIGH, NEAR, FAR, TOP, BOTTOM = 21.0, 203.0, 100.0, 124.0, 33.25, 64.75

reach = st.floats(LOW, HIGH)
places = st.tuples(reach, reach).filter(lambda place: bool(is_free(*place)))
any_speed = st.one_of(st.floats(-8, 8), st.floats(-500, 500), st.floats(-1e9, 1e9))


def free(x: float, y: float) -> bool:
    in_reach = LOW <= x <= HIGH and LOW <= y <= HIGH
    return in_reach and (x <= NEAR or x >= FAR or TOP <= y <= BOTTOM)


@given(st.floats(0, 224), st.floats(0, 224))
def test_free_places_are_rooms_and_doorway(x: float, y: float) -> None:
    assert bool(is_free(x, y)) == free(x, y)


def test_free_places_broadcast() -> None:
    x = np.array([60.0, 112.0, 112.0, 20.0, 204.0])
    y = np.array([112.0, 49.0, 112.0, 49.0, 49.0])
    np.testing.assert_array_equal(is_free(x, y), [True, True, False, False, False])


@settings(max_examples=500, deadline=None)
@given(places, any_speed, any_speed)
def test_every_motion_ends_in_a_free_place(place, dx: float, dy: float) -> None:
    assert free(*slide(place, (dx, dy)))


@settings(max_examples=500, deadline=None)
@given(places, any_speed, any_speed)
def test_no_tunnelling_at_any_speed(place, dx: float, dy: float) -> None:
    """A motion whose heights never meet the door's cannot leave its room."""
    x, y = place
    end_y = min(max(y + dy, LOW), HIGH)
    assume(max(y, end_y) < TOP or min(y, end_y) > BOTTOM)
    end_x, at_y = slide(place, (dx, dy))
    assert end_x <= NEAR if x <= NEAR else end_x >= FAR
    assert at_y == end_y  # it slides: the wall takes nothing of the motion along it


@settings(max_examples=200, deadline=None)
@given(places, st.floats(-300, 300), st.floats(-300, 300))
def test_motion_equals_many_tiny_blocked_steps(place, dx: float, dy: float) -> None:
    steps = 1500
    h = max(abs(dx), abs(dy)) / steps
    x, y = place
    for _ in range(steps):
        if free(x + dx / steps, y):
            x += dx / steps
        if free(x, y + dy / steps):
            y += dy / steps
    # A path that grazes a door post may pass it on either side: tiny steps decide within h.
    starts = [(place[0] + a * h, place[1] + b * h) for a in (-2, 0, 2) for b in (-2, 0, 2)]
    ends = np.array([slide(start, (dx, dy)) for start in starts if free(*start)])
    off = np.abs(ends - (x, y))
    assert (off <= (0.5 + 6 * h, 6 * h)).all(-1).any()  # 0.5 px: the rebound from the wall's face


@settings(max_examples=500, deadline=None)
@given(places, st.floats(-5, 5), st.floats(-5, 5))
def test_at_normal_speed_away_from_the_door_the_published_rule_holds(place, dx, dy) -> None:
    x, y = place
    assume(x <= NEAR or x >= FAR)
    assume(not TOP - 5 <= y <= BOTTOM + 5)
    to_x, to_y = (min(max(value, LOW), HIGH) for value in (x + dx, y + dy))
    if x <= NEAR < to_x:
        to_x = 99.5
    if to_x < FAR <= x:
        to_x = 124.5
    np.testing.assert_allclose(slide(place, (dx, dy)), (to_x, to_y), atol=1e-9)


@settings(deadline=None)
@given(places, any_speed, any_speed)
def test_the_floor_mirrors(place, dx: float, dy: float) -> None:
    x, y = slide(place, (dx, dy))
    mirrored = slide((224 - place[0], place[1]), (-dx, dy))
    np.testing.assert_allclose(mirrored, (224 - x, y), atol=1e-9)


def test_through_the_door_and_along_its_posts() -> None:
    assert slide((95.0, 49.0), (40.0, 0.0)) == (135.0, 49.0)
    # Down into the lower post, along it, and on as soon as the wall is passed.
    x, y = slide((100.0, 60.0), (30.0, 30.0))
    assert (x, y) == (130.0, 64.75 + 6.0)
    # Held by the wall's face, going by the door: through it.
    assert slide((100.0, 80.0), (48.0, -32.0))[0] > FAR
    # Past the door before the wall is reached: not through it.
    assert slide((60.0, 60.0), (100.0, 100.0)) == (99.5, 160.0)


def test_a_start_beyond_the_reach_is_led_inside() -> None:
    assert slide((14.0, 209.0), (0.0, 0.0)) == (21.0, 203.0)
    assert slide((209.0, 14.0), (-1.0, 1.0)) == (203.0, 21.0)
