"""What an audit remembers."""

from __future__ import annotations

import pytest

from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.auditing import run
from lewm_probe.core.config import load_yaml
from lewm_probe.core.resources import find_suite
from lewm_probe.models.base import ModelSpec, WorldModel

SPEC = ModelSpec("mine", 1, 5, 32, "continuous", 10, 1)


class Mine(WorldModel):
    def __init__(self) -> None:
        self.spec, self.fingerprint = SPEC, "given"

    def encode(self, observation):
        return observation[..., 0, 0, :1].float()

    def predict(self, latents, actions):
        return latents


class Edited(Mine):
    """The same fingerprint and other code, as when somebody fixes ``encode`` between two runs."""


@pytest.fixture
def suite() -> Suite:
    return load_yaml(find_suite("two-room"), Suite, "suite")


def test_a_result_is_known_by_all_that_it_follows_from(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(model: WorldModel, device: str = "cpu", notes: tuple[str, ...] = ()) -> str:
        return run._key("voe", [checkpoint_from_model("a", model)], suite, device, list(notes))

    own = key(Mine())
    assert key(Mine()) == own
    others = [key(Edited()), key(Mine(), "cuda"), key(Mine(), notes=("b was left out",))]
    monkeypatch.setattr("lewm_probe.results.provenance.packages", lambda: {"torch": "other"})
    others.append(key(Mine()))
    assert len({own, *others}) == 5
