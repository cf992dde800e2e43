"""Every analysis on a data set without a simulator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.recorded_suite import MOST, recorded_suite
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.analyses.engine.asked.trajectories import collect_trajectories, suite_trajectories
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache
from lewm_probe.analyses.engine.run import run
from lewm_probe.analyses.voe.shown.matched_pairs import matched_pairs
from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.collect import collect
from lewm_probe.data.formats.hdf5.episodes import EpisodeFile, EpisodeWriter
from lewm_probe.data.recorded import register_recorded
from lewm_probe.worlds.registry import WORLDS

SIZE = 64


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 episodes of 61 rows of two-room."""
    path = tmp_path_factory.mktemp("recorded") / "robot.h5"
    collect("two-room", 48, path, size=SIZE, length=60, seed=3)
    return path


@pytest.fixture(scope="module")
def world(data_set: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WORLDS, "_own", {})
        yield register_recorded(data_set)


@pytest.fixture(scope="module")
def recorded(world: str) -> Suite:
    suite = recorded_suite(world)
    few = {"steps": 5, "batch": 8}
    mlp = suite.probe.mlp.model_copy(update={"max_epochs": 1, "seeds": 1, "hidden": (8,)})
    quick = {"mlp": mlp, "controls": ("mean", "pixel_pca")}
    return suite.model_copy(
        update={
            "random_encoder": suite.random_encoder.model_copy(update=few),
            "statistics": suite.statistics.model_copy(update={"bootstrap": 100}),
            "probe": suite.probe.model_copy(update=quick),
        }
    )


def test_sizes_follow_the_episodes(world: str) -> None:
    suite = recorded_suite(world)
    assert suite.world == world == "robot-recorded"
    sizes = (suite.probe.train, suite.probe.validation, suite.probe.test)
    assert sizes == (17, 7, 9)
    assert (suite.voe.trajectories, suite.voe.disjoint) == (8, 7)
    assert sum(sizes) + 8 + 7 == 48  # every episode has its use
    assert (suite.probe.frames, suite.voe.frames) == (12, 12)
    assert suite.probe.quantities == ("agent_position", "agent_velocity", "goal_position")
    kinds = [c.kind for c in suite.voe.conditions]
    assert kinds == ["action_swap", "brightness", "noise", "blur"]
    assert suite.statistics.confirmatory == ("action_swap",)


def test_no_two_purposes_share_an_episode(recorded: Suite) -> None:
    purposes = ("probe-train", "probe-validation", "probe-test", "voe", "disjoint")
    seen: set[int] = set()
    for purpose in purposes:
        found = suite_trajectories(recorded, SIZE, purpose)
        episodes = [int(s[0]["episode"][0]) for s in found.snapshots]
        assert len(set(episodes)) == len(found)
        assert not seen & set(episodes)
        for episode, snapshots in zip(episodes, found.snapshots, strict=True):
            assert {int(s["episode"][0]) for s in snapshots} == {episode}
        seen |= set(episodes)


def test_trajectories_are_the_recorded_rows(recorded: Suite, data_set: Path) -> None:
    found = suite_trajectories(recorded, SIZE, "voe")
    with EpisodeFile(data_set) as file:
        for case in range(3):
            columns = file.episode(int(found.snapshots[case][0]["episode"][0]))
            np.testing.assert_array_equal(found.pixels[case], columns["pixels"][:60:5])
            np.testing.assert_array_equal(
                found.actions[case].reshape(60, 2), columns["action"][:60]
            )
            np.testing.assert_array_equal(
                found.state["agent_position"][case], columns["pos_agent"][:60:5]
            )
    half = found.at_size(32)
    assert half.pixels.shape == (8, 12, 32, 32, 3)


def test_the_sham_check_passes_and_conditions_start_at_onset(recorded: Suite) -> None:
    cases = matched_pairs(recorded, SIZE, history=3)  # checks the sham
    for name in cases.conditions:
        pixels, actions = cases.condition(name)
        before = np.arange(cases.reference.frames)[None] < cases.onset[:, None]
        np.testing.assert_array_equal(pixels[before], cases.reference.pixels[before])
        swapped = name == "action_swap"
        assert (pixels != cases.reference.pixels).any() != swapped
        assert (actions != cases.reference.actions).any() == swapped


