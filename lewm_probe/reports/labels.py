"""The words a reader sees for names in results; unknown names are made readable, not refused."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping

from lewm_probe.results.analyses import known_cards
from lewm_probe.results.cards import Card

FAMILIES = {"lewm": "LeWM", "pldm": "PLDM", "dino_wm": "DINO-WM", "dreamer": "Dreamer"}
"""How model families are written in the papers; the order is the order of display."""

WORLDS = {
    "two-room": "TwoRoom",
    "push-t": "Push-T",
    "ogb-cube": "OGBench-Cube",
    "reacher": "Reacher",
}

_SPELLINGS = {"vit": "ViT", "cnn": "CNN", "cpu": "CPU", "gpu": "GPU", "resnet18": "ResNet-18"}

CONTROLS = {
    "random_weights": "random weights",
    "random_encoder": "random encoder",
    "random_cells": "random cells",
    "pixel_pca": "pixel PCA",
    "time_index": "time index",
    "mean": "mean",
    "copy_last": "copy last",
    "linear_extrapolation": "linear extrapolation",
    "pixel_difference": "pixel difference",
    "action_blind": "action-blind predictor",
    "time_shuffled": "time-shuffled",
    "state_space": "true state",
    "pixel_space": "pixels",
    "gaussian": "Gaussian sample",
    "iid_noise": "independent noise",
    "encoded": "encoded latents",
    "chance": "chance",
    "true_pictures": "true pictures",
    "random_policy": "random policy",
    "do_nothing": "do nothing",
    "copy_action": "copy action",
    "other_goal": "other goal",
    "recorded_actions": "recorded actions",
    "same_setting": "model, small setting",
    "true_dynamics": "true dynamics",
}
"""Controls and baselines, in order of display."""

FEATURES = {
    "z": "z",
    "cls": "CLS (before the projector)",
    "z_triplet": "z, three frames",
    "dz": "Δz",
}

_METHODS = {
    "linear": "linear",
    "mlp": "MLP",
    "pca": "PCA",
    "tsne": "t-SNE",
    "cem": "CEM",
    "icem": "iCEM",
    "mppi": "MPPI",
    "gradient": "gradient (Adam)",
    "shooting": "random shooting",
    "categorical_cem": "categorical CEM",
}

_ALIASES = {"pixel_noise": "noise"}
"""How suites may name a condition after its kind."""

_BODIES = {"both": "agent and block"}

REFERENCE = "reference"
"""The condition in which nothing is disturbed."""

DOSED = "dose_"
"""What the name of a condition with doses begins with."""

EXPECTATIONS = {
    "violation": "violation of physics",
    "action": "mismatch of actions",
    "appearance": "appearance only",
    "": "other",
}
"""What a condition violates, in order of display."""

METRICS = {
    "mse": "MSE",
    "pearson_r": "r",
    "r2": "R²",
    "rmse": "RMSE",
    "auroc": "AUROC",
    "cosine": "straightness S",
    "effective_rank": "effective rank",
    "angle_error_deg": "angle error",
    "neighbourhood_overlap": "neighbours kept",
    "pca_variance_share": "variance in two components",
    "refused_places": "refused places",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "direction": "direction of a baseline",
    "success_rate": "pairs solved",
    "success_rate_over_floor": "pairs solved over the best floor",
    "cost_distance_spearman": "rank correlation of cost and distance",
    "pixel_change": "mean change of pixels",
    "pixel_change_reached": "share of the change of pixels reached",
    "first_dose": "first dose beyond every baseline",
    "p_noticed": "p noticed",
    "p_beyond": "p beyond",
    "p_noticed_holm": "p noticed, Holm",
    "p_beyond_holm": "p beyond, Holm",
}

_UNITS = {"deg": "°", "units": "arena units", "units/s": "arena units/s", "0 or 1": ""}

RAW = "_raw"
"""What the name of an angle ends with that is read as a scalar, not as sine and cosine."""


Cards = Mapping[str, Card]
"""Name → card; here of kinds of conditions."""


def _conditions(cards: Cards | None) -> Cards:
    """Those given, or those that are known here: for results of schema 1."""
    return known_cards().get("condition", {}) if cards is None else cards


def condition_kind(name: str, cards: Cards | None = None) -> str:
    """The kind of a condition read off its name: ``teleport_agent`` → ``teleport``.

    >>> condition_kind("step_teleport_agent"), condition_kind("my_own")
    ('step_teleport', '')
    >>> condition_kind("dose_teleport_agent"), condition_kind("pixel_noise")
    ('teleport', 'noise')
    """
    prefix = _prefix(name, cards)
    return _ALIASES.get(prefix, prefix)


def _prefix(name: str, cards: Cards | None) -> str:
    """What of a condition's name says its kind."""
    name = name.removeprefix(DOSED)
    known = (*_conditions(cards), *_ALIASES)
    kinds = [kind for kind in known if name == kind or name.startswith(kind + "_")]
    return max(kinds, key=len, default="")


def body(name: str, cards: Cards | None = None) -> str:
    """Whom a condition concerns; empty when its name does not say.

    >>> body("frozen_block"), body("teleport_both"), body("blur")
    ('block', 'agent and block', '')
    """
    kind = _prefix(name, cards)
    who = name.removeprefix(DOSED).removeprefix(kind).strip("_") if kind else ""
    return _BODIES.get(who, plain(who))


