"""The example of the README here, in a world of the same package, that no built-in world can do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe import conditions
from lewm_probe.analyses.voe.conditions import CONDITIONS
from lewm_probe.analyses.voe.settings import Condition
from lewm_probe.analyses.voe.shown.matched_pairs import MatchedPairs, matched_pairs
from lewm_probe.core.config import load_yaml, parse
from lewm_probe.core.errors import UsageError
from lewm_probe.worlds import check_world, make_world

README = Path(conditions.__file__).with_name("README.md").read_text(encoding="utf-8")

SIZE = 32


@pytest.fixture(scope="module")
def suite(plugin: Path) -> Suite:
    """The plug-in's suite with few and short trajectories."""
    asked = load_yaml(plugin / "suite.yaml", Suite, "suite")
    few = {"trajectories": 16, "disjoint": 16, "frames": 9, "baselines": ("copy_last",)}
    return asked.model_copy(update={"voe": asked.voe.model_copy(update=few)})


@pytest.fixture(scope="module")
def pairs(suite: Suite) -> MatchedPairs:
    return matched_pairs(suite, SIZE, history=2)


def flip(**keys: object) -> Condition:
    return Condition(name="flip", kind="gravity_flip", expected="violation", **keys)


def test_it_is_small_and_what_the_readme_shows(plugin: Path) -> None:
    code = (plugin / "condition.py").read_text(encoding="utf-8")
    assert re.search(r"```python\n(.*?)```", README, re.DOTALL)[1] == code
    line = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    assert line in (plugin.parent / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("condition.py", "world.py"):
        assert len((plugin / name).read_text(encoding="utf-8").splitlines()) < 60


def test_it_is_known_by_name(plugin: Path) -> None:
    assert "gravity_flip" in CONDITIONS.names()
    assert CONDITIONS.origin("gravity_flip") == "toy-lewm-probe"
    assert CONDITIONS.get("gravity_flip").card.of() == "Gravity turned over"


def test_the_world_is_one(plugin: Path) -> None:
    check_world("falling-ball")


def test_its_keys_are_its_own(suite: Suite) -> None:
    asked = suite.voe.conditions[0]
    assert asked.settings == CONDITIONS.get("gravity_flip").settings(strength=2.0)
    assert flip().settings.strength == 1.0
    again = parse(suite.model_dump(mode="json"), Suite, "suite")
    assert again == suite
    assert again.voe.conditions[0].settings.strength == 2.0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"strenght": 2.0},
            "The condition 'flip' of kind gravity_flip has an unknown key 'strenght'. Did you mean "
            "'strength'? Known keys there: strength.",
        ),
        (
            {"who": "ball"},
            "The condition 'flip' of kind gravity_flip does not read the key 'who': this kind "
            "needs no further key. Fix it in the suite's voe.conditions.",
        ),
    ],
)
def test_keys_that_it_does_not_have(plugin: Path, keys: dict, message: str) -> None:
    with pytest.raises(UsageError) as error:
        flip(**keys)
    assert str(error.value) == message


@pytest.mark.parametrize("world", ["two-room", "push-t"])
def test_worlds_that_cannot_are_told_so(plugin: Path, world: str) -> None:
    with pytest.raises(UsageError) as error:
        CONDITIONS.get("gravity_flip").check(flip(), make_world(world))
    assert str(error.value) == (
        f"{world} does not offer flip_gravity(), which 'flip' needs. Leave the condition out, or "
        "give the world's class that method."
    )


def test_the_ball_rises_where_it_would_fall(pairs: MatchedPairs) -> None:
    changed, pixels = pairs.changed("gravity_flip"), pairs.condition("gravity_flip")[0]
    assert changed.kept.mean() > 0.8
    rises = [
        row_of(pairs.reference.pixels[case, onset]) - row_of(pixels[case, onset])
        for case, onset in enumerate(changed.onset)
        if changed.kept[case]
    ]
    assert np.mean(np.array(rises) > 0) > 0.9  # at the ceiling it may bounce back


def row_of(image: np.ndarray) -> float:
    """How far down the ball is in an image (H, W, C), px."""
    mass = (255.0 - image[..., 1]).sum(1)
    return float((mass * np.arange(len(mass))).sum() / mass.sum())


def test_a_model_that_knows_gravity_is_surprised(suite: Suite, plugin: Path, doubles) -> None:
    fall = 224 * 0.002 * 5**2  # px by which a block falls further than the one before it

    class Newton(doubles["oracle"]):
        """Sees where the ball is, and expects it to fall freely whatever pushes it."""

        def predict(self, latents, actions):
            speed = latents.diff(dim=1, prepend=latents[:, :1])
            return latents + speed + latents.new_tensor((0.0, fall))

    newton = Newton("newton", world="falling-ball", image_size=SIZE)
    checkpoint = checkpoint_from_model("newton", newton)
    found = run("voe", [checkpoint], suite, cache=LatentCache()).frame()
    found = found[found["control"].isna() & found["versus"].isna() & (found["window"] == "onset")]
    auroc = found[found["metric"] == "auroc"].set_index("subject")["value"]
    assert auroc["gravity_flip"] > 0.8
    assert auroc["brightness"] == pytest.approx(0.5, abs=0.1)
