"""What an audit tells beside its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.auditing.request import notes_on
from lewm_probe.data.formats.hdf5.episodes import EpisodeWriter
from lewm_probe.data.recorded import RecordedWorld, register_recorded
from lewm_probe.models.base import ModelSpec, WorldModel
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
