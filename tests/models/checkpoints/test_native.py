from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import lewm_probe
from lewm_probe.core.errors import UserError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.native import (
    load_checkpoint,
    read_header,
    resolve_checkpoint,
    run_checkpoints,
    save_checkpoint,
)
from lewm_probe.models.config import EncoderConfig, ModelConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA

META = Origin(
    family="pldm",
    world="two-room",
    seed=3,
    step=1200,
    epoch=2,
    data_fingerprint="abc",
    recipe="pldm-cpu",
)


@pytest.fixture
def saved(tmp_path: Path, small: JEPA) -> Path:
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, small, meta=META)
    return path


def _rewrite(path: Path, **changes: Any) -> None:
    """Change tensors (Tensor, or None to remove) or, under ``header``, keys of the header."""
    header = json.loads(read_header(path).model_dump_json()) | changes.pop("header", {})
    tensors: dict[str, Tensor] = load_file(path)
    for name, tensor in changes.items():
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor
    save_file(tensors, path, metadata={"lewm_probe": json.dumps(header)})


def _message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_checkpoint(path)
    assert caught.value.exit_code == 1
    return str(caught.value)


# ---- round trip


def test_round_trip_is_identical(saved: Path, small: JEPA, pixels: Tensor, actions: Tensor) -> None:
    loaded = load_checkpoint(saved)
    z = loaded.encode(pixels)
    assert torch.equal(z, small.encode(pixels))
    assert torch.equal(loaded.predict(z, actions), small.predict(z, actions))
    assert loaded.fingerprint == small.fingerprint
    assert loaded.config == small.config
    assert loaded.action_statistics == small.action_statistics
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    spec = loaded.spec
    assert (spec.family, spec.world, spec.train_seed, spec.step) == ("pldm", "two-room", 3, 1200)


def test_a_checkpoint_does_not_need_the_defaults_it_was_written_under(
    tmp_path: Path, statistics: ActionStatistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(image_size=16, encoder=EncoderConfig(name="cnn"), latent_width=8)
    model = JEPA(config, statistics)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, meta=META)
    monkeypatch.setattr("lewm_probe.models.config.CNN_CHANNELS", (3, 3))
    monkeypatch.setattr("lewm_probe.models.config.CNN_WIDTH", 9)
    assert load_checkpoint(path).fingerprint == model.fingerprint


def test_the_same_model_gives_the_same_bytes(saved: Path, small: JEPA, tmp_path: Path) -> None:
    again = tmp_path / "b.safetensors"
    save_checkpoint(again, small, meta=META)
    assert again.read_bytes() == saved.read_bytes()


def test_header(saved: Path, small: JEPA) -> None:
    header = read_header(saved)
    assert header.meta == META
    assert header.written_by == lewm_probe.__version__
    assert header.config == small.config
    assert (header.action_mean, header.action_std) == ((0.5, -1.0), (2.0, 0.25))


def test_weights_are_float32(saved: Path, tmp_path: Path, small: JEPA) -> None:
    half = tmp_path / "half.safetensors"
    save_checkpoint(half, small.to(torch.bfloat16), meta=META)
    assert {t.dtype for t in load_file(half).values()} == {torch.float32, torch.int64}


def test_a_loaded_model_can_train_again(saved: Path, pixels: Tensor) -> None:
    model = load_checkpoint(saved).requires_grad_(True).train()
    model.embed(pixels).square().mean().backward()
    torch.optim.AdamW(model.parameters()).step()
    assert load_checkpoint(saved).fingerprint != model.fingerprint


def test_resizing_is_part_of_the_loaded_model(saved: Path) -> None:
    model = load_checkpoint(saved, resize="bilinear")
    assert model.encode(torch.zeros(1, 1, 20, 20, 3, dtype=torch.uint8)).shape == (1, 1, 8)


def test_full_size_loads_in_two_seconds(tmp_path: Path) -> None:
    model = JEPA(ModelConfig(), ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0)))
    path = tmp_path / "full.safetensors"
    save_checkpoint(path, model, meta=META)
    start = time.process_time()
    loaded = load_checkpoint(path)
    assert time.process_time() - start < 2
    assert torch.equal(loaded.projector.net[0].weight, model.projector.net[0].weight)


