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
    path: Path,
    module: nn.Module,
    optimizer: Optimizer,
    step: int,
    data_fingerprint: str,
    recipe: str,
) -> None:
    """Write weights, AdamW moments and the step taken, and a hash of the ``recipe`` they are of.

    Raises:
        UserError: the disk is full.
    """
    tensors = {f"weights/{k}": v.detach().cpu() for k, v in module.state_dict().items()}
    for index, entry in optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            tensors[f"moments/{index}/{name}"] = torch.as_tensor(value).detach().cpu()
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
    metadata = {"step": json.dumps(step), "data_fingerprint": data_fingerprint}
    metadata["recipe"] = recipe
    with atomic_path(path) as temporary:
        # Not save_file: it reports a full disk as an error of its own, without the number.
        temporary.write_bytes(save(tensors, metadata))


def load_state(
    path: Path,
    module: nn.Module,
    optimizer: Optimizer,
    total: int,
    data_fingerprint: str,
    recipe: str,
) -> int:
    """Restore what ``save_state`` wrote into ``module`` and ``optimizer``; return the step.

    Raises:
        UserError: the file is broken, or of another recipe, architecture or data set.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        step = int(metadata["step"])
        began_with = metadata["data_fingerprint"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} is not a whole training state. Train again into an empty folder."
        ) from error
    check_data_set(path.parent, began_with, data_fingerprint)
    # States of earlier versions do not say their recipe.
    if metadata.get("recipe", recipe) != recipe or not 0 < step <= total:
        raise UserError(
            f"The training state {path} is of another run: it is at step {step} of another recipe. "
            "Train into an empty folder."
        )
    prefix = "weights/"
    weights = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    try:
        module.load_state_dict(weights)
        optimizer.load_state_dict(
            {"state": _moments(tensors), "param_groups": optimizer.state_dict()["param_groups"]}
        )
        _check_moments(optimizer)
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"The training state {path} does not fit the recipe's model. "
            "Train into an empty folder."
        ) from error
    return step


def check_data_set(folder: Path, began_with: str | None, given: str) -> None:
    """Refuse to go on with a run, or to take it for finished, on another data set.

    Raises:
        UserError: the fingerprints differ.
    """
    if began_with != given:
        raise UserError(
            f"The run in {folder} was trained on another data set (fingerprint {began_with}, given "
            f"{given}). Give the data set it began with, or train into an empty folder."
        )


def _moments(tensors: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("moments/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    return state


def _check_moments(optimizer: Optimizer) -> None:
    """Torch takes moments of any shape, or none at all."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if any(state[name].shape != parameter.shape for name in ("exp_avg", "exp_avg_sq")):
                raise ValueError
            if state["step"].numel() != 1:
                raise ValueError
