"""What an audit tells beside its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.auditing.request import EvaluationRequest, find_suite_for, notes_on
from lewm_probe.core.errors import UsageError
from lewm_probe.core.resources import find_suite, suite_names
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.data.recorded import RecordedWorld, register_recorded
from lewm_probe.models.base import ModelSpec, WorldModel
from lewm_probe.models.checkpoints.load import LoadOptions
from lewm_probe.worlds import make_world, registry

SPEC = ModelSpec("mine", 1, 5, 32, "continuous", 10, 1)


class Mine(WorldModel):
    statistics_source: str | None = None

    def __init__(self) -> None:
        self.spec, self.fingerprint = SPEC, "given"

    def encode(self, observation):
        return observation[..., 0, 0, :1].float()

    def predict(self, latents, actions):
        return latents


def test_what_a_data_set_cannot_be_asked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.WORLDS, "_own", {})
    with EpisodeWriter(tmp_path / "robot.h5", [4], {"note": "images are lossy"}) as writer:
        force = np.array([[0.0], [np.nan], [1.0], [2.0]])
        pixels = np.zeros((4, 8, 8, 3), np.uint8)
        action = np.zeros((4, 2), np.float32)
        writer.append({"pixels": pixels, "action": action, "force": force, "place": force * 0 + 1})
    world = make_world(register_recorded(tmp_path / "robot.h5", frame_skip=1))
    reported = "not finite in 1 row of column"
    assert notes_on([], world) == [
        "robot: images are lossy.",
        f"robot: the quantity force was left out, as it is {reported} force.",
        f"robot: the quantity place was left out, as it is {reported} place.",
    ]
    assert isinstance(world, RecordedWorld)
    seen = world.recording.data.fingerprint
    checkpoint = checkpoint_from_model("a", Mine(), data_fingerprint=seen)
    assert notes_on([checkpoint], world)[3:] == [
        "a: images of 8 px were recorded, and resized by area to the 32 px that it takes.",
        "a was trained on this very data set: its numbers here are of episodes that it has seen, "
        "and flatter it.",
    ]
    assert notes_on([checkpoint], make_world("two-room")) == []


@pytest.mark.parametrize(
    ("source", "reported"),
    [
        ("checkpoint", []),
        (
            "identity",
            [
                "a: its actions are not scaled, as --action-stats identity says. If it was trained "
                "on scaled actions, what it predicts means nothing."
            ],
        ),
        ("data set x.h5", ["a: its action statistics are not its own, but are of data set x.h5."]),
        ("given", ["a: its action statistics are not its own, but were given in Python."]),
    ],
)
def test_action_statistics_of_others_are_told(source: str, reported: list[str]) -> None:
    model = Mine()
    model.statistics_source = source
    assert notes_on([checkpoint_from_model("a", model)], make_world("two-room")) == reported


@pytest.mark.parametrize("source", ["checkpoint", "data set other.h5"])
def test_a_data_set_beside_statistics_of_its_own(source: str) -> None:
    model = Mine()
    model.statistics_source = source
    options = LoadOptions(dataset=("runs/other.h5",))
    reported = {
        "checkpoint": "a: the action statistics that it carries itself were used, not those of the "
        "data set other.h5.",
        "data set other.h5": "a: its action statistics are not its own, but are of data set "
        "other.h5.",
    }
    checkpoint = checkpoint_from_model("a", model, options=options)
    assert notes_on([checkpoint], make_world("two-room")) == [reported[source]]


def test_a_model_of_another_world_is_told() -> None:
    model = Mine()
    model.spec = replace(SPEC, world="push-t", train_seed=3)
    checkpoint = checkpoint_from_model("a", model)
    assert notes_on([checkpoint], make_world("push-t")) == []
    assert notes_on([checkpoint], make_world("two-room")) == [
        "a, training seed 3 was trained in push-t and is asked in two-room, another world: its "
        "numbers say how it does on images and physics that it has not seen. Leave --world out, or "
        "say --world push-t, to ask it where it was trained."
    ]


def test_recorded_episodes_of_the_same_world_are_no_other_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.WORLDS, "_own", {})
    with EpisodeWriter(tmp_path / "robot.h5", [4], {"world": "two-room"}) as writer:
        place = np.arange(4.0)[:, None]
        pixels, action = np.zeros((4, 32, 32, 3), np.uint8), np.zeros((4, 2), np.float32)
        writer.append({"pixels": pixels, "action": action, "place": place})
    world = make_world(register_recorded(tmp_path / "robot.h5", frame_skip=1))
    for trained, told in (("two-room", 0), ("push-t", 1), (None, 0)):
        model = Mine()
        model.spec = replace(SPEC, world=trained)
        notes = notes_on([checkpoint_from_model("a", model)], world)
        assert len([n for n in notes if "another world" in n]) == told


@pytest.mark.parametrize("asked", [None, "two-room"])
def test_a_world_that_a_checkpoint_names_is_never_a_path(
    asked: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a world that a user names, where a file of that name lies in this folder."""
    monkeypatch.chdir(tmp_path)
    suite = find_suite("two-room").read_text(encoding="utf-8").replace("seed: 7", "seed: 8")
    for name in ("stranger.yaml", "two-room"):
        Path(name).write_text(suite, encoding="utf-8")
    model = Mine()
    model.spec = replace(SPEC, world=str(tmp_path / "stranger.yaml"))
    checkpoints = [checkpoint_from_model("a", model)]
    if asked is not None:
        found = find_suite_for(EvaluationRequest(world=asked), checkpoints)
        assert (found.world, found.seed) == ("two-room", 7)
        return
    with pytest.raises(UsageError) as caught:
        find_suite_for(EvaluationRequest(), checkpoints)
    shown = str(tmp_path / "stranger.yaml")
    shown = shown if len(shown) <= 80 else f"{shown[:80]} …"
    assert str(caught.value) == (
        f"The checkpoints name the world '{shown}', of which there is no suite here (known: "
        f"{', '.join(suite_names())}). Install the package that brings this world along and give a "
        "suite with --suite FILE, or name a known one with --world."
    )
    assert find_suite_for(EvaluationRequest(suite="stranger.yaml"), checkpoints).seed == 8
