"""What a data set holds, in words: the facts of ``data info --json`` for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lewm_probe.reports.formatting import count, number

_SAID_TOGETHER = ("world", "mode", "length", "policy", "seed", "lewm_probe_version")
"""Attributes of a collection that make one sentence."""

_LEFT_OUT = ("format_version", "picture_size")
"""Attributes that say nothing to people, or what is said of the images already."""


def told(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows of a table: what it is about, and what there is to say."""
    rows = [("episodes", _episodes(facts)), ("images", _images(facts))]
    if all(name in facts for name in _SAID_TOGETHER):
        rows.append(("collected", _collected(facts)))
        own = {*_SAID_TOGETHER, *_LEFT_OUT}
    else:
        own = set(_LEFT_OUT) if "resized_from" not in facts else set()
    rows.append(("layout", facts["layout"]))
    known = {"layout", "episodes", "rows", "rows_of_an_episode", "picture", "megabytes", "columns"}
    known |= {"quantities", "action_mean", "action_std", "fingerprint", "hint"}
    rows += [
        (name.replace("_", " "), str(value))
        for name, value in facts.items()
        if name not in known | own
    ]
    rows += [(f"column {name}", _column(kind)) for name, kind in facts["columns"].items()]
    rows += [
        (f"quantity {name.replace('_', ' ')}", words) for name, words in facts["quantities"].items()
    ]
    rows += [
        ("mean action", _numbers(facts["action_mean"])),
        ("SD of actions", _numbers(facts["action_std"])),
        ("fingerprint", facts["fingerprint"]),
    ]
    return rows + ([("hint", facts["hint"])] if "hint" in facts else [])


def _episodes(facts: Mapping[str, Any]) -> str:
    lengths = facts["rows_of_an_episode"]
    least, mean, most = lengths["least"], lengths["mean"], lengths["most"]
    if least == most:
        each = f"{count(most)} rows each"
    else:
        each = f"{count(least)} to {count(most)} rows, {number(mean, 1)} on average"
    return f"{count(facts['episodes'])} of {each}; {count(facts['rows'])} rows in all"


def _images(facts: Mapping[str, Any]) -> str:
    height, width = facts["picture"]
    size = facts["megabytes"]
    shown = count(size) if size >= 10 else number(size, 2)
    return f"{width} × {height} px; the whole takes {shown} MB on disk"


def _collected(facts: Mapping[str, Any]) -> str:
    steps = count(facts["length"])
    ends = "until the goal is reached, at most" if facts["mode"] == "goal" else "each of"
    return (
        f"in {facts['world']} by the policy {facts['policy']}, {ends} {steps} steps, seed "
        f"{facts['seed']}, with lewm-probe {facts['lewm_probe_version']}"
    )


def _column(described: str) -> str:
    """``float32 (2,)`` in words."""
    kind, _, shape = described.partition(" ")
    sides = [side.strip() for side in shape.strip("()").split(",") if side.strip()]
    return f"{' × '.join(sides)} {kind} a row" if sides else f"one {kind} a row"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(number(float(value)) for value in values)
