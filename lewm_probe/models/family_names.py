"""Which families of models there are, by name: told in ``--help``, which must not import torch."""

from __future__ import annotations

from lewm_probe.core.registry import names_of

GROUP = "lewm_probe.families"
"""Entry points of other packages' families."""

BUILT_IN = {
    "dino_wm": "lewm_probe.families.dino_wm.family:DINO_WM",
    "dino_wm-random": "lewm_probe.families.dino_wm.family:DINO_WM_RANDOM",
    "dino_wm-ssl": "lewm_probe.families.dino_wm.family:DINO_WM_SSL",
    "frozen_encoder": "lewm_probe.families.dino_wm.family:FROZEN_ENCODER",
    "lewm": "lewm_probe.families.lewm:LEWM",
    "masked_patches": "lewm_probe.families.masked_patches:MASKED_PATCHES",
    "pldm": "lewm_probe.families.pldm:PLDM",
    "straightened": "lewm_probe.families.straightened:STRAIGHTENED",
    "sub_jepa": "lewm_probe.families.sub_jepa:SUB_JEPA",
}


def family_names() -> tuple[str, ...]:
    """Those that are built in and those that installed packages bring along, sorted."""
    return names_of(GROUP, BUILT_IN)
