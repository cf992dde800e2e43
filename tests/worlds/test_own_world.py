"""The example of ``lewm_probe/worlds/README.md``, registered as a package of its own and used."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lewm_probe.worlds
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.matched_pairs import matched_pairs
from lewm_probe.cli.main import app
from lewm_probe.core.config import parse, read_yaml
from lewm_probe.core.errors import UsageError
from lewm_probe.data import collect as collecting
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile
from lewm_probe.training.recipe import load_recipe
from lewm_probe.worlds import World, make_world, world_names

README = Path(lewm_probe.worlds.__file__).with_name("README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    """A code block of the README."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)[number]


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The example in a folder on sys.path, with the dist-info that pip would write."""
    site = tmp_path_factory.mktemp("site-packages")
    (site / "my_worlds.py").write_text(block("python"), encoding="utf-8")
    groups = tomllib.loads(block("toml"))["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in groups.items()
    ]
    info = site / "my_worlds-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-worlds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        importlib.invalidate_caches()
        yield site
    sys.modules.pop("my_worlds", None)
    collecting._world.cache_clear()


def test_it_is_under_forty_lines() -> None:
    assert len(block("python").splitlines()) < 40


def test_it_is_known_by_name() -> None:
    assert "pendulum" in world_names()
    world = make_world("pendulum")
    assert isinstance(world, World)
    assert world.name == "pendulum"
    assert type(world).__module__ == "my_worlds"


def test_the_check_prints_what_the_readme_shows() -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python", 1), "README.md", "exec"), {})
    assert printed.getvalue() == block("text")


def test_it_moves_as_the_pendulum_of_gymnasium() -> None:
    import gymnasium as gym

    world, theirs = make_world("pendulum"), gym.make("Pendulum-v1").unwrapped
    world.reset(seed=5)
    theirs.reset(seed=5)
    act = world.expert(np.random.default_rng(0))
    for _ in range(20):
        action = act(world)
        world.step(action)
        cos, sin, speed = theirs.step(action)[0]
        state = world.physical_state()
        np.testing.assert_allclose(state["bob_position"], [-sin, cos], atol=1e-6)
        np.testing.assert_allclose(np.exp(1j * state["rod_angle"]), cos + 1j * sin, atol=1e-6)
        np.testing.assert_allclose(state["rod_velocity"], speed, atol=1e-6)


def test_the_image_shows_the_bob_where_it_is() -> None:
    world = make_world("pendulum")
    world.reset(seed=0)
    for seed in range(5):
        world.teleport("bob", np.random.default_rng(seed))
        image = world.render(128).astype(int)
        rows, columns = np.nonzero(image[..., 0] - image[..., 1] > 100)  # crimson
        x, y = world.position("bob")
        assert np.mean(columns) == pytest.approx(64 + 45 * x, abs=1.5)
        assert np.mean(rows) == pytest.approx(64 - 45 * y, abs=1.5)


def test_data_are_collected_from_the_command_line(tmp_path: Path) -> None:
    (line,) = [one for one in block("bash").splitlines() if "data collect" in one]
    words = shlex.split(line)[1:]
    file = tmp_path / "pendulum.h5"
    words[words.index("--episodes") + 1] = "3"
    words[words.index("--out") + 1] = str(file)
    words += ["--length", "12", "--size", "32", "--workers", "1"]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    with EpisodeFile(file) as data:
        assert len(data) == 3
        assert data.rows == 3 * 13
        assert data.world == "pendulum"
        assert data.frame_shape == (32, 32, 3)
        assert {"bob_position", "rod_angle", "rod_velocity"} <= set(data.columns)
        assert data.read("action").shape == (39, 1)
        assert np.ptp(data.read("rod_angle")) > 0.1


def test_the_recipe_of_the_readme_is_one() -> None:
    command = block("bash").replace("\\\n", " ")
    (line,) = [one for one in command.splitlines() if "lewm-probe train" in one]
    words = shlex.split(line)
    chosen = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    recipe = load_recipe(words[2], chosen)
    assert recipe.world == "pendulum"
    assert make_world(recipe.world).action_space.shape == (recipe.model.env_action_width,)


def small_suite(*conditions: Condition) -> Suite:
    """The README's suite with few and short trajectories."""
    suite = parse(read_yaml(block("yaml")), Suite, "suite of the README")
    few: dict[str, object] = {"trajectories": 4, "disjoint": 4, "frames": 8}
    voe = suite.voe.model_copy(update=few | {"conditions": conditions or suite.voe.conditions})
    return suite.model_copy(update={"voe": voe})


def test_matched_cases() -> None:
    suite = small_suite()
    cases = matched_pairs(suite, size=32, history=2)
    assert set(suite.probe.quantities) == set(cases.reference.state)
    teleported = cases.changed("teleport_bob")
    assert teleported.kept.all()
    pixels, actions = cases.condition("teleport_bob")
    np.testing.assert_array_equal(actions, cases.reference.actions)
    differs = (pixels != cases.reference.pixels).any((2, 3, 4))  # (N, T)
    for case, onset in enumerate(teleported.onset):
        assert not differs[case, :onset].any()
        assert differs[case, onset]
    swapped = cases.changed("action_swap").actions
    assert (swapped != cases.reference.actions).any()
    assert len(cases.changed("brightness").pixels) > 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("step_teleport", "pendulum teleports its bob anywhere, not over a distance."),
        (
            "frozen",
            "pendulum does not offer freeze for 'bob'. Leave it out, or give the world's class a "
            "method freeze().",
        ),
    ],
)
def test_conditions_that_it_does_not_offer(kind: str, message: str) -> None:
    condition = Condition(name="asked", kind=kind, who="bob", expected="violation")
    cases = matched_pairs(small_suite(condition), size=32, history=2)
    with pytest.raises(UsageError) as error:
        cases.changed("asked")
    assert str(error.value) == message
