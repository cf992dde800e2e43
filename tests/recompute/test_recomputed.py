"""Every number of a report comes out of its rows again, by code that shares nothing with ours.

What cannot is named here with the reason, and nothing else is let through.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.recompute import numbers
from tests.recompute.methods import DIFFERENCES, Methods
from tests.recompute.numbers import Answer
from tests.recompute.planning import Planning
from tests.recompute.readouts import Readouts
from tests.recompute.stored import Metric, Stored, Who, version
from tests.recompute.surprise import Surprise

REPORTS = Path(__file__).parents[2] / "reports"
PUBLISHED = sorted(path.parent for path in REPORTS.rglob("results.json"))

EXEMPT: dict[str, Callable[[Metric, Stored], bool]] = {
    "a curve over training, on few trajectories": lambda m, s: earlier(m, s),
    "moments of latents, which rows do not hold": lambda m, s: (
        m["analysis"] == "voe" and m["metric"] in ("trace_cov", "effective_rank")
    ),
    "spread of actions, which rows do not hold": lambda m, s: m["metric"] == "scaled_action_sd",
    "how a stimulus was matched": lambda m, s: m["metric"] in ("strength", "pixel_change_reached"),
    "power, of n and the size of a family alone": lambda m, s: (
        m["metric"] == "smallest_detectable_d_z"
    ),
    "a closed form of the latents' width": lambda m, s: m.get("control") == "iid_noise",
    "copy-last in a random encoder's latents, which rows do not hold": lambda m, s: (
        m["metric"] == "clean_over_copy_last" and m.get("control") == "random_encoder"
    ),
    "probes on request, which have no rows": lambda m, s: (
        m["analysis"] == "probe"
        and any(m.get(k) is not None for k in ("window", "horizon", "dose"))
    ),
    "neighbours in whole latents and images, which rows do not hold, and by chance": lambda m, s: (
        m["analysis"] == "map" and (m.get("method") is None or m["metric"] == "pca_variance_share")
    ),
    "differences of R² of drawn pictures": lambda m, s: (
        m["analysis"] == "decode" and m["metric"] == "r2" and m.get("versus") is not None
    ),
    "pairs that were left out, which have no rows": lambda m, s: m["metric"] == "solved_at_start",
    "differences to another result": lambda m, s: m["metric"].endswith(
        ("_difference_paired", "_difference_unpaired", "_difference_stored")
    ),
}
"""Why a metric is not recomputed → whether it is such a one."""


def earlier(m: Metric, stored: Stored) -> bool:
    """Whether a metric is of a step before a run's last."""
    if m.get("versus") in stored.names:
        return False
    return m.get("step") != stored.last_step(m["world"], m["model"], m.get("train_seed"))


