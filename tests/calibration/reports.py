"""Whole null reports: what their verdict tables say although there is nothing to say.

A report has two models of two training seeds. Of each checkpoint it holds six conditions (five
required baselines each, the random encoder with three seeds), a dose-response of six doses,
teleport against a plain and a matched colour, the position of the agent read by a probe, and
straightness. Numbers come from the functions that analyses use, their correction and the grades
from those of the report.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lewm_probe.reports.verdicts.judging import REQUIRED
from lewm_probe.reports.verdicts.verdicts import questions
from lewm_probe.stats import bootstrap, paired, ranks
from lewm_probe.stats.bootstrap import Estimate
from tests.calibration.results import PROBE, STRAIGHT, VOE, Checkpoint, view
from tests.calibration.study import Row, rate

NULLS = (
    "surprise knows nothing",
    "surprise notices as pixel difference does",
    "surprise notices as the random encoder does",
)
MODELS = ("lewm", "pldm")
SEEDS = 2
CONDITIONS = (
    "teleport_agent",
    "step_teleport_agent",
    "frozen_agent",
    "pass_through_agent",
    "fast_forward_agent",
    "action_swap",
)
COLORS, DOSED = ("color_agent", "color_agent_matched"), "dose_teleport_agent"
DOSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class _Pictures:
    """What all detectors see of the cases of one condition, and the baselines' readings of it."""

    def __init__(self, rng: np.random.Generator, n: int, null: str, strength: float) -> None:
        self.rng, self.shared = rng, rng.standard_normal((2, n))
        self.shift = 0.0 if null == NULLS[0] else strength
        self.baselines = {name: [self.detector(0.0)] for name in REQUIRED}
        if null == NULLS[1]:
            self.baselines["pixel_difference"] = [self.detector(self.shift)]
        own = self.shift if null == NULLS[2] else 0.0
        spread = 0.1 * rng.standard_normal(3)
        self.baselines["random_encoder"] = [self.detector(own + by) for by in spread]

    def detector(self, shift: float) -> np.ndarray:
        """A detector's comparisons; half of what it reads is its own."""
        noise = self.rng.standard_normal(self.shared.shape)
        perturbed, reference = np.sqrt(0.5) * (self.shared + noise)
        return ranks.comparisons(perturbed + shift, reference)

    def tests(self, checkpoint: Checkpoint, subject: str, **keys: float) -> tuple[float, float]:
        """Write one more checkpoint's AUROC and gains down: p noticed, p beyond."""
        own, at = self.detector(self.shift), VOE | {"subject": subject} | keys
        checkpoint.add("auroc", ranks.auroc_estimate(own), **at)
        noticed = beyond = ranks.auroc_p(own)
        for name, others in self.baselines.items():
            gain = ranks.gain_estimate(own, others)
            checkpoint.add(f"delta_auroc_over_{name}", gain, versus=name, **at)
            beyond = max(beyond, ranks.gain_p(own, others))
        return noticed, beyond


def _raw(checkpoint: Checkpoint, ps: tuple[float, float], n: int, **keys: object) -> None:
    for name, p in zip(("p_noticed", "p_beyond"), ps, strict=True):
        checkpoint.add(name, Estimate(p, n=n), **keys)


def _doses(checkpoint: Checkpoint, pictures: dict[float, _Pictures], n: int) -> None:
    at = VOE | {"subject": DOSED}
    ps = []
    for dose, one in pictures.items():
        ps.append(one.tests(checkpoint, DOSED, dose=dose))
        _raw(checkpoint, ps[-1], n, dose=dose, **at)
    adjusted = [paired.holm(of) for of in zip(*ps, strict=True)]
    least = [min(p for p in of if p is not None) for of in adjusted]
    _raw(checkpoint, (least[0], least[1]), n, **at)
    beyond = [d for d, p in zip(pictures, adjusted[1], strict=True) if p is not None and p < 0.05]
    checkpoint.add("first_dose", Estimate(min(beyond, default=None), n=n), **at)


def _less(
    checkpoint: Checkpoint, differences: dict[str, np.ndarray], ending: str, **keys: object
) -> tuple[float, float]:
    ps = {}
    for name, values in differences.items():
        checkpoint.add(f"{ending}_{name}", bootstrap.mean(values), versus=name, **keys)
        ps[name] = paired.paired_t(values, one_sided=True) or 1.0
    return next(iter(ps.values())), max(ps.values())


