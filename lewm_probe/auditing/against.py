"""An audit against published results: what each analysis says can be compared."""

from __future__ import annotations

from lewm_probe.analyses.engine.asked.suite import with_defaults
from lewm_probe.comparison.published import compare_with_published
from lewm_probe.comparison.stored import Comparable
from lewm_probe.results.analyses import in_order
from lewm_probe.results.result import Result


def comparable() -> dict[str, Comparable]:
    """What of each analysis' stored results can be compared, by its name."""
    return {
        analysis.name: Comparable(analysis.load("compared"), analysis.load("samples"))
        for analysis in in_order()
        if analysis.samples and analysis.compared
    }


def compare_with(result: Result, published: Result, label: str) -> Result:
    """``compare_with_published`` of every analysis that is known here.

    Raises:
        UsageError, UserError: as that.
    """
    return compare_with_published(
        result, published, label=label, comparable=comparable(), complete=with_defaults
    )
