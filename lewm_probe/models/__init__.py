"""World models: LeWM and PLDM, anyone's own, their parts, and loading and saving them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lewm_probe.models.base import ModelSpec, WorldModel
    from lewm_probe.models.check.run import check_world_model
    from lewm_probe.models.user_models import make_model, model_names

__all__ = ["ModelSpec", "WorldModel", "check_world_model", "make_model", "model_names"]

_PLACES = {
    "ModelSpec": "base",
    "WorldModel": "base",
    "check_world_model": "check.run",
    "make_model": "user_models",
    "model_names": "user_models",
}


def __getattr__(name: str) -> Any:
    """Found when asked for: importing this package must not import torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