def one_report(rng: np.random.Generator, n: int, null: str) -> list[Checkpoint]:
    """The checkpoints of one null report."""
    strong = rng.uniform(1.0, 4.0, len(CONDITIONS))
    pictures = {
        subject: _Pictures(rng, n, null, by) for subject, by in zip(CONDITIONS, strong, strict=True)
    }
    doses = {d: _Pictures(rng, n, null, 4 * d**0.5) for d in DOSES}
    hard, bent, *changed = rng.standard_normal((4, n))

    def log_normal() -> np.ndarray:
        return np.exp(0.7 * (hard + rng.standard_normal(n)))

    def cosine() -> np.ndarray:
        return 0.1 * (bent + rng.standard_normal(n))

    features = {name: log_normal() for name in ("mean", "random_weights", "pixel_pca")}
    paths = {name: cosine() for name in ("pixel_space", "random_weights")}
    found = []
    for model in MODELS:
        for seed in range(SEEDS):
            made = Checkpoint(model, seed)
            for subject, one in pictures.items():
                _raw(made, one.tests(made, subject), n, **VOE, subject=subject)
            _doses(made, doses, n)
            own = rng.standard_normal(n)
            for color, seen in zip(COLORS, changed, strict=True):
                contrast = VOE | {"subject": CONDITIONS[0], "versus": color}
                made.add("auroc", Estimate(0.5, 0.4, 0.6, n), **VOE, subject=color)
                made.add("delta_log_surprise", bootstrap.mean(seen + own), **contrast)
                p = paired.paired_t(seen + own, one_sided=True)
                made.add("p_noticed", Estimate(p, n=n), **contrast)
            own, s = log_normal(), cosine()
            at = PROBE | {"subject": "agent_position"}
            made.add("mse", bootstrap.mean(own), **at)
            less = {name: error - own for name, error in features.items()}
            _raw(made, _less(made, less, "mse_less_than", **at), n, **at)
            made.add("cosine", bootstrap.mean(s), **STRAIGHT)
            over = {name: s - other for name, other in paths.items()}
            _raw(made, _less(made, over, "cosine_over", **STRAIGHT), n, **STRAIGHT)
            found.append(made)
    return found


def reports(rng: np.random.Generator, repeats: int, n: int, null: str) -> Iterator[Row]:
    """How often a null report holds a "yes", and how often one question gets each grade."""
    verdicts, singles, empty = [], [], []
    for _ in range(repeats):
        asked = questions(view(one_report(rng, n, null), (DOSED,)))
        verdicts.append([v.answer for q in asked for v in q.verdicts])
        given = [(q, answer) for q in asked for v in q.verdicts for answer in v.by_seed.values()]
        singles.append([answer for _, answer in given])
        empty.append(
            [a for q, a in given if null == NULLS[0] or q.analysis != "voe" or q.key[:5] == "color"]
        )
    if len(verdicts[0]) != 2 * (len(CONDITIONS) + 4):
        raise AssertionError(f"a report answers {len(verdicts[0])} questions")
    keys = {"study": "null reports", "scenario": null, "n": n, "seeds": f"{SEEDS} a model"}
    yield rate(("yes" in one for one in verdicts), kind="family", what='a verdict says "yes"',
               goal=0.05, **keys)  # fmt: skip
    yield rate(("yes" in one for one in singles), kind="family",
               what='some checkpoint gets a "yes"', goal=0.05, **keys)  # fmt: skip
    flat = [answer for one in singles for answer in one]
    yield rate((a == "yes" for a in flat), kind="verdict", what='one checkpoint: "yes"',
               goal=0.07, **keys)  # fmt: skip
    seen = ("yes", "noticed")
    yield rate((any(a in seen for a in one) for one in empty), kind="family",
               what='some checkpoint gets "noticed" or "yes" where nothing is there',
               goal=0.05, **keys)  # fmt: skip
    nothing = [answer for one in empty for answer in one]
    yield rate((a in seen for a in nothing), kind="verdict",
               what='one checkpoint where nothing is there: "noticed" or "yes"', goal=0.07,
               **keys)  # fmt: skip
    yield rate((a == "no" for a in nothing), kind="verdict",
               what='one checkpoint where nothing is there: "no"', goal=0.07, **keys)  # fmt: skip