def condition(name: str, cards: Cards | None = None) -> str:
    """A condition as a reader says it, whether it has doses or not.

    >>> condition("color_agent"), condition("dose_teleport_agent"), condition("my_own")
    ('Recoloured agent', 'Teleport of agent', 'My own')
    """
    if name == REFERENCE:
        return "Unperturbed"
    kind = condition_kind(name, cards)
    if kind:
        return _conditions(cards)[kind].of(body(name, cards))
    return sentence(plain(name.removeprefix(DOSED)))


def kind_order(name: str, cards: Cards | None = None) -> tuple[float, str]:
    """Sort key: known kinds of conditions first, then the rest."""
    kind = condition_kind(name, cards)
    return (_conditions(cards)[kind].order if kind else math.inf), name


def control(name: str | None) -> str:
    """A control or baseline as a reader says it; null is the model itself."""
    return "model" if name is None else CONTROLS.get(name, plain(name))


def article(name: str) -> str:
    """A control as something that was missing: ``a random encoder``, ``copy last``."""
    said = control(name)
    if name in ("random_encoder",):
        return f"a {said}"
    return f"an {said}" if name == "action_blind" else said


def control_order(name: str | None) -> tuple[int, str]:
    """Sort key: the model itself first, then known controls, then the rest."""
    if name is None:
        return -1, ""
    known = list(CONTROLS)
    return (known.index(name) if name in known else len(known)), name


def features(name: str | None) -> str:
    """Features as a reader says them; empty when unnamed."""
    return "" if name is None else FEATURES.get(name, plain(name))


def method(name: str | None) -> str:
    """A probe or solver as a reader says it; empty when unnamed."""
    return "" if name is None else _METHODS.get(name, plain(name))


def method_order(name: str | None) -> tuple[int, str]:
    """Sort key: linear, then MLP, then the rest."""
    known = list(_METHODS)
    return (known.index(name) if name in known else len(known)), name or ""


def quantity(name: str) -> str:
    """A physical quantity as a reader says it.

    >>> quantity("agent_position"), quantity("block_angle_raw")
    ('agent position', 'block angle, raw scalar')
    """
    bare = name.removesuffix(RAW)
    return plain(bare) + (", raw scalar" if bare != name else "")


def unit(name: str | None) -> str:
    """A unit as a reader says it; empty where there is none.

    >>> unit("units"), unit("px"), unit(None)
    ('arena units', 'px', '')
    """
    return "" if name is None else _UNITS.get(name, name)


def metric(name: str) -> str:
    """A metric as a reader says it."""
    return METRICS.get(name, plain(name))


def plain(name: str) -> str:
    """An identifier as words: ``agent_position`` → ``agent position``."""
    return name.replace("_", " ").strip()


def sentence(text: str) -> str:
    """With a capital at its start."""
    return text[:1].upper() + text[1:]


def family(name: str, cards: Cards | None = None) -> str:
    """A family as the papers write it, or as its card says."""
    if cards and name in cards:
        return cards[name].label
    return FAMILIES.get(name, name)


def model(name: str, family: str, cards: Cards | None = None) -> str:
    """A model's display name: the family as the papers write it, and what the user added.

    >>> model("lewm", "lewm"), model("lewm-vit", "lewm"), model("mine", "lewm")
    ('LeWM', 'LeWM ViT', 'mine')
    >>> model("lewm-vit (published)", "lewm")
    'LeWM ViT (published)'
    >>> model("$mine$", "lewm"), model("p$q", "lewm")
    ('$mine$', 'p$q')
    """
    bare, bracket, whose = name.partition(" (")
    if bracket and whose.endswith(")"):  # of a published result
        return f"{model(bare, family, cards)}{bracket}{whose}"
    known = cards[family].label if cards and family in cards else FAMILIES.get(family)
    folded = name.lower().replace("-", "_")
    if known is None or not (folded == family or folded.startswith(family + "_")):
        return name
    rest = folded[len(family) :].strip("_").split("_")
    return " ".join([known, *(_SPELLINGS.get(word, word) for word in rest if word)])


ELLIPSIS = "…"


def distinct(names: Iterable[str], longest: int) -> dict[str, str]:
    """Names cut to ``longest`` columns of a terminal, numbered where that makes two of them one.

    >>> distinct(["a-long-name-one", "a-long-name-two", "short"], 10)
    {'a-long-name-one': 'a-long-n…1', 'a-long-name-two': 'a-long-n…2', 'short': 'short'}
    """
    names = list(dict.fromkeys(names))
    cut = {name: _cut(name, longest - 1) + ELLIPSIS for name in names if columns(name) > longest}
    found, taken = {}, {name for name in names if name not in cut}
    for name in names:
        short = cut.get(name, name)
        if name in cut and (list(cut.values()).count(short) > 1 or short in taken):
            k = 1
            while (short := f"{_cut(name, longest - 1 - len(f'{k}'))}{ELLIPSIS}{k}") in taken:
                k += 1
        taken.add(short)
        found[name] = short
    return found


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for letters of Chinese and for emoji."""
    wide = (unicodedata.east_asian_width(c) in "WF" for c in text)
    none = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) + sum(wide) - none


def _cut(text: str, most: int) -> str:
    taken = 0
    for k, letter in enumerate(text):
        taken += columns(letter)
        if taken > most:
            return text[:k].rstrip()
    return text


def listing(items: list[str], last: str = "and") -> str:
    """``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def world(name: str, cards: Cards | None = None) -> str:
    """A world as the papers write it, or as its card says."""
    if cards and name in cards:
        return cards[name].label
    return WORLDS.get(name, name)
