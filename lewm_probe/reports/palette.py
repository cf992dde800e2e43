"""One visual identity for each model — colour, marker and line style — the same in all figures.

Colours are Okabe and Ito's colour-blind-safe set (jfly.uni-koeln.de/color). A family owns a base
colour; a second and third name of the same family get a tint of it with another marker and line,
so that a black-and-white print still tells models apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lewm_probe.reports import labels
from lewm_probe.results.cards import Card

INK = "#1c1e21"
MUTED = "#6a6f76"
FAINT = "#d5d8dc"
PAPER = "#ffffff"

_FAMILY_COLORS = {  # base, then tints for further names
    "lewm": ("#0072b2", "#4aa8dc", "#00456b"),
    "pldm": ("#d55e00", "#e69f00", "#8a3d00"),
    "dino_wm": ("#009e73", "#5cc9a7", "#00604a"),
    "": ("#b0588c", "#cc79a7", "#7a2f5d"),
}
_MARKERS = {"lewm": "oDP", "pldm": "s^X", "dino_wm": "v<p"}
_OTHERS = "*>hdH8"
"""Markers of families with a colour of their own card, and of unknown ones, in turn."""
_DASH = {
    "lewm": ((0, ()), (0, (1.2, 1.2)), (0, (6, 1.5, 1, 1.5))),
    "pldm": ((0, (4.5, 1.6)), (0, (2.2, 1.2)), (0, (8, 2))),
    "dino_wm": ((0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 2.5))),
    "": ((0, (1, 1.6)), (0, (7, 1.2, 2, 1.2)), (0, (3, 3))),
}

CONTROL_MARKERS = {
    "copy_last": "o",
    "linear_extrapolation": "^",
    "pixel_difference": "x",
    "random_encoder": "D",
    "random_weights": "D",
    "pixel_pca": "x",
    "pixel_space": "x",
    "time_index": "|",
    "mean": "_",
    "state_space": "P",
    "time_shuffled": "v",
    "gaussian": "_",
}
"""Markers of controls, drawn hollow in grey."""

Dash = tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """How a model looks."""

    name: str
    label: str
    family: str
    color: str
    marker: str
    dash: Dash


def looks_of(
    models: Iterable[tuple[str, str]], cards: Mapping[str, Card] | None = None
) -> dict[str, Look]:
    """Identities of (name, family) pairs, in order of display: known families first, then names.

    A name gets the same look in every figure of a report. The shortest name of a family gets its
    base colour. ``cards`` of families say how others than the papers' are called, and their colour.
    """
    families = dict(models)
    cards = cards or {}
    known = list(labels.FAMILIES)

    def order(name: str) -> tuple[int, str, int, str]:
        family = families[name]
        rank = known.index(family) if family in known else len(known)
        return rank, family if rank == len(known) else "", len(name), name

    said = {name: labels.model(name, family, cards) for name, family in families.items()}
    common = Counter(said.values())  # "lewm-vit" and "lewm_vit": both keep the name as it is
    said = {name: name if common[label] > 1 else label for name, label in said.items()}
    if len(set(said.values())) < len(said):  # a name is what another one's label says
        said = {name: name for name in said}
    looks: dict[str, Look] = {}
    used: dict[str, int] = {}
    others = 0  # models of families that have no markers of their own
    for name in sorted(families, key=order):
        family = families[name]
        own = family in cards and cards[family].color
        pool = family if family in _FAMILY_COLORS or own else ""
        k = used.get(pool, 0)
        used[pool] = k + 1
        round_, lap = k // 3, k // 9
        if pool in _MARKERS:
            marker = _MARKERS[pool][(k + round_) % 3]
            dash = _DASH[pool][(k + 2 * round_ + lap) % 3]
        else:
            marker = _OTHERS[others % len(_OTHERS)]
            dash = _DASH[""][(others + others // len(_OTHERS)) % 3]
            others += 1
        looks[name] = Look(
            name=name,
            label=said[name],
            family=family,
            color=_colors(pool, family, cards)[k % 3],
            marker=marker,
            dash=dash,
        )
    return looks


def _colors(pool: str, family: str, cards: Mapping[str, Card]) -> tuple[str, ...]:
    """Base colour and two tints; those of a family that is not drawn here by its card."""
    if pool in _FAMILY_COLORS:
        return _FAMILY_COLORS[pool]
    base = str(cards[family].color)
    levels = [int(base[i : i + 2], 16) for i in (1, 3, 5)]
    light = "".join(f"{round(255 - 0.55 * (255 - level)):02x}" for level in levels)
    dark = "".join(f"{round(0.6 * level):02x}" for level in levels)
    return base, f"#{light}", f"#{dark}"


def palette() -> tuple[str, ...]:
    """Every model colour there is, for the page's dark scheme."""
    return tuple(color for colors in _FAMILY_COLORS.values() for color in colors)
