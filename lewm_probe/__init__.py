"""Train latent world models from pixels and measure what physics they understood.

What most users of Python need is here: ``load_model``, ``audit``, ``AuditCallback``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lewm_probe.live import AuditCallback as AuditCallback
    from lewm_probe.live import audit as audit
    from lewm_probe.models.load import load_model as load_model

__version__ = "0.1.0"

_OFFERED = {
    "audit": "lewm_probe.live",
    "AuditCallback": "lewm_probe.live",
    "load_model": "lewm_probe.models.load",
}
"""Names that are imported when they are asked for: torch takes a second, ``--help`` has half."""


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_OFFERED[name]), name)
