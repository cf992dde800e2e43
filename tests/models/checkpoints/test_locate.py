from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.load import load_model
from lewm_probe.models.checkpoints.locate import locate
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        locate(path)
    return str(caught.value)


# ---- ours


def test_a_run_folder_of_ours(tmp_path: Path, small: JEPA) -> None:
    for step in (0, 20):
        path = tmp_path / "run" / "checkpoints" / f"step_{step:07d}.safetensors"
        save_checkpoint(path, small, meta=Origin(family="lewm", step=step))
    located = locate(tmp_path / "run")
    assert (located.weights, located.name, located.ours) == (path, "run", True)
    assert [p.stem for p in located.run_checkpoints] == ["step_0000000", "step_0000020"]
    assert located.kind == "lewm-probe checkpoint"
    file = locate(path)
    assert (file.name, file.run, file.run_checkpoints) == ("run", tmp_path / "run", ())


# ---- released shapes


def test_weights_beside_epochs_are_the_final_ones(released: Path) -> None:
    shutil.copyfile(released / "weights.pt", released / "weights_epoch_4.pt")
    located = locate(released)
    assert located.weights == released / "weights.pt"
    assert located.run_checkpoints == (released / "weights_epoch_4.pt",)
    assert located.name == "lewm-tiny"


@pytest.mark.parametrize("name", ["best.pt", "run_weights.ckpt", "last.ckpt"])
def test_the_only_file_there_is(released: Path, name: str) -> None:
    (released / "weights.pt").rename(released / name)
    torch.save(torch.nn.Linear(1, 1), released / "run_epoch_1_object.ckpt")
    located = locate(released)
    assert located.weights.name == name
    suffix = "Lightning checkpoint" if name.endswith("ckpt") else "PyTorch weights"
    assert located.kind == f"released shape ({suffix})"


def test_several_to_choose_from(released: Path) -> None:
    (released / "weights.pt").rename(released / "a.pt")
    shutil.copyfile(released / "a.pt", released / "b.pt")
    assert refused(released) == (
        f"The folder {released} holds several checkpoints (a.pt, b.pt), and none is called "
        "weights.pt or weights_epoch_N.pt. Name the file."
    )
    assert locate(released / "b.pt").weights.name == "b.pt"


def test_no_configuration(released: Path) -> None:
    (released / "config.json").unlink()
    for path in (released, released / "weights.pt"):
        assert refused(path) == (
            f"{released}/weights.pt has no config.json beside it. Weights alone do not tell the "
            "model's heads, dropout or image size, and guesses would pass unnoticed. Put the "
            "run's config.json into the same folder."
        )


def test_nothing_there(released: Path) -> None:
    wrong = released.parent / "lewm-tniy"
    assert refused(wrong) == (
        f"There is no checkpoint at {wrong}. Did you mean {released}? Give a run folder, a "
        ".safetensors file, a folder with config.json and weights.pt, or hf://user/repo."
    )


def test_files_of_another_kind(released: Path) -> None:
    assert refused(released / "config.json") == (
        f"{released}/config.json is of no kind that checkpoints have (.safetensors, .pt, .ckpt). "
        "Give a run folder, a .safetensors file, a folder with config.json and weights.pt, or "
        "hf://user/repo."
    )


def test_links_within_the_folder_are_followed(released: Path) -> None:
    (released / "weights.pt").rename(released / "step-9.bin")
    (released / "weights.pt").symlink_to("step-9.bin")
    assert load_model(released, action_stats="identity").spec.family == "lewm"


# ---- the Hugging Face cache


@pytest.fixture
def cached(released: Path, tmp_path: Path) -> Path:
    return make_cached(tmp_path / "hub", released, "abc123")


def make_cached(hub: Path, source: Path, commit: str) -> Path:
    """A repository as huggingface_hub lays it out: snapshots are links into blobs."""
    repository = hub / "models--someone--lewm-tiny"
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir(exist_ok=True)
    for name in ("config.json", "weights.pt"):
        shutil.copyfile(source / name, repository / "blobs" / f"{commit}-{name}")
        (snapshot / name).symlink_to(f"../../blobs/{commit}-{name}")
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    return repository


def test_a_cached_repository(cached: Path) -> None:
    for path in (cached, cached / "snapshots" / "abc123"):
        located = locate(path)
        assert located.name == "lewm-tiny"
        assert located.weights == cached / "snapshots" / "abc123" / "weights.pt"
        assert load_model(path, action_stats="identity").spec.family == "lewm"
    named = locate(cached / "snapshots" / "abc123" / "weights.pt")
    assert named.name == "lewm-tiny"


def test_the_current_one_of_several_snapshots(cached: Path, released: Path) -> None:
    make_cached(cached.parent, released, "def456")
    assert locate(cached).weights.parent.name == "def456"
    (cached / "refs" / "main").unlink()
    assert refused(cached) == (
        f"The cached repository {cached} does not say which of its snapshots is current (there: "
        "abc123, def456). Give the path of one of them, or fetch it again."
    )


def test_a_folder_that_another_library_cached(
    released: Path, tmp_path: Path, awaken: Callable[[JEPA], JEPA]
) -> None:
    """stable-worldmodel puts a repository's files straight into models--USER--REPO."""
    folder = tmp_path / "models--quentinll--lewm-pusht"
    released.rename(folder)
    assert locate(folder).name == "lewm-pusht"
