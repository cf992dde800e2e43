"""Synthetic results of the right structure: every analysis, several models, several seeds.

The numbers are drawn, not measured. What matters is that rows follow the conventions of real
analyses, and that effect sizes are known: LeWM notices violations, PLDM only jumps, and a lone
``lewm-vit`` has a single training seed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lewm_probe.reports.view import WorldView, views
from lewm_probe.results import Metric, ModelEntry, Provenance, Result

Models = Sequence[tuple[str, str, Sequence[int]]]
MODELS: Models = (
    ("lewm", "lewm", (0, 1, 2)),
    ("pldm", "pldm", (0, 1, 2)),
    ("lewm-vit", "lewm", (0,)),
)
ANALYSES = ("probe", "voe", "straightness", "rollout", "geometry")
CONDITIONS = {  # effect at onset in SD of log surprise: LeWM, PLDM; steady share
    "teleport_agent": (9.0, 7.0, 0.0),
    "step_teleport_agent": (2.2, 0.15, 0.0),
    "frozen_agent": (1.5, 0.1, 0.4),
    "action_swap": (2.0, 0.1, 0.8),
    "color_agent": (0.05, 5.0, 0.9),
    "background_color": (6.0, 6.0, 0.9),
    "brightness": (1.0, 0.9, 0.7),
    "pixel_noise": (0.5, 0.6, 0.7),
    "blur": (2.0, 1.0, 0.7),
}
PUSH_T = {  # as above, of the conditions that push-t has beside or in place of them
    "teleport_block": (6.0, 5.0, 0.0),
    "teleport_both": (9.0, 7.0, 0.0),
    "step_teleport_block": (1.8, 0.1, 0.0),
    "frozen_block": (1.4, 0.1, 0.3),
    "pass_through_block": (1.1, 0.05, 0.1),
    "fast_forward_agent": (2.5, 0.4, 0.0),
    "action_swap": (2.0, 0.1, 0.8),
    "color_agent": CONDITIONS["color_agent"],
    "color_block": (0.05, 5.0, 0.9),
    "blur": (2.0, 1.0, 0.7),
}
FEWER = {"frozen_block": 143, "pass_through_block": 87, "fast_forward_agent": 187}
"""Conditions in which some cases show nothing and are left out."""
DISTANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
SHADES = (0.05, 0.1, 0.25, 0.5, 1.0)
DOSES: dict[str, tuple[float, ...]] = {
    "dose_teleport_agent": DISTANCES,
    "dose_teleport_block": DISTANCES,
    "dose_fast_forward_agent": DISTANCES[1:],
    "dose_color_agent": SHADES,
    "dose_color_block": SHADES,
}
QUALITY = {  # Pearson r of a linear probe: LeWM, PLDM
    "two-room": {
        "agent_position": (0.997, 0.985),
        "agent_velocity": (0.4, 0.4),
        "goal_position": (0.3, 0.3),
    },
    "push-t": {
        "agent_position": (0.981, 0.957),
        "agent_velocity": (0.35, 0.3),
        "block_position": (0.972, 0.93),
        "block_angle": (0.91, 0.8),
        "block_angle_raw": (0.85, 0.7),
        "contact": (0.5, 0.4),
    },
}
UNITS = {"two-room": ("px", "px/step"), "push-t": ("units", "units/s")}
CONFIRMATORY = ("teleport_agent", "step_teleport_agent", "action_swap", "color_agent")
BASELINES = ("copy_last", "linear_extrapolation", "pixel_difference", "random_encoder")
STEPS = (0, 200, 400, 800, 1600)
N = 200


class _Writer:
    """Collects metrics of one checkpoint."""

    def __init__(self, model: str, family: str, seed: int, world: str) -> None:
        self.common = {
            "model": model,
            "family": family,
            "train_seed": seed,
            "step": STEPS[-1],
            "world": world,
        }
        self.metrics: list[Metric] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, metric: str, value: float, half: float | None = None, **keys: Any) -> None:
        low, high = (None, None) if half is None else (value - half, value + half)
        if metric in {"auroc", "pairwise_accuracy", "pearson_r", "r2"} and high is not None:
            high = min(high, 1.0)
        values = {"ci_low": low, "ci_high": high, "n": N, "eval_seed": 7} | keys
        values = self.common | {"metric": metric, "value": float(value)} | values
        self.metrics.append(Metric(**values))

    def row(self, **keys: Any) -> None:
        shared = {key: value for key, value in self.common.items() if key != "family"}
        self.rows.append(shared | keys)


def _auroc(effect: float) -> float:
    return float(1 - 0.5 * np.exp(-0.9 * effect)) if effect >= 0 else 0.5


def _voe(w: _Writer, rng: np.random.Generator, good: bool, conditions: Sequence[str]) -> None:
    key: dict[str, Any] = {"analysis": "voe", "features": "z"}
    effects = CONDITIONS | PUSH_T
    for subject in ("reference", *conditions):
        strong, weak, steady = effects.get(subject, (0.0, 0.0, 0.0))
        n = FEWER.get(subject, N)
        effect = strong if good else weak
        for horizon in range(-3, 7):
            shape = 0.0 if horizon < 0 else 1.0 if horizon == 0 else max(steady, 0.6**horizon)
            noise = rng.normal(0, 0.06)
            z = effect * shape + noise
            at = {"subject": subject, "horizon": horizon, "n": n, **key}
            w.add("surprise_z", z, 0.15, **at)
            w.add("surprise", 0.01 * np.exp(z / 3), 0.001, **at)
            w.add(
                "surprise",
                0.05,
                0.005,
                subject=subject,
                horizon=horizon,
                control="copy_last",
                **key,
            )
    for subject in conditions:
        strong, weak, steady = effects[subject]
        n = FEWER.get(subject, N)
        effect = (strong if good else weak) + rng.normal(0, 0.02)
        jump = 5.0 if subject.startswith(("teleport", "color", "background_color")) else 0.02
        for window, share in (("onset", 1.0), ("mean_after", 0.5), ("max_after", 0.6)):
            at = {"subject": subject, "window": window, "n": n, **key}
            w.add("auroc", _auroc(effect * share), 0.02, **at, higher_is_better=True)
            for k, control in enumerate(BASELINES):
                w.add("auroc", _auroc(jump * share / (1 + 0.2 * k)), 0.03, control=control, **at)
            delta = _auroc(effect * share) - _auroc(jump * share)
            w.add("delta_auroc_over_copy_last", delta, 0.03, versus="copy_last", **at)
        at = {"subject": subject, "window": "onset", "n": n, **key}
        w.add("p_ttest_raw", float(np.exp(-3 * effect)), **at)
        w.add("pairwise_accuracy", min(1.0, _auroc(effect) + 0.01), 0.02, **at)
        w.add("detection_at_5fp", float(np.clip(effect / 3, 0.05, 1)), 0.05, **at)
        for window, share in (("onset", 1.0), ("transient", 0.6), ("steady", steady)):
            at = {"subject": subject, "window": window, "n": n, **key}
            w.add("delta_log_surprise", effect * share / 2, 0.03, **at)
            w.add("d_z", effect * share / 1.5, 0.2, **at)
            p = float(np.exp(-6 * effect * share))
            w.add("p_ttest", p, **at)
            w.add("p_wilcoxon", p, **at)
            w.add("p_equivalence", 0.001 if abs(effect * share / 2) < 0.1 else 0.9, **at)
        if subject in CONFIRMATORY:
            p_holm = min(1.0, 4 * float(np.exp(-6 * effect)))
            w.add("p_holm", p_holm, subject=subject, window="onset", **key)
    teleports = [c for c in conditions if c.startswith("teleport")] or ["teleport_agent"]
    colors = [c for c in conditions if c.startswith("color")] or ["color_agent"]
    for teleport, color in product(teleports, colors):
        apart = effects[teleport][0 if good else 1] - effects[color][0 if good else 1]
        contrast = {"subject": teleport, "versus": color, "window": "onset", **key}
        w.add("delta_log_surprise", apart / 2, 0.1, **contrast)
        w.add("p_ttest", 1e-9, **contrast)
        w.add("p_wilcoxon", 1e-9, **contrast)
    w.add("smallest_detectable_d_z", 0.25, **key)
    w.add("clean_over_copy_last", 0.12 if good else 0.5, 0.02, subject="preflight", **key)
    w.add("action_swap_auroc", 0.93 if good else 0.53, 0.03, subject="preflight", **key)


def _dose(
    w: _Writer, rng: np.random.Generator, good: bool, doses: Mapping[str, Sequence[float]]
) -> None:
    """AUROC grows with the dose, that of copy-last later; the first dose that tells them apart."""
    for subject, given in doses.items():
        color = "color" in subject
        half_way = (0.3 if good else 0.08) if color else (0.03 if good else 0.09)
        first = None
        for dose in given:
            n = N - 40 if "fast_forward" in subject and dose == given[-1] else N
            key: dict[str, Any] = {"analysis": "voe", "features": "z", "subject": subject}
            key |= {"window": "onset", "dose": dose, "n": n}
            own = min(1.0, _sigmoid(dose, half_way) + rng.normal(0, 0.004))
            w.add("auroc", own, 0.03, higher_is_better=True, **key)
            for k, control in enumerate(BASELINES):
                w.add("auroc", _sigmoid(dose, (2 + k) * half_way), 0.03, control=control, **key)
                delta = own - _sigmoid(dose, (2 + k) * half_way)
                w.add(f"delta_auroc_over_{control}", delta, 0.035, versus=control, **key)
                if control == "copy_last" and delta - 0.035 > 0 and first is None:
                    first = dose
            w.add("delta_log_surprise", 2 * own - 1, 0.1, **key)
            w.add("d_z", 4 * own - 2, 0.2, **key)
        values: dict[str, Any] = {"analysis": "voe", "features": "z", "subject": subject}
        values |= {"value": first, "unit": "of the way" if color else "arena", "n": N}
        metric = "first_dose_over_copy_last"
        w.metrics.append(Metric(**w.common | {"metric": metric, "eval_seed": 7} | values))


def _sigmoid(dose: float, half_way: float) -> float:
    return 0.5 + 0.5 / (1 + (half_way / dose) ** 2.5)


def _probe(w: _Writer, rng: np.random.Generator, good: bool, steps: bool) -> None:
    world = str(w.common["world"])
    position, velocity = UNITS.get(world, UNITS["two-room"])

    def measure(r: float, unit: str | None, **keys: Any) -> None:
        keys = {"analysis": "probe"} | keys
        mse = 1 - r**2
        w.add("mse", mse, 0.1 * mse, **keys, higher_is_better=False)
        w.add("mse_sample_sd", 1.4 * mse, **keys)
        w.add("pearson_r", r, 0.2 * (1 - r), **keys, higher_is_better=True)
        w.add("r2", r**2, 0.3 * (1 - r), **keys)
        if keys["subject"] == "block_angle":
            w.add("angle_error_deg", 60 * np.sqrt(mse), 0.8, unit="deg", **keys)
        else:
            w.add("rmse", 45 * np.sqrt(mse), 0.2, unit=unit, **keys)
        if keys.get("method") == "mlp":
            w.add("mse_seed_sd", 0.1 * mse, **keys)

    for subject, (strong, weak) in QUALITY.get(world, QUALITY["two-room"]).items():
        best = strong if good else weak
        unit = velocity if "velocity" in subject else position
        unit = {"block_angle_raw": "rad", "contact": "0 or 1"}.get(subject, unit)
        for method, gain in (("linear", 0.0), ("mlp", 0.5)):
            for features in ("z", "cls"):
                r = best + gain * (1 - best) * 0.5 + rng.normal(0, 0.0005)
                measure(r, unit, subject=subject, method=method, features=features)
            for control, share in (("pixel_pca", 0.8), ("random_weights", 0.9)):
                at = {"subject": subject, "method": method, "features": "z", "control": control}
                measure(share * best, unit, **at)
        measure(0.1, unit, subject=subject, method="mlp", features="z", control="random_cells")
        measure(0.2 * best, unit, subject=subject, method="linear", control="time_index")
        measure(0.0, unit, subject=subject, control="mean")
        w.add(
            "selectivity", 0.4, 0.05, analysis="probe", subject=subject, method="mlp", features="z"
        )
    measure(0.9, velocity, subject="agent_velocity", method="linear", features="z_triplet")
    measure(0.95, position, subject="agent_position_change", method="linear", features="dz")
    if steps:
        for step in STEPS[:-1]:
            r = 0.85 + 0.14 * (1 - np.exp(-step / 300))
            at = {"subject": "agent_position", "method": "linear", "features": "z", "step": step}
            measure(r, position, **at)
    truth = rng.uniform(25, 200, size=(8, 6, 2))
    error = rng.normal(0, 3 if good else 8, size=truth.shape)
    for (i, t, a), true in np.ndenumerate(truth):
        key = {
            "analysis": "probe",
            "subject": "agent_position",
            "features": "z",
            "method": "linear",
            "trajectory_id": f"t{i:03}",
            "frame": t,
            "axis": "xy"[a],
        }
        w.row(metric="true", value=true, **key)
        w.row(metric="predicted", value=true + error[i, t, a], **key)


def _paths(w: _Writer, rng: np.random.Generator, good: bool, steps: bool) -> None:
    key: dict[str, Any] = {"analysis": "straightness", "features": "z"}
    best = 0.55 if good else 0.4
    for stride in (1, 2, 5):
        for method in ("encoded", "imagined"):
            s = best - 0.03 * stride + rng.normal(0, 0.005)
            at = {"method": method, "stride": stride, **key}
            w.add("cosine", s, 0.02, **at)
            w.add("curvature_deg", float(np.degrees(np.arccos(s))), 1.5, unit="deg", **at)
            w.add("masked_share", 0.001, **at)
        for control, s in (
            ("pixel_space", 0.05),
            ("state_space", 0.8),
            ("random_weights", 0.1),
            ("time_shuffled", -0.45),
        ):
            w.add("cosine", s, 0.02, method="encoded", stride=stride, control=control, **key)
    if steps:
        for step in STEPS[:-1]:
            s = 0.1 + (best - 0.1) * (1 - np.exp(-step / 500))
            w.add("cosine", s, 0.02, method="encoded", stride=1, step=step, **key)


def _rollout(w: _Writer, rng: np.random.Generator, good: bool) -> None:
    for horizon in (1, 2, 3, 4, 5, 6, 8, 10):
        key: dict[str, Any] = {"analysis": "rollout", "horizon": horizon, "features": "z"}
        last = 0.3 * np.sqrt(horizon)
        share = (0.1 if good else 0.4) * horizon**0.5
        w.add("mse", last * share, 0.02 * last, **key)
        w.add("mse", last, 0.02, control="copy_last", **key)
        at = {**key, "subject": "agent_position", "method": "linear", "unit": "px"}
        w.add("rmse", (2 if good else 6) * horizon**0.7, 0.3, **at)
        w.add("rmse", 12 * horizon**0.6, 0.8, control="copy_last", **at)


def _geometry(w: _Writer, rng: np.random.Generator, good: bool) -> None:
    key: dict[str, Any] = {"analysis": "geometry", "features": "z"}
    w.add("effective_rank", 40 if good else 11, 1.2, **key)
    w.add("participation_ratio", 20 if good else 5, 0.8, **key)
    w.add("trace_cov", 63.0 if good else 90.0, 2.0, **key)
    for window, value in (("min", 0.2), ("median", 0.9), ("max", 1.7)):
        w.add("dimension_variance", value, window=window, **key)
    w.add("sigreg", 3.1 if good else 55.0, **key)
    w.add("sigreg", 1.0, control="gaussian", **key)
    w.add("r2", 0.05, 0.01, subject="time_index", **key)
    place = rng.uniform(25, 200, size=(60, 2))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pcs = (place - 112) / 60 @ turn + rng.normal(0, 0.1, place.shape)
    for i in range(len(place)):
        at = {"analysis": "geometry", "features": "z", "trajectory_id": f"t{i:03}", "frame": i % 20}
        for a in (0, 1):
            w.row(metric="agent_position", axis="xy"[a], value=place[i, a], **at)
            w.row(metric=f"pc{a + 1}", value=pcs[i, a], **at)


def _pictures(world: str) -> dict[str, np.ndarray]:
    """Matched strips: a dot walks; from frame 4 it is elsewhere or of another colour."""

    def strip(jump: int = 0, rgb: tuple[int, int, int] = (200, 30, 30)) -> np.ndarray:
        film = np.full((9, 32, 32, 3), 255, np.uint8)
        film[:, :, 15:17] = 0
        film[:, 5:10, 15:17] = 255
        for t in range(9):
            x = 3 + t + (jump if t >= 4 else 0)
            film[t, 18:23, x : x + 5] = rgb if t >= 4 else (200, 30, 30)
        return film

    films = {
        "reference": strip(),
        "teleport_agent" if world == "two-room" else "teleport_both": strip(jump=14),
        "color_agent" if world == "two-room" else "color_block": strip(rgb=(0, 0, 255)),
        "action_swap": strip(),
    }
    return {f"film-{world}-{name}": film for name, film in films.items()}


def make_result(
    models: Models = MODELS,
    analyses: Sequence[str] = ANALYSES,
    world: str = "two-room",
    seed: int = 0,
    notes: Sequence[str] = (),
    pictures: bool = True,
    conditions: Sequence[str] = tuple(CONDITIONS),
    doses: Mapping[str, Sequence[float]] | None = None,
) -> Result:
    """A structurally right Result; every argument leaves something out or adds something."""
    rng = np.random.default_rng(seed)
    metrics: list[Metric] = []
    rows: list[dict[str, Any]] = []
    entries = []
    for name, family, train_seeds in models:
        for train_seed in train_seeds:
            w = _Writer(name, family, train_seed, world)
            good = family != "pldm"
            if "voe" in analyses:
                _voe(w, rng, good, conditions)
                _dose(w, np.random.default_rng(train_seed), good, doses or {})
            if "probe" in analyses:
                _probe(w, rng, good, steps=True)
            if "straightness" in analyses:
                _paths(w, rng, good, steps=True)
            if "rollout" in analyses:
                _rollout(w, rng, good)
            if "geometry" in analyses:
                _geometry(w, rng, good)
            metrics += w.metrics
            rows += w.rows
            entries.append(_entry(rng, name, family, train_seed, world))
    names = [name for name, _, _ in models]
    if "probe" in analyses and {"lewm", "pldm"} <= set(names):
        w = _Writer("lewm", "lewm", 0, world)
        w.common |= {"train_seed": None, "step": None}  # seeds are the top level of this interval
        at: dict[str, Any] = {"analysis": "probe", "features": "z", "method": "linear"}
        w.add("mse", -0.023, 0.004, subject="agent_position", versus="pldm", **at)
        metrics += w.metrics
    provenance = Provenance(
        command=f"lewm-probe audit lewm=runs/lewm-0 pldm=runs/pldm-0 --world {world}",
        version="0.1.0",
        commit="0123456789abcdef0123456789abcdef01234567",
        hardware="2 CPU cores, 8 GiB",
        packages={"torch": "2.13.0", "numpy": "2.4.6"},
        seeds={"evaluation": 7},
        fingerprints={"suite": "c0ffee"},
        wall_seconds=212.4,
        settings={
            "analysis": "voe",
            "suite": {
                "world": world,
                "statistics": {"alpha": 0.05, "confirmatory": list(CONFIRMATORY)},
                "voe": {
                    "equivalence_ratio": 1.25,
                    "log_floor": 1e-8,
                    "conditions": [
                        {"name": "brightness", "kind": "brightness", "expected": "appearance"},
                        {"name": "fast_forward_agent", "kind": "fast_forward", "dose": 0.1},
                    ],
                    "dose_response": [{"name": name} for name in doses or {}],
                },
            },
        },
        notes=list(notes),
    )
    films = _pictures(world) if pictures and "voe" in analyses else {}
    return Result([provenance], entries, metrics, pd.DataFrame(rows) if rows else None, films)


def _entry(
    rng: np.random.Generator, name: str, family: str, train_seed: int, world: str
) -> ModelEntry:
    steps = list(range(0, 1601, 100))
    decay = np.exp(-np.array(steps) / 300)
    curves: dict[str, list[float | None]] = {
        "step": [float(s) for s in steps],
        "loss": list(2 * decay + 0.1 + rng.uniform(0, 0.02, len(steps))),
        "prediction": list(1 * decay + 0.02),
        "validation_loss": [None if i % 4 else 2.1 * d + 0.12 for i, d in enumerate(decay)],
        "latent_std": list(1 - 0.5 * decay),
        "frames_per_second": [2000.0] * len(steps),
    }
    own = ("sigreg",) if family == "lewm" else ("variance", "covariance", "smoothness")
    curves |= {term: list(3 * decay + 0.5) for term in own}
    curves["epoch"] = [step / 160 for step in steps]
    return ModelEntry(
        name=name,
        family=family,
        train_seed=train_seed,
        step=STEPS[-1],
        world=world,
        fingerprint=format(zlib.crc32(f"{world}{name}{train_seed}".encode()), "08x") * 4,
        parameters=1_032_456,
        source=f"runs/{name}-{train_seed}",
        config={"encoder": "cnn", "latent_width": 64, "data_fingerprint": "abcd1234"},
        curves=curves,
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Result]:
    """The generator of synthetic results."""
    return make_result


@pytest.fixture(scope="session")
def result() -> Result:
    """The full synthetic result: three models, every analysis."""
    return make_result()


@pytest.fixture(scope="session")
def view(result: Result) -> WorldView:
    """The full result as the report reads it."""
    return views(result)[0]


def two_seeds_result(world: str = "push-t", **keys: Any) -> Result:
    """LeWM and PLDM with two seeds each, with doses: by default everything that push-t has."""
    here = CONDITIONS if world == "two-room" else PUSH_T
    given = {"dose_teleport_agent": DISTANCES} if world == "two-room" else DOSES
    asked = {"conditions": tuple(here), "doses": given, "world": world} | keys
    return make_result((("lewm", "lewm", (0, 1)), ("pldm", "pldm", (0, 1))), **asked)


@pytest.fixture(scope="session")
def dosed_result() -> Result:
    """A push-t result with five conditions at doses."""
    return two_seeds_result()


@pytest.fixture(scope="session")
def push_t(dosed_result: Result) -> WorldView:
    """The push-t result as the report reads it."""
    return views(dosed_result)[0]


@pytest.fixture(scope="session")
def small() -> Result:
    """Two models, two conditions: enough to draw everything quickly."""
    return make_result(
        models=(("lewm", "lewm", (0, 1)), ("pldm", "pldm", (0, 1))),
        conditions=("teleport_agent", "color_agent"),
        notes=["Preflight, pldm: a <warning> & more."],
    )


@pytest.fixture(scope="session")
def change() -> Callable[..., Result]:
    """A result with metrics dropped (``keep``) or changed (``update``)."""
    return change_metrics


def change_metrics(
    result: Result,
    keep: Callable[[Metric], bool] = lambda m: True,
    update: Callable[[Metric], dict[str, Any]] = lambda m: {},
) -> Result:
    """A copy of a result with other metrics."""
    kept = [(m, update(m)) for m in result.metrics if keep(m)]
    metrics = [m.model_copy(update=new) if new else m for m, new in kept]
    return Result(result.provenance, result.models, metrics, result.rows, result.pictures)
