"""Every number of the violation protocol, from rows of surprise."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tests.recompute import numbers
from tests.recompute.numbers import Answer, Area, Gain, Pair
from tests.recompute.stored import Metric, Stored, Who

FLIPPED = ("copy_last", "linear_extrapolation", "pixel_difference")
BASELINES = (*FLIPPED, "random_encoder", "action_blind")
ONE_SIDED = ("teleport", "step_teleport")
"""Kinds of conditions that can only be more surprising."""


class Surprise:
    """Rows of one checkpoint."""

    def __init__(self, stored: Stored, who: Who) -> None:
        self.stored, self.who = stored, who
        suite = stored.suite(who.world)
        self.asked, self.statistics = suite["voe"], suite["statistics"]
        self.confidence, self.floor = self.statistics["confidence"], self.asked["log_floor"]
        self.conditions = {c["name"]: c for c in self.asked["conditions"]}
        self.sweeps = {d["name"]: d for d in self.asked["dose_response"]}
        self.memory: dict[Any, Any] = {}

    def part(self, subject: str, control: str | None = None, **keys: Any) -> pd.DataFrame | None:
        """Rows by trajectory and frame."""
        at = {"subject": subject, "control": control, "features": "z", **keys}
        key = tuple(at.items())
        if key not in self.memory:
            found = self.stored.part(self.who, analysis="voe", metric="surprise", **at)
            if found is not None:
                found = found.assign(value=found["value"].astype(np.float64))
                found = found.set_index(["trajectory_id", "frame"])[["value", "horizon"]]
                found = found.sort_index()
            self.memory[key] = found
        return self.memory[key]

    def scorers(self, control: str | None) -> list[str | None]:
        """The seeds of a random encoder; otherwise one without a name."""
        if control != "random_encoder":
            return [None]
        count = range(100)
        return [
            f"seed {k}"
            for k in count
            if self.part("reference", control, method=f"seed {k}") is not None
        ]

    def pair(
        self, subject: str, control: str | None, how: str, method: str | None, dose: float | None
    ) -> Pair:
        """Perturbed and reference of each case."""
        shown = self.part(subject, control, method=method, dose=dose)
        clean = self.part("reference", control, method=method)
        assert shown is not None and clean is not None, (subject, control, method, dose)
        if how == "onset":
            shown = shown[shown["horizon"] == 0]
            return shown["value"].to_numpy(), clean["value"].loc[shown.index].to_numpy()
        shown = shown[shown["horizon"] >= 0]
        both = pd.DataFrame({"a": shown["value"], "b": clean["value"].reindex(shown.index)})
        grouped = both.groupby(level=0)
        reduced = grouped.mean() if how == "mean_after" else grouped.max()
        return reduced["a"].to_numpy(), reduced["b"].to_numpy()

    def pairs(
        self,
        subject: str,
        control: str | None = None,
        how: str = "onset",
        dose: float | None = None,
    ) -> list[Pair]:
        """One for each seed of a baseline."""
        key = ("pairs", subject, control, how, dose)
        if key not in self.memory:
            each = self.scorers(control)
            self.memory[key] = [self.pair(subject, control, how, one, dose) for one in each]
        return self.memory[key]

    def area(
        self,
        subject: str,
        control: str | None = None,
        how: str = "onset",
        dose: float | None = None,
        sign: int = 1,
    ) -> Area:
        """Of all seeds of a baseline."""
        key = ("area", subject, control, how, dose, sign)
        if key not in self.memory:
            self.memory[key] = Area.of(self.pairs(subject, control, how, dose), sign)
        return self.memory[key]

    def calm(self, subject: str, control: str | None) -> list[np.ndarray]:
        """Disjoint trajectories at their moment, the condition's own kind where it needs one."""
        found = []
        for method in self.scorers(control):
            own = f"disjoint, {method}" if method else "disjoint"
            rows = self.part(subject, control, method=own)
            if rows is None:
                rows = self.part("disjoint", control, method=method)
                assert rows is not None
                if method is None:
                    rows = rows[rows["horizon"] == 0]
            found.append(rows["value"].to_numpy())
        return found

    def direction(self, subject: str, control: str, dose: float | None) -> tuple[int, int]:
        """+1 or −1, and the pairs that it was chosen on."""
        key = ("direction", subject, control, dose)
        if key not in self.memory:
            self.memory[key] = self._chosen(subject, control, dose)
        return self.memory[key]

    def _chosen(self, subject: str, control: str, dose: float | None) -> tuple[int, int]:
        pairs = self.part(subject, control, method="direction pairs", dose=dose)
        twins = self.part(subject, control, method="direction twins", dose=dose)
        if pairs is None or twins is None:
            return 1, 0
        assert pairs.index.equals(twins.index)
        n = len(pairs)
        chosen = numbers.area((pairs["value"].to_numpy(), twins["value"].to_numpy()))
        flip = n >= 4 and chosen < 0.5 - 1e-9  # ties alone are no direction
        return (-1 if flip else 1), n

    def gain(self, subject: str, control: str, dose: float | None) -> Gain:
        """The model's AUROC less a baseline's in its direction."""
        sign = self.direction(subject, control, dose)[0] if control in FLIPPED else 1
        return Gain(
            self.area(subject, dose=dose), self.area(subject, control, dose=dose, sign=sign)
        )

    def tests(self, subject: str, dose: float | None) -> tuple[float, float, int]:
        """``p_noticed`` and ``p_beyond``, and how many cases."""
        key = ("tests", subject, dose)
        if key not in self.memory:
            own = self.area(subject, dose=dose)
            noticed = numbers.auroc_p(own)
            there = [
                b for b in BASELINES if self.part("reference", b, method=self.first(b)) is not None
            ]
            gains = [self.gain(subject, b, dose).p for b in there]
            self.memory[key] = noticed, max([noticed, *gains]), len(own.moves)
        return self.memory[key]

    def first(self, control: str) -> str | None:
        return "seed 0" if control == "random_encoder" else None

    @cached_property
    def history(self) -> int:
        return int(self.stored.config(self.who)["history"])

    def delta(self, subject: str, window: str, dose: float | None = None) -> pd.Series:
        """Mean of Δ log s over a window, by trajectory."""
        key = ("delta", subject, window, dose)
        if key not in self.memory:
            self.memory[key] = self._delta(subject, window, dose)
        return self.memory[key]

    def _delta(self, subject: str, window: str, dose: float | None) -> pd.Series:
        shown, clean = self.part(subject, dose=dose), self.part("reference")
        assert shown is not None and clean is not None
        last = {"onset": 0, "transient": self.history - 1, "steady": 10**6}[window]
        first = self.history if window == "steady" else 0
        shown = shown[(shown["horizon"] >= first) & (shown["horizon"] <= last)]
        twins = clean["value"].reindex(shown.index)
        change = np.log(shown["value"] + self.floor) - np.log(twins + self.floor)
        return change.groupby(level=0).mean().dropna()

    def one_sided(self, subject: str) -> bool:
        return self.conditions[subject]["kind"] in ONE_SIDED

    # ---- metrics

    def answer(self, m: Metric) -> Answer | None:
        """What the rows say that a metric is."""
        name, subject, versus = m["metric"], m.get("subject"), m.get("versus")
        if name.startswith("delta_auroc_over_"):
            return self.gain(subject, versus, m.get("dose")).answer(self.confidence)
        if name in ("delta_log_surprise", "d_z") or (name.startswith("p_") and versus):
            return self._difference(m)
        known = {
            "auroc": self._auroc,
            "auroc_whitened": self._auroc,
            "pairwise_accuracy": self._accuracy,
            "detection_at_5fp": self._detection,
            "direction": self._direction,
            "surprise": self._curve,
            "surprise_z": self._curve,
            "surprise_over_chance": self._chance,
            "pixel_change": self._pixels,
            "p_noticed": self._verdict,
            "p_beyond": self._verdict,
            "first_dose": self._first_dose,
            "p_ttest": self._difference,
            "p_wilcoxon": self._difference,
            "p_equivalence": self._difference,
            "p_ttest_raw": self._raw,
            "clean_over_copy_last": self._preflight,
            "action_swap_auroc": self._swap,
        }
        return known[name](m) if name in known else None

    def _auroc(self, m: Metric) -> Answer:
        control = "whitened" if m["metric"] == "auroc_whitened" else m.get("control")
        found = self.area(m["subject"], control, m["window"], m.get("dose"))
        return numbers.auroc(found, self.confidence)

    def _accuracy(self, m: Metric) -> Answer:
        perturbed, reference = self.pairs(m["subject"], how=m["window"])[0]
        wins = np.sign(perturbed - reference) / 2 + 0.5
        return Answer(float(wins.mean()), n=len(wins))

    def _detection(self, m: Metric) -> Answer:
        subject, control = m["subject"], m.get("control")
        twins = control == "clean_twin"
        control = None if twins else control
        rates = []
        calm = self.calm(subject, control)
        for place, method in enumerate(self.scorers(control)):
            if subject == "reference":
                clean = self.part("reference", control, method=method)
                assert clean is not None
                scores = clean[clean["horizon"] == 0]["value"].to_numpy()
            else:
                scores = self.pairs(subject, control)[place][int(twins)]
            rates.append(numbers.detection(scores, calm[place]))
        return Answer(float(np.mean(rates)), n=len(scores))

    def _direction(self, m: Metric) -> Answer:
        sign, count = self.direction(m["subject"], m["control"], m.get("dose"))
        return Answer(sign, n=count)

    def _at(self, subject: str, horizon: int) -> np.ndarray:
        """Surprise so many frames from t0; before it, nothing was changed."""
        rows, clean = self.part(subject), self.part("reference")
        assert rows is not None and clean is not None
        if horizon < 0 and subject != "reference":
            onsets = rows[rows["horizon"] == 0].index.to_frame()
            place = pd.MultiIndex.from_arrays(
                [onsets["trajectory_id"], onsets["frame"] + horizon], names=rows.index.names
            )
            return clean["value"].reindex(place).dropna().to_numpy()
        return rows[rows["horizon"] == horizon]["value"].to_numpy()

    def _curve(self, m: Metric) -> Answer:
        values = self._at(m["subject"], m["horizon"])
        if m["metric"] == "surprise_z":
            logs = np.log(self.calm("", None)[0] + self.floor)
            values = (np.log(values + self.floor) - logs.mean()) / logs.std()
        return numbers.student(values, self.confidence)

    def _chance(self, m: Metric) -> Answer:
        """Over 2 tr Cov z / D, of the clean disjoint latents: that trace has no rows."""
        width = self.stored.predicted_width(self.who)
        values = self._at(m["subject"], 0) / (2 * self._trace / width)
        return numbers.student(values, self.confidence)

    @cached_property
    def _trace(self) -> float:
        keys = {"metric": "trace_cov", "analysis": "voe", "subject": "reference"}
        return next(
            one["value"]
            for one in self.stored.metrics
            if all(one.get(k) == v for k, v in (keys | self.who._asdict()).items())
        )

    def _pixels(self, m: Metric) -> Answer:
        change = self.stored.series(
            self.who, analysis="voe", metric="pixel_change", subject=m["subject"]
        )
        assert change is not None
        return numbers.student(change.to_numpy(), self.confidence)

    def _verdict(self, m: Metric) -> Answer:
        subject, which = m["subject"], int(m["metric"] == "p_beyond")
        if subject in self.sweeps and m.get("dose") is None:
            found = self._doses(subject)
            adjusted = numbers.holm([tests[which] for tests in found.values()])
            return Answer(min(adjusted), n=max(tests[2] for tests in found.values()))
        found = self.tests(subject, m.get("dose"))
        return Answer(found[which], n=found[2])

    def _doses(self, subject: str) -> dict[float, tuple[float, float, int]]:
        doses = self.sweeps[subject]["doses"]
        there = [d for d in doses if self.part(subject, dose=d) is not None]
        return {dose: self.tests(subject, dose) for dose in there}

    def _first_dose(self, m: Metric) -> Answer:
        found = self._doses(m["subject"])
        adjusted = numbers.holm([tests[1] for tests in found.values()])
        level = self.statistics["alpha"]
        below = [d for d, p in zip(found, adjusted, strict=True) if p < level]
        return Answer(min(below, default=None), n=max(t[2] for t in found.values()))

    def _difference(self, m: Metric) -> Answer | None:
        subject, versus, dose = m["subject"], m.get("versus"), m.get("dose")
        delta = self.delta(subject, m["window"], dose)
        if versus is not None:
            logs = []
            for one in (subject, versus):
                rows = self.part(one)
                assert rows is not None
                values = rows[rows["horizon"] == 0]["value"].droplevel("frame")
                logs.append(np.log(values + self.floor))
            delta = (logs[0] - logs[1]).dropna()
        values, n = delta.to_numpy(), len(delta)
        name = m["metric"]
        one_sided = versus is None and dose is None and self.one_sided(subject)
        if name == "delta_log_surprise":
            return numbers.student(values, self.confidence)
        if name == "d_z":
            return Answer(numbers.d_z(values), n=n)
        if name == "p_equivalence":
            return Answer(numbers.tost(values, math.log(self.asked["equivalence_ratio"])), n=n)
        if name == "p_wilcoxon":
            return Answer(numbers.wilcoxon(values, one_sided), n=n)
        return Answer(numbers.paired_p(values, one_sided or name == "p_noticed"), n=n)

    def _raw(self, m: Metric) -> Answer:
        perturbed, reference = self.pairs(m["subject"])[0]
        p = numbers.paired_p(perturbed - reference, self.one_sided(m["subject"]))
        return Answer(p, n=len(perturbed))

    def _preflight(self, m: Metric) -> Answer | None:
        if m.get("control") is not None:
            return None
        own, copied = self.part("disjoint"), self.part("disjoint", "copy_last")
        assert own is not None and copied is not None
        each = [one["value"].groupby(level=0).mean() for one in (own, copied)]
        return Answer(float(each[0].mean() / each[1].mean()), n=len(each[0]))

    def _swap(self, m: Metric) -> Answer:
        swapped, clean = self.part("preflight", method="swapped actions"), self.part("reference")
        assert swapped is not None and clean is not None
        pair = (swapped["value"].to_numpy(), clean["value"].loc[swapped.index].to_numpy())
        return numbers.auroc(Area.of([pair]), self.confidence)
