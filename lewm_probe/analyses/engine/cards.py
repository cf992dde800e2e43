"""The cards of the names that a result holds: readers need nothing that is installed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.context import Context
from lewm_probe.models.family import FAMILIES
from lewm_probe.results.analyses import ANALYSES
from lewm_probe.results.cards import Card, Cards, Kind, joined


def cards_of(context: Context, checkpoints: Sequence[Checkpoint]) -> Cards:
    """Of the analysis, the world, the families of the checkpoints, and what the analysis adds."""
    analysis, world = context.analysis, context.world
    package = ANALYSES.origin(analysis.name)
    found: dict[Kind, dict[str, Card]] = {
        "analysis": {analysis.name: replace(analysis.card, package=package)}
    }
    if (card := getattr(world, "card", None)) is not None:
        found["world"] = {world.name: card}
    families = sorted({one.entry.family for one in checkpoints} & set(FAMILIES.names()))
    if families:
        found["family"] = {name: FAMILIES.get(name).card for name in families}
    more: Cards = analysis.load("cards")(context.settings) if analysis.cards else {}
    return joined(found, more)
