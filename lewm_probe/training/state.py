"""The training state on disk: everything a run needs to go on as if nothing had happened.

All randomness of step k is a function of (seed, k), so the state is weights, optimiser moments and
the step. It is a safetensors file, never a pickle, replaced atomically: a kill at any moment leaves
the previous one whole.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn
from torch.optim import Optimizer

from lewm_probe.core.errors import UserError
from lewm_probe.core.files import atomic_path

RESUME_NAME = "resume.safetensors"


def save_state(
    path: Path, module: nn.Module, optimizer: Optimizer, step: int, data_fingerprint: str
) -> None:
    """Write weights, AdamW moments and the step taken.

    Raises:
        UserError: the disk is full.
    """
    tensors = {f"weights/{k}": v.detach().cpu() for k, v in module.state_dict().items()}
    for index, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            tensors[f"moments/{index}/{name}"] = torch.as_tensor(value).detach().cpu()
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
    metadata = {"step": json.dumps(step), "data_fingerprint": data_fingerprint}
    with atomic_path(path) as temporary:
        # Not save_file: it reports a full disk as an error of its own, without the number.
        temporary.write_bytes(save(tensors, metadata))


def load_state(path: Path, module: nn.Module, optimizer: Optimizer, data_fingerprint: str) -> int:
    """Restore what ``save_state`` wrote into ``module`` and ``optimizer``; return the step.

    Raises:
        UserError: the file is broken, of another architecture, or of a run on other data.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is not a whole training state. Train again into an empty folder."
        ) from error
    if metadata["data_fingerprint"] != data_fingerprint:
        raise UserError(
            f"The run in {path.parent} was trained on another data set (fingerprint "
            f"{metadata['data_fingerprint']}, given {data_fingerprint}). Give the data set it "
            "began with, or train into an empty folder."
        )
    prefix = "weights/"
    weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"The training state {path} does not fit the recipe's model. "
            "Train into an empty folder."
        ) from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("moments/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )
    return int(json.loads(metadata["step"]))