@pytest.mark.parametrize("analysis", ["geometry", "straightness", "rollout", "probe"])
def test_analyses_run(analysis: str, recorded: Suite, make_lewm) -> None:
    checkpoint = checkpoint_from_model("tiny", make_lewm())
    result = run(analysis, [checkpoint], recorded, cache=LatentCache())
    values = [m.value for m in result.metrics if m.value is not None]
    assert len(values) > 8
    assert np.isfinite(values).all()
    assert {m.world for m in result.metrics} == {"robot-recorded"}
    if analysis == "straightness":
        (own,) = [
            m.value
            for m in result.metrics
            if (m.control, m.metric, m.stride) == ("state_space", "cosine", 1)
        ]
        path = suite_trajectories(recorded, SIZE, "disjoint").state["agent_position"]
        step = np.diff(path, axis=1)
        along = (step[:, 1:] * step[:, :-1]).sum(-1)
        length = np.linalg.norm(step, axis=-1)
        assert own == pytest.approx((along / length[:, 1:] / length[:, :-1]).mean(1).mean())
    if analysis == "probe":
        assert {"agent_position", "agent_velocity"} <= {m.subject for m in result.metrics}


def test_another_trajectory_s_actions_are_noticed_by_one_who_knows_physics(
    recorded: Suite, oracle
) -> None:
    result = run("voe", [oracle], recorded, cache=LatentCache())
    rows = {
        (m.subject, m.window, m.control): m.value for m in result.metrics if m.metric == "auroc"
    }
    assert rows["action_swap", "onset", None] > 0.8
    assert rows["action_swap", "mean_after", None] == 1
    assert rows["action_swap", "onset", "copy_last"] == 0.5  # the images are the same
    assert rows["brightness", "mean_after", None] < 0.7


def test_a_simulated_world_has_its_own_suite() -> None:
    with pytest.raises(UsageError) as error:
        recorded_suite("two-room")
    assert str(error.value) == (
        "two-room is a simulated world, which has a suite of its own: --suite two-room. This one "
        "is for recorded data sets (register_recorded)."
    )


def written(path: Path, lengths: list[int]) -> Path:
    rng = np.random.default_rng(0)
    with EpisodeWriter(path, lengths, {}) as writer:
        for length in lengths:
            action = rng.uniform(-1, 1, (length, 1)).astype(np.float32)
            pixels = np.zeros((length, 8, 8, 3), np.uint8)
            writer.append({"pixels": pixels, "action": action, "place": np.zeros((length, 1))})
    return path


def test_too_few_episodes(world: str, tmp_path: Path) -> None:
    path = written(tmp_path / "few.h5", [60] * 25 + [20] * 4)
    name = register_recorded(path)
    with pytest.raises(UserError) as error:
        recorded_suite(name)
    message = str(error.value)
    assert message.startswith(
        f"{path} has too few episodes for an audit: at least 28 of 56 rows or more with finite "
        "actions (11 frames at frame-skip 5) are needed, and after dealing its 29 there are "
    )
    assert message.endswith(". Give more or longer episodes, or a smaller frame-skip.")


def test_lengths_are_those_that_most_episodes_have(world: str, tmp_path: Path) -> None:
    name = register_recorded(written(tmp_path / "mixed.h5", [300] * 30 + [76] * 60 + [31] * 10))
    suite = recorded_suite(name)
    assert suite.probe.frames == 15  # 75 steps: 90 of 100 episodes have them
    assert suite.probe.train + suite.probe.validation + suite.probe.test <= 90
    name = register_recorded(written(tmp_path / "long.h5", [300] * 40))
    assert recorded_suite(name).voe.frames == 20
    assert set(MOST.values()) == {100, 200, 400}


def test_a_purpose_without_share_is_refused(world: str) -> None:
    with pytest.raises(UsageError):
        collect_trajectories(world, 1, 10, size=8, seed=0, purpose="test")
