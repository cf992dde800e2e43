"""Checkpoints and runs where others keep them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lewm_probe.core.errors import NotThere
from lewm_probe.models.checkpoints.load import load_model
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA
from tests.fixtures.stores import Put


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_released_folder(s3: Put, released: Path) -> None:
    address = s3(released, "runs/lewm-tiny")
    located = locate(address)
    assert located.name == "lewm-tiny"
    assert located.shown == f"{address}/weights.pt"
    assert located.weights.read_bytes() == (released / "weights.pt").read_bytes()
    own = load_model(released, action_stats="identity").state_dict()
    for place in (address, Path(address), f"{address}/weights.pt"):  # a path has lost a slash
        model = load_model(place, action_stats="identity")
        assert all(map(torch.equal, model.state_dict().values(), own.values()))
    assert locate(f"{address}/weights.pt").shown == f"{address}/weights.pt"


def test_a_run_of_ours(memory: Put, tmp_path: Path, small: JEPA) -> None:
    folder = tmp_path / "my-run"
    for step in (0, 20):
        path = folder / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, small, meta=Origin(family="lewm", step=step))
    for name in ("recipe.yaml", "metrics.jsonl", "events.out.tfevents.1"):
        (folder / name).write_text("")
    located = locate(memory(folder, "my-run"))
    assert (located.name, located.ours) == ("my-run", True)
    assert located.shown == "memory://shelf/my-run/checkpoints/step_0000020.safetensors"
    assert [p.stem for p in located.run_checkpoints] == ["step_0000000", "step_0000020"]
    assert load_model("memory://shelf/my-run").spec.step == 20
    assert located.run is not None
    there = sorted(path.name for path in located.run.iterdir())
    assert there == ["checkpoints", "metrics.jsonl", "recipe.yaml"]


def test_nothing_is_there(memory: Put) -> None:
    with pytest.raises(NotThere) as caught:
        locate("memory://shelf/run")
    assert str(caught.value) == (
        "There is no checkpoint at memory://shelf/run: nothing is there. Check the address."
    )
