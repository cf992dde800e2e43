"""The cards of conditions that a result carries along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lewm_probe.analyses.voe.conditions import CONDITIONS
from lewm_probe.results.cards import Card, Kind

if TYPE_CHECKING:
    from lewm_probe.analyses.voe.settings import VoeSettings


def cards(settings: VoeSettings | None) -> dict[Kind, dict[str, Card]]:
    """Of the kinds that a suite's section asks for; without one of all that are known here."""
    if settings is None:
        names = set(CONDITIONS.names())
    else:
        asked = (*settings.conditions, *settings.dose_response)
        names = {one.kind for one in asked}
    return {"condition": {name: CONDITIONS.get(name).card for name in sorted(names)}}
