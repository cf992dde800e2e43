"""Analyses by name: what the commands, the audit and the reports ask which there are.

Only strings stand here, so that reports see analyses without importing what measures them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lewm_probe.core.registry import Registry
from lewm_probe.results.cards import Card


@dataclass(frozen=True)
class Analysis:
    """One question put to frozen models; strings are "module:object", loaded when used.

    Attributes:
        name: its command, and its key in suites and results.
        help: a sentence for ``--help``.
        card: how readers see it, and in which order.
        settings: schema of the suite's section of its name.
        measure: (checkpoint, context, recorder) → key → sample: what one checkpoint contributes.
        report: a ``ReportPart``.
        needs: sets of trajectories that it asks for by purpose, and ``simulator`` or ``goals``.
        options: flag of the command → key of the settings.
        measure_all: instead of ``measure``, for an analysis that looks at all checkpoints in one
            sweep; see ``analyses/engine/run.py``.
        finish: what remains to be written once all checkpoints are measured.
        by_default: whether ``audit`` asks it.
    """

    name: str
    help: str
    card: Card
    settings: str
    measure: str
    report: str
    needs: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)
    measure_all: str | None = None
    finish: str | None = None
    by_default: bool = True

    def load(self, part: str) -> Any:
        """What one of the strings names, e.g. ``load("report")``."""
        module, _, name = str(getattr(self, part)).partition(":")
        return getattr(importlib.import_module(module), name)


ANALYSES: Registry[Analysis] = Registry(
    "lewm_probe.analyses",
    Analysis,
    {
        "probe": "lewm_probe.analyses.probe:PROBE",
        "voe": "lewm_probe.analyses.voe:VOE",
        "straightness": "lewm_probe.analyses.straightness:STRAIGHTNESS",
        "rollout": "lewm_probe.analyses.rollout:ROLLOUT",
        "geometry": "lewm_probe.analyses.geometry:GEOMETRY",
    },
    what="analysis",
)


def in_order() -> list[Analysis]:
    """All analyses, as reports and audits go through them."""
    return sorted(ANALYSES.all().values(), key=lambda a: (a.card.order, a.name))
