"""Train latent world models from pixels and measure what physics they understood."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lewm_probe.models.load import load_model as load_model
    from lewm_probe.models.released_save import save_released as save_released

__version__ = "0.1.0"

_EXPORTS = {
    "load_model": "lewm_probe.models.load",
    "save_released": "lewm_probe.models.released_save",
}
"""Names that are imported when they are first used, so that ``import lewm_probe`` stays light."""


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'lewm_probe' has no attribute '{name}'")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
