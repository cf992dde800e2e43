"""Simulated scenes that can be asked, photographed and disturbed."""

from lewm_probe.worlds.base import Policy, Quantity, Snapshot, World
from lewm_probe.worlds.registry import make_world, world_names

__all__ = ["Policy", "Quantity", "Snapshot", "World", "make_world", "world_names"]
