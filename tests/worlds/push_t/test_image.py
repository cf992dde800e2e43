"""Images against the library's own drawing of the same scene."""

from __future__ import annotations

import numpy as np
import pytest
from gym_pusht.envs.pusht import PushTEnv

from lewm_probe.worlds.push_t.env import PushT
from lewm_probe.worlds.push_t.image import PAINT, Drawing, default_colors
from lewm_probe.worlds.push_t.physics import scene

POSES = [(100, 120, 300, 250, 0.0), (400, 60, 220, 330, 1.1), (60, 440, 350, 200, 4.4)]
GOAL = (np.array([256.0, 256.0]), np.pi / 4)


def at(*state: float) -> PushT:
    world = PushT()
    world.reset(seed=0, options={"state": state})
    return world


def library(state: tuple[float, ...]) -> PushTEnv:
    env = PushTEnv()
    env._setup()
    env.agent.position = state[:2]
    env.block.angle = state[4]
    env.block.position = state[2:4]
    for body in (env.agent, env.block):  # what is drawn is what was indexed
        env.space.reindex_shapes_for_body(body)
    return env


@pytest.mark.parametrize("state", POSES)
@pytest.mark.parametrize("size", [512, 224])
def test_from_224_pixels_up_they_are_the_librarys(state, size: int) -> None:
    env = library(state)
    theirs = env._get_img(env._draw(), size, size)
    np.testing.assert_array_equal(at(*state).render(size), theirs)


@pytest.mark.parametrize("size", [64, 32, 8])
def test_smaller_images_are_area_averages(size: int) -> None:
    world = at(*POSES[1])
    side = 512 // size
    sweep = world.render(512).astype(float)
    exact = sweep.reshape(size, side, size, side, 3).mean((1, 3))
    assert np.abs(world.render(size) - exact).max() <= 0.51


def test_flat_colours_stay_flat() -> None:
    world = at(60, 60, 400, 400, 0)
    for name in PAINT:
        world.recolor(name, (10, 200, 30))
    world.recolor("agent", (8, 166, 25))  # brightened by a fifth in its middle, as the block
    for size in (512, 224, 96, 64, 33):
        image = world.render(size)
        assert image.shape == (size, size, 3)
        assert image.dtype == np.uint8
        assert image[0, 0].tolist() == [10, 200, 30]


def test_what_is_painted_where() -> None:
    world = at(100, 120, 350, 150, 0)
    paint = {
        "agent": (0, 0, 100),
        "block": (100, 0, 0),
        "background": (1, 2, 3),
        "goal": (0, 250, 0),
        "walls": (9, 9, 90),
    }
    for who, rgb in paint.items():
        world.recolor(who, rgb)
    image = world.render(512)  # rows are y, columns x
    assert image[120, 100].tolist() == [0, 0, 120]  # the library lightens the middle by a fifth
    assert image[120, 113].tolist() == [0, 0, 100]
    assert image[165, 350].tolist() == [120, 0, 0]
    assert image[250, 350].tolist() == [120, 0, 0]  # the stem points down
    assert image[150, 350].tolist() == [100, 0, 0]
    assert image[256, 256].tolist() == [0, 250, 0]
    assert image[400, 100].tolist() == [1, 2, 3]
    assert image[5, 100].tolist() == [9, 9, 90]


def test_default_colours_are_the_librarys_names() -> None:
    assert default_colors().tolist() == [
        [65, 105, 225],
        [119, 136, 153],
        [255, 255, 255],
        [144, 238, 144],
        [211, 211, 211],
    ]


def test_without_the_goal() -> None:
    plain = PushT(draw_goal=False)
    plain.reset(seed=0, options={"state": POSES[0]})
    world = at(*POSES[0])
    assert (world.render() != plain.render()).any()
    world.recolor("goal", (255, 255, 255))  # on white
    np.testing.assert_array_equal(world.render(), plain.render())
    plain.recolor("goal", (255, 0, 0))
    np.testing.assert_array_equal(world.render(), plain.render())


def test_contacts_are_drawn_as_short_red_lines() -> None:
    world = at(256, 184, 256, 200, 0)
    assert not reds(world.render(512)).any()
    world.step(np.array([0.0, 0.3]))
    assert world.physical_state()["contact"].tolist() == [1.0]
    rows, columns = np.nonzero(reds(world.render(512)))
    touches = world.position("agent") + (0, 15)
    assert 1 <= len(rows) <= 12
    assert np.hypot(columns - touches[0], rows - touches[1]).max() < 6
    world.teleport("agent", np.random.default_rng(0))
    assert not reds(world.render(512)).any()


def reds(image: np.ndarray) -> np.ndarray:
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return (red > 150) & (green < 100) & (blue < 100)


def test_drawing_leaves_nothing_behind() -> None:
    image, colors = Drawing(), default_colors()
    stimuli = [scene(np.array(s[:2]), np.zeros(2), np.array(s[2:4]), s[4]) for s in POSES]
    first = [image.draw(one, colors, GOAL, 96) for one in stimuli]
    other = default_colors()
    other[:] = 77
    image.draw(stimuli[0], other, None, 512)
    kept = [one.copy() for one in first]
    for one, again, keep in zip(stimuli[::-1], first[::-1], kept[::-1], strict=True):
        np.testing.assert_array_equal(image.draw(one, colors, GOAL, 96), again)
        np.testing.assert_array_equal(again, keep)  # an image given away is not drawn on
