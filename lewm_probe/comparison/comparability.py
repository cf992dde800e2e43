"""Whether two stored results were measured alike: what a reader of their differences must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lewm_probe.results.result import Result

MOST = 4
"""Differing keys of suites that a note names."""
LONGEST = 60
"""Characters of a value that a note shows."""


def differing(
    result: Result,
    published: Result,
    world: str,
    label: str,
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> list[str]:
    """Notes on where two results of a world were not measured alike: suite, seed, code.

    ``complete`` gives a stored suite the keys that it left to their defaults.
    """
    notes = []
    suites = [_suite(one, world, complete) for one in (result, published)]
    if suites[0] and suites[1]:
        flat = [_flat(suite) for suite in suites]
        differing = [k for k in {**flat[0], **flat[1]} if flat[0].get(k) != flat[1].get(k)]
        if differing:
            shown = "; ".join(
                f"{key} is {_short(flat[0].get(key))} here and {_short(flat[1].get(key))} there"
                for key in differing[:MOST]
            )
            more = f"; and {len(differing) - MOST} more" if len(differing) > MOST else ""
            notes.append(
                f"Against {label}: the suites differ ({shown}{more}). Differences mix models with "
                "measurements where these keys matter."
            )
    elif bool(suites[0]) != bool(suites[1]):
        notes.append(
            f"Against {label}: one side does not hold its suite, so that nobody can say whether "
            "both were asked the same."
        )
    seeds = [
        sorted({m.eval_seed for m in one.metrics if m.world == world and m.eval_seed is not None})
        for one in (result, published)
    ]
    if seeds[0] != seeds[1] and all(seeds):
        notes.append(
            f"Against {label}: evaluation seeds differ ({_listed(seeds[0])} here, "
            f"{_listed(seeds[1])} there), so that trajectories are others."
        )
    versions = [
        sorted({f"{p.version}, commit {(p.commit or 'unknown')[:12]}" for p in one.provenance})
        for one in (result, published)
    ]
    if versions[0] != versions[1] and all(versions):
        notes.append(
            f"Against {label}: measured by other code (lewm-probe {'; '.join(versions[0])} here, "
            f"{'; '.join(versions[1])} there)."
        )
    return notes


def _suite(
    result: Result, world: str, complete: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> Mapping[str, Any]:
    for record in result.provenance:
        suite = record.settings.get("suite")
        if isinstance(suite, Mapping) and suite.get("world") == world and len(suite) > 1:
            return complete(suite)
    return {}


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings, by dotted path; lists of named things by name."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, list) and all(isinstance(v, dict) and "name" in v for v in value):
            value = {str(v["name"]): {k: w for k, w in v.items() if w is not None} for v in value}
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
