"""Train latent world models from pixels and measure what physics they understood."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_OFFERED = {
    "audit": "lewm_probe.live",
    "AuditCallback": "lewm_probe.live",
}
"""Names that are imported when they are asked for: torch takes a second, ``--help`` has half."""

__all__ = ["AuditCallback", "__version__", "audit"]


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_OFFERED[name]), name)
