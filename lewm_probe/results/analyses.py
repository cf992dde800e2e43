"""Analyses by name: what the commands, the audit and the reports ask which there are.

Only strings stand here, so that reports see analyses without importing what measures them.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lewm_probe.core.errors import UserError
from lewm_probe.core.registry import Registry
from lewm_probe.results.cards import Card, Cards, joined


@dataclass(frozen=True)
class Option:
    """A flag of a command, said without the schema of the settings, which takes long to import.

    Attributes:
        key: of the settings.
        kind: what it takes, e.g. ``int`` or ``list[str]``.
        help: as the settings' key is described.
    """

    key: str
    kind: Any
    help: str


@dataclass(frozen=True)
class Analysis:
    """One question put to frozen models; strings are "module:object", loaded when used.

    Attributes:
        name: its command, and its key in suites and results.
        help: a sentence for ``--help``.
        card: how readers see it, and in which order.
        settings: schema of the suite's section of its name.
        report: a ``ReportPart``; without one its metrics are a plain table.
        measure: (checkpoint, context, recorder) → key → sample: what one checkpoint contributes.
        needs: sets of trajectories that it asks for by purpose, and ``simulator`` or ``goals``.
        options: flag of the command → key of the settings; or an ``Option``, whose help asks for no
            import.
        measure_all: (checkpoints, context, recorder) → checkpoints and samples, instead of
            ``measure``, for an analysis that shows all of them the same in one sweep.
        finish: (checkpoints and samples, context, recorder): writes what compares them, instead of
            differences of every sample.
        samples: (rows of a checkpoint, log floor) → key → sample: how stored rows are compared.
        compared: the metrics that stored results are compared by.
        cards: (section of the suite, or None) → kind → name → card: how readers see its names; of
            all that it knows where there is no section.
        by_default: whether ``audit`` asks it.
        metrics: all that it may write of a checkpoint, so that a slip in a gate is told before the
            work; empty: any.
        keys: key of a metric (``method``, ``window``) → all that it may be there; likewise.
    """

    name: str
    help: str
    card: Card
    settings: str
    report: str | None = None
    measure: str | None = None
    needs: frozenset[str] = frozenset()
    options: Mapping[str, str | Option] = field(default_factory=dict)
    measure_all: str | None = None
    finish: str | None = None
    samples: str | None = None
    compared: str | None = None
    cards: str | None = None
    by_default: bool = True
    metrics: frozenset[str] = frozenset()
    keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def load(self, part: str) -> Any:
        """What one of the strings names, e.g. ``load("report")``.

        Raises:
            UserError: it is not there.
        """
        place = str(getattr(self, part))
        module, _, name = place.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"The analysis '{self.name}' says that its {part} is {place}, which cannot be "
                f"loaded: {error}. Install what it needs, or fix the package that brings it along."
            ) from error

    def code(self) -> str:
        """A hash of the source of somebody else's analysis; ours is part of ``code_version``."""
        from lewm_probe.core.files import content_hash

        package = str(self.measure_all or self.measure).partition(":")[0].partition(".")[0]
        spec = importlib.util.find_spec(package)
        if spec is None or package == __name__.partition(".")[0]:
            return ""
        folders = map(Path, spec.submodule_search_locations or ())
        files = {*(f for folder in folders for f in folder.rglob("*.py")), Path(spec.origin or "")}
        return content_hash(*(f.read_bytes() for f in sorted(files) if f.is_file()))


ANALYSES: Registry[Analysis] = Registry(
    "lewm_probe.analyses",
    Analysis,
    {
        "probe": "lewm_probe.analyses.probe:PROBE",
        "voe": "lewm_probe.analyses.voe:VOE",
        "straightness": "lewm_probe.analyses.straightness:STRAIGHTNESS",
        "rollout": "lewm_probe.analyses.rollout:ROLLOUT",
        "geometry": "lewm_probe.analyses.geometry:GEOMETRY",
        "map": "lewm_probe.analyses.map:MAP",
        "decode": "lewm_probe.analyses.decode:DECODE",
        "plan": "lewm_probe.analyses.plan:PLAN",
    },
    what="analysis",
)


def in_order(left_out: Callable[[str, UserError], None] = lambda *_: None) -> list[Analysis]:
    """All analyses, as reports and audits go through them.

    One that another package brings along and that cannot be loaded is missing, and told to
    ``left_out``: nothing else has to suffer from it. Asking for it by name says what is wrong.
    """
    found = []
    for name in ANALYSES.names():
        try:
            analysis = ANALYSES.get(name)
            if analysis.name != name:
                raise UserError(
                    f"The analysis '{name}' calls itself '{analysis.name}'. Fix the package that "
                    "registers it."
                )
            found.append(analysis)
        except UserError as error:
            if ANALYSES.is_built_in(name):
                raise
            left_out(name, error)
    return sorted(found, key=lambda a: (a.card.order, a.name))


@functools.cache
def _known(names: tuple[str, ...]) -> Cards:
    analyses = [one for one in in_order() if one.name in names]
    own: Cards = {"analysis": {one.name: one.card for one in analyses}}
    return joined(own, *(one.load("cards")(None) for one in analyses if one.cards))


def known_cards() -> Cards:
    """Cards of analyses and of their names that are known here: for results of schema 1."""
    return _known(tuple(one.name for one in in_order()))
