"""Gaps and free places against plain geometry; where bodies are put they touch nothing."""

from __future__ import annotations

import numpy as np
import pytest
from gym_pusht.envs.pusht import PushTEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate, translate
from shapely.geometry import Point, Polygon, box

from lewm_probe.core.errors import UserError
from lewm_probe.worlds.push_t.env import shapes as shapes

places = st.tuples(st.floats(0, 512), st.floats(0, 512)).map(np.array)
poses = st.tuples(places, st.floats(-7, 7))

FREE = box(7, 7, 504, 504)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def tee(pose: shapes.Pose) -> Polygon:
    outline = Polygon(
        [(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)]
    )
    return translate(rotate(outline, pose[1], origin=(0, 0), use_radians=True), *pose[0])


def test_sizes_are_the_librarys() -> None:
    env = PushTEnv()
    env._setup()
    bar, stem = (np.array(shape.get_vertices()) for shape in env._block_shapes)
    for found, expected in ((bar, shapes.BAR), (stem, shapes.STEM)):
        np.testing.assert_allclose(np.stack([found.min(0), found.max(0)]), expected, atol=1e-9)
    np.testing.assert_allclose(env.block.center_of_gravity, shapes.COG)
    (disc,) = env.agent.shapes
    assert disc.radius == shapes.AGENT_RADIUS
    faces = {
        (segment.a[axis] + side * segment.radius)
        for segment in env.space.static_body.shapes
        for axis, side in ((0, 1), (0, -1), (1, 1), (1, -1))
    }
    assert {shapes.WALL_LOW, shapes.WALL_HIGH} <= faces
    assert Polygon(shapes.OUTLINE).area == pytest.approx(6300)


@settings(max_examples=60, deadline=None)
@given(places, poses)
def test_there_and_back(place, pose) -> None:
    there = shapes.to_world(place[None], pose)
    np.testing.assert_allclose(shapes.to_block(there, pose)[0], place, atol=1e-9)
    apart = np.linalg.norm(there - pose[0])
    assert apart == pytest.approx(np.linalg.norm(place), abs=1e-9)


def test_a_quarter_turn_takes_the_stem_to_the_left() -> None:
    pose = (np.array([200.0, 300.0]), np.pi / 2)
    np.testing.assert_allclose(shapes.to_world(np.array([[0.0, 120.0]]), pose), [[80, 300]])


@settings(max_examples=100, deadline=None)
@given(places, poses)
def test_gap_is_the_distance_between_disc_and_tee(place, pose) -> None:
    gap = shapes.gap(place, pose)
    assert gap.shape == (1,)
    outside = Point(place).distance(tee(pose))
    if outside > 1e-6:
        assert gap[0] == pytest.approx(outside - 15, abs=1e-6)
    else:
        assert gap[0] <= -15 + 1e-6


@settings(max_examples=100, deadline=None)
@given(places, poses)
def test_what_fits_touches_neither_walls_nor_the_other(place, pose) -> None:
    disc, block = Point(place).buffer(15), tee(pose)
    if shapes.agent_fits(place, pose)[0]:
        assert FREE.contains(disc)
        assert not disc.intersects(block)
    elif FREE.buffer(-2).contains(disc):
        assert disc.distance(block) < 2
    if shapes.block_fits(pose, place):
        assert FREE.contains(block)
        assert not disc.intersects(block)
    elif FREE.buffer(-2).contains(block):
        assert disc.distance(block) < 2
    assert shapes.block_fits(pose, place) <= shapes.block_fits(pose, None)


def test_agents_are_judged_all_at_once() -> None:
    pose = (np.array([256.0, 256.0]), 0.0)
    many = rng(0).uniform(0, 512, (300, 2))
    together = shapes.agent_fits(many, pose)
    assert together.tolist() == [bool(shapes.agent_fits(one, pose)[0]) for one in many]
    assert 0.5 < together.mean() < 0.9


@pytest.mark.parametrize("who", ["agent", "block"])
def test_no_place_anywhere(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "CLEARANCE", 600.0)
    with pytest.raises(UserError) as error:
        shapes.anywhere(who, np.array([60.0, 60.0]), (np.array([256.0, 256.0]), 0.0), rng())
    assert str(error.value) == (
        f"No free place for the {who} was found in 1000 tries. Put the other body elsewhere."
    )


def test_directions_are_spread_evenly_over_the_allowed_half() -> None:
    pose, agent = (np.array([400.0, 400.0]), 0.0), np.array([150.0, 150.0])
    generator, away = rng(2), np.array([0.0, -3.0])  # upwards, y pointing down
    turns = []
    for _ in range(300):
        place = shapes.at_distance("agent", 40.0, agent, away, agent, pose, generator)
        turns.append(np.arctan2(*(place - agent)))  # from straight down
    assert np.abs(turns).max() <= np.pi / 2 + 1e-9
    assert np.abs(np.mean(turns)) < 0.15
    assert np.std(turns) == pytest.approx(np.pi / np.sqrt(12), abs=0.1)