class Recomputed:
    """All numbers of a result once more."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored
        self.surprise: dict[Who, Surprise] = {}
        self.readouts: dict[Who, Readouts] = {}
        for entry in stored.models:
            worlds = {m["world"] for m in stored.metrics if m["model"] == entry["name"]}
            for world in worlds:
                for who in stored.seeds(world, entry["name"]):
                    self.surprise[who] = Surprise(stored, who)
                    self.readouts[who] = Readouts(stored, who)
        self.methods = Methods(stored, self.surprise)
        self.corrected = dict(self._families())

    def answer(self, m: Metric) -> Answer | None:
        """What rows say of a metric."""
        if m["metric"].endswith("_holm"):
            return self.corrected.get(key_of(m))
        if m.get("versus") in self.stored.names and m["metric"] in (*DIFFERENCES, "p_permutation"):
            return self.methods.answer(m)
        who = Who(m["world"], m["model"], m.get("train_seed"), m.get("step"))
        if m["analysis"] == "plan":
            return Planning(self.stored, who).answer(m)
        of = self.surprise if m["analysis"] == "voe" else self.readouts
        return of[who].answer(m)

    def _families(self) -> Iterator[tuple[tuple[object, ...], Answer]]:
        """Holm over all that a report holds."""
        for test in ("p_noticed", "p_beyond"):
            family = [
                m
                for m in self.stored.metrics
                if m["metric"] == test and m.get("dose") is None and not earlier(m, self.stored)
            ]
            tested = [m for m in family if m["value"] is not None]
            for m, p in zip(tested, numbers.holm([m["value"] for m in tested]), strict=True):
                yield key_of(m | {"metric": f"{test}_holm"}), Answer(p, n=m["n"])
            for m in family:
                if m["value"] is None:
                    yield key_of(m | {"metric": f"{test}_holm"}), Answer(None, n=m["n"])


def key_of(m: Metric) -> tuple[object, ...]:
    """All that says which number a metric is."""
    measured = ("value", "ci_low", "ci_high", "n", "unit", "higher_is_better")
    return tuple(sorted((k, str(v)) for k, v in m.items() if k not in measured and v is not None))


def fault(m: Metric, found: Answer, resamples: int) -> str | None:
    """What differs, in words; None where nothing does."""
    stored = (m["value"], m.get("ci_low"), m.get("ci_high"))
    if found.n is not None and found.n != m.get("n"):
        return f"n is stored as {m.get('n')}, and is {found.n} by the rows"
    if (stored[0] is None) != (found.value is None):
        return f"stored as {stored[0]}, recomputed {found.value}"
    ends = [abs(x) for x in (*stored, *found[:3]) if x is not None]
    scale = max(ends, default=0.0)
    drawn = m["metric"] in DIFFERENCES and found.low is not None and m.get("versus") is not None
    for name, a, b in zip(("value", "lower end", "upper end"), stored, found, strict=False):
        if a is None or b is None:
            continue  # no closed form
        within = 1e-4 * scale + 1e-9
        if m["metric"] in ("r2", "pearson_r"):
            within += 1e-7  # 1 less a ratio of sums that rows hold in single precision
        if drawn and name != "value":  # its variance over trajectories was drawn
            within += 6 / math.sqrt(2 * resamples) * abs(b - found[0])
        if m["metric"].startswith("p_"):
            # Small p-values stretch the rounding of rows.
            small = max(min(a, b), 1e-300)
            within = 1e-9 + 1e-3 * small * (1 + abs(math.log10(small)))
        if abs(a - b) > within:
            return f"{name} stored as {a:.9g}, recomputed {b:.9g}"
    return None


def recompute(folder: Path) -> tuple[list[str], Counter[str], int]:
    """What differs, what is exempt and why, and how many numbers there are."""
    stored = Stored(folder)
    mine = Recomputed(stored)
    exempt: Counter[str] = Counter()
    faults: list[str] = []
    for m in stored.metrics:
        why = next((name for name, holds in EXEMPT.items() if holds(m, stored)), None)
        if why is not None:
            exempt[why] += 1
            continue
        found = mine.answer(m)
        resamples = stored.suite(m["world"])["statistics"]["bootstrap"]
        wrong = "no rows say it" if found is None else fault(m, found, resamples)
        if wrong:
            told = {k: v for k, v in m.items() if v is not None and k not in ("unit", "family")}
            faults.append(f"{told}: {wrong}")
    return faults, exempt, len(stored.metrics)


def check(folder: Path, share: float) -> None:
    """Recompute all; ``share``: of metrics that may be exempt."""
    faults, exempt, count = recompute(folder)
    assert not faults, f"{len(faults)} of {count}:\n" + "\n".join(faults[:40])
    assert sum(exempt.values()) <= share * count, exempt


def test_a_fresh_run(small_result: Path) -> None:
    check(small_result, share=0.02)


def changed(folder: Path, out: Path, metric: str, column: str, by: float, **keys: object) -> str:
    """What is said of a result where one stored number was moved."""
    shutil.copytree(folder, out)
    raw = json.loads((out / "results.json").read_text())
    columns = raw["metrics"]["columns"]
    asked = keys | {"metric": metric}
    row = next(
        row
        for row in raw["metrics"]["rows"]
        if all(row[columns.index(k)] == v for k, v in asked.items())
        and row[columns.index(column)] is not None
    )
    row[columns.index(column)] += by
    raw["metrics"]["rows"] = [row]
    (out / "results.json").write_text(json.dumps(raw))
    (told,) = recompute(out)[0]
    return told


@pytest.mark.parametrize(
    ("metric", "column", "by", "said"),
    [
        ("auroc", "value", 1e-3, "value stored as"),
        ("auroc", "ci_low", 1e-3, "lower end stored as"),
        ("auroc", "n", 1, "n is stored as 25, and is 24 by the rows"),
        ("delta_auroc_over_pixel_difference", "ci_high", 1e-3, "upper end stored as"),
        ("detection_at_5fp", "value", 0.01, "value stored as"),
        ("p_beyond", "value", -0.01, "value stored as"),
        ("r2", "value", 1e-3, "value stored as"),
        ("cosine", "ci_low", 1e-3, "lower end stored as"),
        ("participation_ratio", "value", 0.01, "value stored as"),
    ],
)
def test_a_number_that_does_not_follow_from_rows_is_told(
    small_result: Path, tmp_path: Path, metric: str, column: str, by: float, said: str
) -> None:
    told = changed(small_result, tmp_path / "changed", metric, column, by, model="lewm")
    assert told.startswith("{'model': 'lewm', 'train_seed': 1, ")
    assert f"'metric': '{metric}'" in told and f": {said}" in told


@pytest.mark.slow
@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: str(folder.relative_to(REPORTS)))
def test_a_published_report(folder: Path) -> None:
    if version(folder) < 3:
        pytest.skip("published before rows held everything")
    check(folder, share=0.3)


def test_it_shares_no_code_with_what_it_checks() -> None:
    own = sorted(Path(__file__).parent.glob("*.py"))
    using = [p.name for p in own if re.search(r"^(from|import) lewm_probe", p.read_text(), re.M)]
    assert using == ["conftest.py"]  # which runs what is checked