def test_a_failed_save_leaves_the_old_file(
    saved: Path, small: JEPA, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fail(path: Path, data: bytes) -> None:
        with open(path, "wb") as file:
            file.write(data[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError) as caught:
        save_checkpoint(saved, small, meta=META)
    assert str(caught.value) == (
        f"The disk is full: {saved} could not be written. Nothing half-written was left behind. "
        "Free some space, or choose another place with --out, and run the command again."
    )
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


# ---- run folders


def test_run_checkpoints_are_in_order_of_step(tmp_path: Path, small: JEPA) -> None:
    folder = tmp_path / "checkpoints"
    # 10,000,000 has more digits than the name's padding: text order would be wrong.
    for step in (10_000_000, 0, 400, 80):
        save_checkpoint(folder / f"step_{step:07d}.safetensors", small, meta=META)
    (folder / ".step_0000001.safetensors.x.partial.safetensors").write_bytes(b"")
    (folder / "step_last.safetensors").write_bytes(b"")
    names = [path.name for path in run_checkpoints(tmp_path)]
    assert names == [
        "step_0000000.safetensors",
        "step_0000080.safetensors",
        "step_0000400.safetensors",
        "step_10000000.safetensors",
    ]
    assert resolve_checkpoint(tmp_path).name == "step_10000000.safetensors"
    save_checkpoint(tmp_path / "model.safetensors", small, meta=META)
    assert resolve_checkpoint(tmp_path) == tmp_path / "model.safetensors"
    assert load_checkpoint(tmp_path).spec.step == 1200


def test_a_folder_without_checkpoints(tmp_path: Path) -> None:
    assert _message(tmp_path) == (
        f"There are no checkpoints in {tmp_path / 'checkpoints'} (step_….safetensors were "
        "expected). Give the folder of a training run made by `lewm-probe train`."
    )


# ---- bad files


def test_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    assert _message(path) == (
        f"There is no checkpoint at {path}. Give a .safetensors file or the folder of a training "
        "run."
    )


@pytest.mark.parametrize("kept", [0, 5, 8, 300, -1])
def test_cut_short(saved: Path, kept: int) -> None:
    saved.write_bytes(saved.read_bytes()[:kept])
    assert _message(saved) == (
        f"{saved} is not a whole safetensors file: it is of another kind, or was cut short "
        f"({saved.stat().st_size:,} bytes are there). Copy it again, or give a checkpoint made by "
        "`lewm-probe train`."
    )


def test_another_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(3)}, path)
    assert _message(path) == (
        f"{path} is not a whole safetensors file: it is of another kind, or was cut short "
        f"({path.stat().st_size:,} bytes are there). Copy it again, or give a checkpoint made by "
        "`lewm-probe train`."
    )


def test_oversized_header(tmp_path: Path) -> None:
    path = tmp_path / "big.safetensors"
    length = 5 * 1024 * 1024
    path.write_bytes(struct.pack("<Q", length) + b" " * length)
    assert _message(path) == (
        f"{path} announces a header of 5,242,880 bytes, but a checkpoint's is under 4,194,304. It "
        "was not written by lewm-probe; give a file that was."
    )


def test_a_foreign_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    assert _message(path) == (
        f"{path} is a safetensors file, but lewm-probe did not write it: its header has no "
        "'lewm_probe'. Give a checkpoint made by `lewm-probe train`."
    )


def test_a_damaged_header(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(3)}, path, metadata={"lewm_probe": '{"schema_version" 1'})
    assert _message(path) == (
        f"The header of {path} is not JSON (at character 18: Expecting ':' delimiter). It is of "
        "another kind, or was cut short; fetch it again."
    )


def test_a_newer_schema(saved: Path) -> None:
    _rewrite(saved, header={"schema_version": 2, "written_by": "9.1", "new_key": 1})
    assert _message(saved) == (
        f"{saved} has checkpoint schema 2, written by lewm-probe 9.1; this is lewm-probe "
        f"{lewm_probe.__version__}, which reads up to 1. Install a newer lewm-probe."
    )


def test_an_unknown_header_key(saved: Path) -> None:
    _rewrite(saved, header={"colour": 1})
    assert _message(saved) == (
        f"The header of {saved} has an unknown key 'colour'. Known keys there: action_mean, "
        "action_std, config, meta, schema_version, written_by."
    )


def test_missing_and_unexpected_tensors(saved: Path) -> None:
    _rewrite(saved, **{"encoder.linear.bias": None, "projector.net.9.weight": torch.zeros(1)})
    assert _message(saved) == (
        f"The tensors of {saved} are not those of its configuration (61 were expected): "
        "encoder.linear.bias missing; projector.net.9.weight not expected. The file was changed "
        "after it was written; use the original."
    )


def test_many_missing_tensors_are_counted(saved: Path) -> None:
    gone = {f"projector.net.{n}": None for n in ("0.weight", "0.bias", "3.weight", "3.bias")}
    _rewrite(saved, **gone)
    assert _message(saved) == (
        f"The tensors of {saved} are not those of its configuration (61 were expected): "
        "projector.net.0.bias, projector.net.0.weight, projector.net.3.bias and 1 more missing. "
        "The file was changed after it was written; use the original."
    )


@pytest.mark.parametrize(
    ("tensor", "came"),
    [
        (torch.zeros(9, 16), "float32 (9, 16)"),
        (torch.zeros(8, 16, dtype=torch.float16), "float16 (8, 16)"),
    ],
)
def test_a_tensor_of_another_shape_or_type(saved: Path, tensor: Tensor, came: str) -> None:
    _rewrite(saved, **{"projector.net.3.weight": tensor})
    assert _message(saved) == (
        f"The tensor projector.net.3.weight of {saved} is {came}, but its configuration expects "
        "float32 (8, 16). The file was changed after it was written; use the original."
    )


def test_weights_that_are_not_finite(saved: Path) -> None:
    bias = torch.zeros(8)
    bias[3], bias[5] = float("nan"), float("inf")
    _rewrite(saved, **{"pred_proj.net.3.bias": bias})
    assert _message(saved) == (
        f"The tensor pred_proj.net.3.bias of {saved} holds 2 NaN or infinite values of 8: training "
        "diverged before this checkpoint. Use an earlier checkpoint, or train with a lower "
        "learning rate."
    )
