"""Results → tables, figures, HTML, LaTeX: reads stored results only, never a model."""

from __future__ import annotations

from lewm_probe.reports.page.write import Report, write_report

__all__ = ["Report", "write_report"]
