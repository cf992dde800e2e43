"""Train latent world models from pixels and measure what physics they understood.

What most users of Python need is here: ``load_model`` and ``export_swm`` for checkpoints,
``audit`` and ``AuditCallback`` for models in a notebook or in a training loop.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lewm_probe._version import __version__ as __version__

if TYPE_CHECKING:
    from lewm_probe.auditing.live import AuditCallback as AuditCallback
    from lewm_probe.auditing.live import audit as audit
    from lewm_probe.models.checkpoints.load import load_model as load_model
    from lewm_probe.models.checkpoints.swm.export import export_swm as export_swm


_OFFERED = {
    "audit": "lewm_probe.auditing.live:audit",
    "AuditCallback": "lewm_probe.auditing.live:AuditCallback",
    "load_model": "lewm_probe.models.checkpoints.load:load_model",
    "export_swm": "lewm_probe.models.checkpoints.swm.export:export_swm",
    "save_released": "lewm_probe.models.checkpoints.swm.export:export_swm",
}
"""Names that are imported when they are first used, so that ``import lewm_probe`` stays light; the
last is ``export_swm`` as it was called first."""


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _OFFERED[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
