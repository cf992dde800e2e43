"""A checkpoint format of another package: written, found, read, and refused where it is damaged."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.check.run import check_world_model
from lewm_probe.models.checkpoints.load import load_model, origin_of
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.checkpoints.registry import CHECKPOINT_FORMATS
from lewm_probe.models.family import FAMILIES, Origin


@pytest.fixture(scope="module")
def saved(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh model of the plug-in's family in the plug-in's format."""
    path = tmp_path_factory.mktemp("saved") / "mine.toynpz"
    family, origin = FAMILIES.get("toy_patches"), Origin(family="toy_patches", step=4)
    config = family.model_config(image_size=32, frame_skip=5, env_action_width=2)
    model = family.build(config, ActionStatistics((0.5, 0.0), (1.0, 2.0)), origin)
    CHECKPOINT_FORMATS.get("toy_npz").write(path, model, origin)  # type: ignore[attr-defined]
    return path


def test_it_is_found_by_its_suffix(saved: Path) -> None:
    located = locate(saved)
    assert (located.format, located.name) == ("toy_npz", "mine")
    assert origin_of(located).step == 4


def test_ours_of_the_same_model_is_the_same_model(saved: Path, tmp_path: Path) -> None:
    model = load_model(saved)
    check_world_model(model)
    assert (model.spec.step, model.statistics_source) == (4, "checkpoint")
    save_checkpoint(tmp_path / "a.safetensors", model, meta=origin_of(locate(saved)))
    assert load_model(tmp_path / "a.safetensors").fingerprint == model.fingerprint
    images = torch.zeros(1, 1, 40, 40, 3, dtype=torch.uint8)
    assert load_model(saved, resize="area").encode(images).shape == (1, 1, 4, 8)


def test_what_contradicts_it_is_refused(saved: Path) -> None:
    with pytest.raises(UserError) as error:
        load_model(saved, family="lewm")
    assert str(error.value) == (
        f"{saved} is a checkpoint of the family toy_patches, as its configuration says, but "
        "--family says lewm. Leave out --family, or give another checkpoint."
    )
    with pytest.raises(UserError, match="action statistics"):
        load_model(saved, action_stats="identity")


def changed(saved: Path, path: Path, **changes: object) -> Path:
    """A copy with other arrays, or other keys of what it says about itself."""
    with np.load(saved) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    arrays |= {name: value for name, value in changes.items() if name not in about}
    about |= {name: value for name, value in changes.items() if name in about}
    with path.open("wb") as file:
        np.savez(file, **{**arrays, "about": np.array(json.dumps(about))})
    return path


def test_an_unknown_family_is_told_and_never_imported(saved: Path, tmp_path: Path) -> None:
    path = changed(saved, tmp_path / "a.toynpz", origin={"family": "os:system"})
    with pytest.raises(UsageError) as error:
        load_model(path)
    assert str(error.value) == (
        f"Unknown family 'os:system'. Known: {', '.join(FAMILIES.names())}."
    )


def test_tensors_are_those_of_the_configuration(saved: Path, tmp_path: Path) -> None:
    path = changed(saved, tmp_path / "a.toynpz", **{"move.bias": np.zeros(5, np.float32)})
    with pytest.raises(UserError) as error:
        load_model(path)
    assert str(error.value) == (
        f"The tensor move.bias of {path} is float32 (5,), but its configuration expects float32 "
        "(8,). The file was changed after it was written; use the original."
    )
    path = changed(saved, tmp_path / "b.toynpz", action_std=[1.0, 0.0])
    with pytest.raises(UserError, match="SDs above zero were expected"):
        load_model(path)


class Evil:
    """Would leave a mark where it is unpickled."""

    def __reduce__(self) -> tuple:
        return Path.touch, (Path("evil"),)


@pytest.mark.parametrize("what", ["cut short", "another", "pickle"])
def test_damaged_it_is_told_so(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.toynpz"
    if what == "cut short":
        path.write_bytes(saved.read_bytes()[:500])
    elif what == "another":
        path.write_bytes(pickle.dumps(Evil()))
    else:
        changed(saved, path, evil=np.array([Evil()], dtype=object))
    with pytest.raises(UserError) as error:
        load_model(path)
    assert str(error.value) == f"{path} is no whole .toynpz. Write it again."
    assert not Path("evil").exists()
