"""Simulated scenes that can be asked, photographed and disturbed."""

from lewm_probe.worlds.base import NotOffered, Policy, Quantity, Snapshot, World
from lewm_probe.worlds.check.run import check_world
from lewm_probe.worlds.registry import make_world, world_names

__all__ = [
    "NotOffered",
    "Policy",
    "Quantity",
    "Snapshot",
    "World",
    "check_world",
    "make_world",
    "world_names",
]
