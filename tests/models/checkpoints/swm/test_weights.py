from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lewm_probe.core.errors import UserError
from lewm_probe.models.checkpoints.load import load_model
from lewm_probe.models.checkpoints.swm.weights import published_name, read_weights


def state(folder: Path) -> dict[str, Tensor]:
    return dict(torch.load(folder / "weights.pt", weights_only=True))


def refused(folder: Path, content: Any) -> str:
    torch.save(content, folder / "weights.pt")
    with pytest.raises(UserError) as caught:
        read_weights(folder / "weights.pt")
    return str(caught.value)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("attention.q_proj.weight", "attention.attention.query.weight"),
        ("attention.k_proj.bias", "attention.attention.key.bias"),
        ("attention.v_proj.weight", "attention.attention.value.weight"),
        ("attention.o_proj.bias", "attention.output.dense.bias"),
        ("mlp.fc1.weight", "intermediate.dense.weight"),
        ("mlp.fc2.bias", "output.dense.bias"),
        ("layernorm_before.weight", "layernorm_before.weight"),
    ],
)
def test_names_of_both_spellings(new: str, old: str) -> None:
    assert published_name(f"encoder.layers.11.{new}") == f"encoder.encoder.layer.11.{old}"
    assert published_name(f"encoder.encoder.layer.11.{old}") == f"encoder.encoder.layer.11.{old}"
    # The predictor has layers of its own, which were never renamed.
    same = f"predictor.transformer.layers.0.{new}"
    assert published_name(same) == same


def test_how_it_was_found(released: Path) -> None:
    found = read_weights(released / "weights.pt")
    assert (found.spelling, found.wrapper, found.left_aside) == ("transformers 4.x", "", ())
    wrapped = {"model.module." + name: tensor for name, tensor in state(released).items()}
    wrapped["sigreg.t"] = wrapped["idm.net.0.bias"] = torch.ones(1)
    torch.save({"state_dict": wrapped, "global_step": 5}, released / "weights.pt")
    found = read_weights(released / "weights.pt")
    assert found.wrapper == "under the key state_dict, after the prefix model.module."
    assert found.left_aside == ("sigreg.t", "idm.net.0.bias")
    assert found.step == 5


def test_the_mask_token_of_masked_training(released: Path) -> None:
    tensors = state(released)
    before = load_model(released, action_stats="identity")
    tensors["encoder.embeddings.mask_token"] = torch.zeros(1, 1, 48)
    torch.save(tensors, released / "weights.pt")
    with pytest.raises(UserError, match=r"encoder\.embeddings\.mask_token not expected\."):
        load_model(released, action_stats="identity")
    config = (released / "config.json").read_text()
    (released / "config.json").write_text(
        config.replace('"use_mask_token": false', '"use_mask_token": true')
    )
    after = load_model(released, action_stats="identity")
    assert after.fingerprint == before.fingerprint


def test_something_else_beside_the_model(released: Path) -> None:
    tensors = {"model." + name: tensor for name, tensor in state(released).items()}
    assert refused(released, {"state_dict": {**tensors, "decoder.weight": torch.ones(1)}}) == (
        f"{released}/weights.pt holds 'decoder.weight' beside the model's tensors, whose names "
        "begin with 'model.'. Only sigreg.*, idm.* and callbacks_* are known to stand there; save "
        "the model's state dict alone."
    )


def test_two_tables(released: Path) -> None:
    tensors = state(released)
    assert refused(released, {"model": tensors, "weights": tensors}) == (
        f"{released}/weights.pt holds several tables of tensors (model, weights), and which one is "
        "the model is not said. Save the one you mean: torch.save(loaded['…'], 'weights.pt')."
    )


def test_both_spellings_at_once(released: Path) -> None:
    tensors = state(released)
    tensors["encoder.layers.0.mlp.fc1.bias"] = torch.ones(192)
    assert refused(released, tensors) == (
        f"{released}/weights.pt holds the tensor encoder.encoder.layer.0.intermediate.dense.bias "
        "twice, in both spellings of transformers. Save the model's state dict anew."
    )


def test_what_is_no_tensor(released: Path) -> None:
    assert refused(released, {**state(released), "predictor.name": "lewm"}) == (
        f"'predictor.name' of {released}/weights.pt is a str, but a tensor was expected. Save the "
        "model's state dict alone."
    )


def test_another_model(released: Path) -> None:
    assert refused(released, torch.nn.Linear(1, 1).state_dict()) == (
        f"{released}/weights.pt holds no LeWM or PLDM: none of its names begins with 'predictor.', "
        "with or without model., module., model.module. before it. It holds 'weight', 'bias' …; "
        "give the checkpoint of a whole model."
    )
