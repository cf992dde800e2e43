"""Results → tables, figures, HTML, LaTeX: reads stored results only, never a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lewm_probe.reports.page.write import Report, write_report

__all__ = ["Report", "write_report"]


def __getattr__(name: str) -> Any:
    """What writes a report draws figures: it is imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lewm_probe.reports.page import write

    return getattr(write, name)
