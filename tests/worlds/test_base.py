"""What a world has without writing it, and what it says of what it does not have."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.worlds import NotOffered, Quantity, World
from lewm_probe.worlds.base import are_choices


class Least(World):
    """The least a world can be: a number that grows by the action."""

    name = "least"
    quantities = {"height": Quantity("m", ("z",))}

    def __init__(self) -> None:
        self.action_space = gym.spaces.Box(-2.0, 3.0, (1,), np.float32)
        self.height = 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.height = float(self.np_random.uniform())
        return np.array([self.height]), {}

    def step(self, action):
        self.height += float(action[0])
        return np.array([self.height]), 0.0, False, False, {}

    def physical_state(self):
        return {"height": np.array([self.height])}

    def snapshot(self):
        return {"height": np.array([self.height])}

    def restore(self, snapshot):
        self.height = float(snapshot["height"][0])

    def render(self, size=None, camera=None):
        side = self.picture_size(size, camera)
        return np.full((side, side, 3), int(10 * self.height) % 256, np.uint8)


class WithBody(Least):
    name = "with-body"
    bodies = ("ball",)
    scenery = ("sky",)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_an_unfinished_class_is_refused_in_words() -> None:
    class Half(World):
        name = "half"

        def step(self, action):
            return np.zeros(1), 0.0, False, False, {}

    with pytest.raises(UserError) as error:
        Half()
    assert str(error.value) == (
        f"The world class {__name__}.test_an_unfinished_class_is_refused_in_words.<locals>.Half "
        "lacks physical_state, render, reset, restore, snapshot, quantities: no world can do "
        "without. See 'Your own world' in lewm_probe/worlds/README.md for an example."
    )


def test_defaults() -> None:
    world = Least()
    world.reset(seed=1)
    assert (world.bodies, world.scenery, world.permeable) == ((), (), ())
    assert (world.policies, world.cameras) == (("expert",), ("default",))
    assert (world.native_size, world.frame_skip, world.arena) == (224, 5, 1.0)
    assert world.columns().keys() == {"height"}
    np.testing.assert_array_equal(world.columns()["height"], [world.height])
    assert world.goal is None
    assert world.success() is False
    before = world.snapshot()
    world.new_goal(rng())
    assert world.snapshot() == before


def test_the_default_expert_is_uniform_over_the_action_space() -> None:
    world = Least()
    world.reset(seed=0)
    act, twin = world.expert(rng(3)), world.policy("expert", rng(3))
    actions = np.array([act(world) for _ in range(2000)])
    assert actions.dtype == np.float32
    assert actions.shape == (2000, 1)
    assert all(world.action_space.contains(action) for action in actions)
    assert actions.mean() == pytest.approx(0.5, abs=0.1)
    assert actions.min() < -1.95
    assert actions.max() > 2.95
    np.testing.assert_array_equal(twin(world), actions[0])


def test_the_default_expert_chooses_among_whole_numbers_with_equal_chances() -> None:
    world = Least()
    world.action_space = gym.spaces.Box(np.array([-1, 0]), np.array([1, 3]), dtype=np.int64)
    act = world.expert(rng(3))
    actions = np.array([act(world) for _ in range(3000)])
    assert actions.dtype == np.float32
    for axis, numbers in enumerate(([-1, 0, 1], [0, 1, 2, 3])):
        found, counts = np.unique(actions[:, axis], return_counts=True)
        assert found.tolist() == numbers
        np.testing.assert_allclose(counts / len(actions), 1 / len(numbers), atol=0.03)


@pytest.mark.parametrize(
    ("space", "choices"),
    [
        (gym.spaces.Box(0, 3, (1,), np.int64), True),
        (gym.spaces.Box(0, 255, (2,), np.uint8), True),
        (gym.spaces.Discrete(4), True),
        (gym.spaces.MultiDiscrete([2, 3]), True),
        (gym.spaces.Box(-1, 1, (2,), np.float32), False),
        (gym.spaces.Box(-1, 1, (2,), np.float64), False),
    ],
)
def test_spaces_of_choices(space, choices: bool) -> None:
    assert are_choices(space) == choices


@pytest.mark.parametrize(
    "space", [gym.spaces.Discrete(4), gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)]
)
def test_no_default_expert_without_bounds(space) -> None:
    world = Least()
    world.action_space = space
    with pytest.raises(UsageError) as error:
        world.expert(rng())
    assert str(error.value) == (
        f"least has the action space {space}, in which no action can be drawn at random: expected "
        "a Box with finite bounds. Give the world's class one, or a method expert()."
    )


def test_the_position_of_a_body_is_its_quantity() -> None:
    class Named(WithBody):
        quantities = {"ball_position": Quantity("m", ("x", "y"))}

        def physical_state(self):
            return {"ball_position": np.array([1.0, 2.0])}

    np.testing.assert_array_equal(Named().position("ball"), [1, 2])


def test_batches_put_the_world_back_even_if_a_image_cannot_be_drawn() -> None:
    world = Least()
    world.height = 3.0
    images = world.render_batch([{"height": np.array([1.0])}, {"height": np.array([2.0])}], 16)
    assert images.shape == (2, 16, 16, 3)
    assert images[:, 0, 0, 0].tolist() == [10, 20]
    assert world.height == 3.0
    with pytest.raises(UsageError):
        world.render_batch([{"height": np.array([1.0])}], 5000)
    assert world.height == 3.0
    assert world.render_batch([], 16).shape == (0, 16, 16, 3)
    assert world.render_batch([]).shape == (0, 224, 224, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.teleport("ball", rng()),
            "with-body does not offer teleport for 'ball'. Leave it out, or give the world's class "
            "a method teleport().",
        ),
        (
            lambda world: world.recolor("sky", (0, 0, 255)),
            "with-body does not offer recolor for 'sky'. Leave it out, or give the world's class a "
            "method recolor().",
        ),
        (
            lambda world: world.color("ball"),
            "with-body does not offer color for 'ball'. Leave it out, or give the world's class a "
            "method color().",
        ),
        (
            lambda world: world.freeze("ball"),
            "with-body does not offer freeze for 'ball'. Leave it out, or give the world's class a "
            "method freeze().",
        ),
        (
            lambda world: world.pass_through("ball"),
            "with-body does not offer pass_through for 'ball'. Leave it out, or give the world's "
            "class a method pass_through().",
        ),
        (
            lambda world: world.position("ball"),
            "with-body does not say where 'ball' is: it has no quantity 'ball_position'. Give it "
            "one, or a method position().",
        ),
        (
            lambda world: Least().teleport("ball", rng()),
            "least has nothing that can be disturbed, and 'ball' was asked for. Leave it out, or "
            "name it in the world's bodies.",
        ),
    ],
)
def test_what_is_not_offered(call, message: str) -> None:
    with pytest.raises(NotOffered) as error:
        call(WithBody())
    assert str(error.value) == message
    assert isinstance(error.value, UsageError)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda world: world.teleport("bal", rng()),
            "Unknown body 'bal'. Did you mean 'ball'? Known: ball.",
        ),
        (
            lambda world: world.recolor("ski", (0, 0, 255)),
            "Unknown body or scenery 'ski'. Did you mean 'sky'? Known: ball, sky.",
        ),
        (
            lambda world: world.policy("random", rng()),
            "Unknown policy 'random'. Known: expert.",
        ),
        (
            lambda world: world.render(7),
            "An image of 7 px cannot be drawn: with-body draws squares of 8 to 512 px. Choose a "
            "size in between.",
        ),
        (
            lambda world: world.render(64.0),
            "An image of 64.0 px cannot be drawn: with-body draws squares of 8 to 512 px. Choose "
            "a size in between.",
        ),
        (
            lambda world: world.render(64, "top"),
            "Unknown camera 'top'. Known: default.",
        ),
    ],
)
def test_unknown_names_and_sizes(call, message: str) -> None:
    with pytest.raises(UsageError) as error:
        call(WithBody())
    assert str(error.value) == message
    assert not isinstance(error.value, NotOffered)


def test_permeable_bodies_are_told() -> None:
    class Ghostly(WithBody):
        bodies = ("ball", "box")
        permeable = ("ball",)

    with pytest.raises(UsageError) as error:
        Ghostly().pass_through("box")
    assert str(error.value) == "Unknown body that can pass through others 'box'. Known: ball."
    with pytest.raises(NotOffered):
        Ghostly().pass_through("ball")
