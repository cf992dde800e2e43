"""Which families of models there are, by name: told in ``--help``, which must not import torch."""

from __future__ import annotations

from lewm_probe.core.registry import names_of

GROUP = "lewm_probe.families"
"""Entry points of other packages' families."""

BUILT_IN = {
    "lewm": "lewm_probe.families.lewm:LEWM",
    "pldm": "lewm_probe.families.pldm:PLDM",
}


def family_names() -> tuple[str, ...]:
    """Those that are built in and those that installed packages bring along, sorted."""
    return names_of(GROUP, BUILT_IN)
