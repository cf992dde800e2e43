"""A result as figures, tables and verdicts read it: one world, filtered, averaged over seeds.

One training seed is one checkpoint. Averages over training seeds are means; their interval is the
*envelope* of the checkpoints' own intervals, from the lowest lower end to the highest upper end:
it speaks of these checkpoints, not of the method, and with one seed it is that checkpoint's
interval.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lewm_probe.core.errors import UserError, short
from lewm_probe.reports import labels
from lewm_probe.reports.palette import Look, looks_of
from lewm_probe.results.analyses import known_cards
from lewm_probe.results.cards import Card, Cards, joined
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

ANY: Any = object()
"""As a key of ``WorldView.pick``: every value."""

_MEASURED = {"value", "ci_low", "ci_high", "n", "unit", "higher_is_better", "eval_seed"}
_IDENTITY = [k for k in Metric.model_fields if k not in _MEASURED and k != "step"]


@dataclass(frozen=True)
class Mean:
    """A mean over training seeds.

    Attributes:
        key: what the rows share.
        value: mean of the checkpoints' values.
        low, high: envelope of the checkpoints' intervals (of their values, where those have
            none); null when nothing speaks of uncertainty.
        values: each checkpoint's value.
        n, n_high: fewest and most trajectories.
    """

    key: Mapping[str, Any]
    value: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    n: int | None
    n_high: int | None
    unit: str | None

    @property
    def checkpoints(self) -> int:
        """How many training seeds."""
        return len(self.values)

    @property
    def seed_sd(self) -> float | None:
        """Sample SD over training seeds; null below two."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


class WorldView:
    """Everything a report says about one world.

    Attributes:
        world: its name.
        rows: raw rows of this world.
        entries: the checkpoints, in order of display.
        looks: model name → visual identity, in order of display.
        images: filmstrips.
        provenance: records of analyses of this world, and those that do not say of which.
    """

    def __init__(self, world: str, result: Result, looks: Mapping[str, Look]) -> None:
        self.world = world
        metrics = [m for m in result.metrics if m.world == world]
        rows = result.rows
        self.rows = rows[rows["world"].isna() | (rows["world"] == world)]
        named = {m.model for m in metrics} | {e.name for e in result.models if e.world == world}
        self.looks = {name: look for name, look in looks.items() if name in named}
        order = list(self.looks)
        self.entries: tuple[ModelEntry, ...] = tuple(
            sorted(
                (e for e in result.models if e.name in self.looks and e.world in (None, world)),
                key=lambda e: (order.index(e.name), e.train_seed or 0, e.step or 0),
            )
        )
        self.images = result.images
        self.cards: Cards = joined(known_cards(), result.cards)
        self.provenance: tuple[Provenance, ...] = tuple(
            record for record in result.provenance if world_of(record) in (None, world)
        )
        self._seeds = _seeds(metrics, self.entries)
        self._all = _index(metrics)
        self._final = _index(final(metrics))

    @property
    def models(self) -> list[str]:
        """Model names in order of display."""
        return list(self.looks)

    @property
    def analyses(self) -> list[str]:
        """Analyses of which there are numbers, in order of appearance."""
        return list(self._all)

    def label(self, model: str) -> str:
        """A model's display name."""
        return self.looks[model].label

    def family(self, model: str) -> str:
        """A model's family."""
        return self.looks[model].family

    def pick(self, analysis: str, metric: Any, **keys: Any) -> list[Metric]:
        """Metrics of last checkpoints that match every key, those without a value left out.

        A key is a value, ``None`` for "does not apply", a tuple of alternatives, or ``ANY``.
        ``control``, ``versus`` and ``dose`` do not apply unless they are asked for.
        """
        return _pick(self._final.get(analysis, {}), metric, keys)

    def pick_all_steps(self, analysis: str, metric: Any, **keys: Any) -> list[Metric]:
        """As ``pick``, with the earlier checkpoints of each run."""
        return _pick(self._all.get(analysis, {}), metric, keys)

    def mean(self, analysis: str, metric: Any, **keys: Any) -> Mean | None:
        """The mean over training seeds of what ``pick`` finds; ``None`` when there is nothing."""
        found = means(preferred(self.pick(analysis, metric, **keys)))
        return found[0] if found else None

    def subjects(self, analysis: str, metric: Any, **keys: Any) -> list[str]:
        """Subjects that occur, in order of first appearance."""
        return [
            s for s in dict.fromkeys(r.subject for r in self.pick(analysis, metric, **keys)) if s
        ]

    def conditions(self) -> list[str]:
        """Violation-of-expectation conditions, violations first."""
        metrics = ("auroc", "surprise", "surprise_z", "delta_log_surprise")
        found = set(self.subjects("voe", metrics)) - {"reference", "preflight"}
        order = list(labels.EXPECTATIONS)
        return sorted(found, key=lambda c: (order.index(self.expectation(c)), self.place(c)))

    @property
    def title(self) -> str:
        """The world as readers see it."""
        return labels.world(self.world, self.cards.get("world"))

    def family_label(self, family: str) -> str:
        """A family as readers see it."""
        return labels.family(family, self.cards.get("family"))

    def condition(self, name: str) -> str:
        """A condition as readers see it."""
        if name == labels.REFERENCE:
            return labels.condition(name)
        card, kinds = self.card(name), self.cards["condition"]
        matched = self.stated(name).get("matched_to")
        if card is not None and matched:
            return f"{card.of(self.body(name))}, matched"
        if card is None or labels.condition_kind(name, kinds):
            return labels.condition(name, kinds)
        return labels.sentence(labels.plain(name))  # its name does not say its kind

    def body(self, name: str) -> str:
        """Whom a condition concerns, as readers see it; empty when its name does not say."""
        if self.stated(name).get("matched_to"):
            who = self.stated(name).get("who")
            return labels.plain(who) if isinstance(who, str) and who != "background" else ""
        return labels.body(name, self.cards["condition"])

    def card(self, condition: str) -> Card | None:
        """The card of a condition's kind."""
        return self.cards["condition"].get(self.kind(condition))

    def place(self, condition: str) -> tuple[float, str]:
        """Sort key of a condition, with doses or not: its kind's order, then its name."""
        bare = condition.removeprefix(labels.DOSED)
        return labels.kind_order(bare, self.cards["condition"])

    def kind(self, condition: str) -> str:
        """What is done in a condition: as the suite says, else read off its name."""
        stated = self.stated(condition).get("kind")
        return (isinstance(stated, str) and stated) or labels.condition_kind(
            condition, self.cards["condition"]
        )

    def expectation(self, condition: str) -> str:
        """``violation``, ``action``, ``appearance``, or empty when nobody says."""
        stated = self.stated(condition).get("expected")
        if isinstance(stated, str) and stated in labels.EXPECTATIONS:
            return stated
        card = self.card(condition)
        return card.expects if card is not None else ""

    def stated(self, name: str) -> Mapping[str, Any]:
        """A condition as the suite states it; empty where provenance does not hold it."""
        for key in ("conditions", "dose_response"):
            for stated in self.setting("voe", key, default=()):
                if isinstance(stated, Mapping) and stated.get("name") == name:
                    return stated
        return {}

    def training(
        self, analysis: str, metric: str, **keys: Any
    ) -> dict[tuple[str, int | None], list[tuple[int, Metric]]]:
        """(model, train seed) → (step, metric) over training, for those with two steps or more."""
        last = {(e.name, e.train_seed): e.step for e in self.entries}
        curves: dict[tuple[str, int | None], dict[int, Metric]] = defaultdict(dict)
        rows = self.pick_all_steps(analysis, metric, **keys)
        for row in sorted(rows, key=lambda r: r.step is None):  # a final row without step wins
            who = (row.model, row.train_seed)
            step = last.get(who) if row.step is None else row.step
            if step is not None:
                curves[who][step] = row
        order = {name: k for k, name in enumerate(self.models)}
        found = sorted(curves, key=lambda who: (order[who[0]], who[1] or 0))
        return {who: sorted(curves[who].items()) for who in found if len(curves[who]) > 1}

    def checkpoints(self, model: str) -> list[int | None]:
        """Training seeds of a model (null: unknown)."""
        return self._seeds.get(model, [])

    def setting(self, *path: str, default: Any) -> Any:
        """A setting of the suite as provenance recorded it, whatever it is nested in.

        Raises:
            UserError: results may be a stranger's, and hold something of another kind than
                ``default``, where that is a number or a tuple.
        """
        for record in self.provenance:
            found = _search(record.settings, path)
            if found is not None:
                wanted = _unlike(found, default)
                if wanted is None:
                    return found
                raise UserError(self._another(path, found, wanted))
        return default

    def number(self, *path: str, default: float, above: float, below: float) -> float:
        """A setting that is a number between two others.

        Raises:
            UserError: it is another one, or none.
        """
        found = self.setting(*path, default=default)
        if not above < found < below:
            wanted = f"a number between {above:g} and {below:g}"
            raise UserError(self._another(path, found, wanted))
        return float(found)

    def _another(self, path: tuple[str, ...], found: Any, wanted: str) -> str:
        return (
            f"The results of {short(self.world)} say that the setting {'.'.join(path)} was "
            f"{short(repr(found))}, and {wanted} was expected. They were changed after they were "
            "written; run the analysis that wrote them again."
        )


def views(result: Result) -> list[WorldView]:
    """One view for each world, in order of first appearance; looks are shared by all."""
    pairs = [(e.name, e.family) for e in result.models]
    pairs += [(m.model, m.family) for m in result.metrics]
    looks = looks_of(pairs, result.cards.get("family"))
    worlds = dict.fromkeys(m.world for m in result.metrics)
    if not worlds:
        worlds = dict.fromkeys(e.world for e in result.models if e.world)
    return [WorldView(world, result, looks) for world in worlds]


def means(rows: Iterable[Metric], *by: str) -> list[Mean]:
    """Means over training seeds, one for each value of the keys ``by``, in order of appearance.

    Several evaluation seeds of one checkpoint are averaged first.
    """
    groups: dict[tuple[Any, ...], list[Metric]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, key) for key in by)].append(row)
    return [
        _mean(dict(zip(by, key, strict=True)), group)
        for key, group in groups.items()
        if any(row.value is not None for row in group)
    ]


def averaged(rows: Iterable[Metric]) -> list[Metric]:
    """Metrics of several training seeds as one each: their mean, its span, and the largest p."""
    keys = [key for key in _IDENTITY if key != "train_seed"]
    groups: dict[tuple[Any, ...], list[Metric]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, key) for key in keys)].append(row)
    found = []
    for group in groups.values():
        for mean in means(group):
            worst = max(mean.values) if group[0].metric.startswith("p_") else mean.value
            ends = {"value": worst, "ci_low": mean.low, "ci_high": mean.high}
            found.append(group[0].model_copy(update={"train_seed": None, "n": mean.n, **ends}))
    return found


def preferred(rows: list[Metric]) -> list[Metric]:
    """Rows of the onset window where both it and none are stored."""
    onset = [row for row in rows if row.window == "onset"]
    return onset if onset and len({row.window for row in rows} - {"onset", None}) == 0 else rows


def sample(rows: Iterable[Metric]) -> str:
    """``n = 200`` of some rows, or a range; empty when unknown."""
    n = {row.n for row in rows if row.n is not None}
    if not n:
        return ""
    low, high = min(n), max(n)
    return f"n = {low}" if low == high else f"n = {low}–{high}"


def samples(
    rows: Iterable[Metric], noun: str = "", say: Callable[[str], str] = labels.condition
) -> str:
    """``sample``, conditions that have fewer named: ``n = 200 (frozen block 143)``.

    ``noun`` follows the number; ``say``: how a condition is said (``WorldView.condition``).
    """
    by: dict[str | None, list[int]] = defaultdict(list)
    for row in rows:
        if row.n is not None:
            by[row.subject].append(row.n)
    most = max((max(n) for n in by.values()), default=None)
    if most is None:
        return ""
    fewer = []
    for name, n in by.items():
        if name and min(n) < most:
            text = say(name)
            ends = dict.fromkeys((min(n), max(n)))
            fewer.append(f"{text[:1].lower()}{text[1:]} {'–'.join(map(str, ends))}")
    return f"n = {most}{noun}" + (f" ({', '.join(fewer)})" if fewer else "")


def world_of(record: Provenance) -> str | None:
    """The world that an analysis was of, as its suite states it."""
    stated = _search(record.settings, ("suite", "world"))
    return stated if isinstance(stated, str) else None


def _mean(key: dict[str, Any], rows: Sequence[Metric]) -> Mean:
    seeds: dict[Any, list[float]] = defaultdict(list)
    for row in rows:
        if row.value is not None:
            seeds[row.model, row.train_seed].append(row.value)
    per_seed: dict[Any, list[float]] = defaultdict(list)
    for (_, seed), found in seeds.items():
        per_seed[seed].append(statistics.fmean(found))
    values = tuple(statistics.fmean(found) for found in per_seed.values())
    low = high = None
    if len(values) > 1 or any(row.ci_low is not None for row in rows):
        full = [row for row in rows if row.value is not None]
        low = min(row.value if row.ci_low is None else row.ci_low for row in full)  # type: ignore[type-var]
        high = max(row.value if row.ci_high is None else row.ci_high for row in full)  # type: ignore[type-var]
    n = [row.n for row in rows if row.n is not None]
    return Mean(
        key=key,
        value=statistics.fmean(values),
        low=low,
        high=high,
        values=values,
        n=min(n, default=None),
        n_high=max(n, default=None),
        unit=next((row.unit for row in rows if row.unit), None),
    )


def final(metrics: Sequence[Metric]) -> list[Metric]:
    """Rows without a step, or else those at the last step the analysis saw of that checkpoint."""
    identity = {id(m): tuple(getattr(m, key) for key in _IDENTITY) for m in metrics}
    bare = {identity[id(m)] for m in metrics if m.step is None}
    last: dict[tuple[Any, ...], int] = {}
    for m in metrics:
        if m.step is not None:
            who = (m.model, m.train_seed, m.analysis)
            last[who] = max(last.get(who, m.step), m.step)
    return [
        m
        for m in metrics
        if m.step is None
        or (m.step == last[m.model, m.train_seed, m.analysis] and identity[id(m)] not in bare)
    ]


_Index = dict[str, dict[str, dict[tuple[str, str | None], list[Metric]]]]
"""Analysis → metric → (model, subject) → rows: what nearly every question names."""


def _pick(
    index: Mapping[str, Mapping[tuple[str, str | None], Sequence[Metric]]],
    metric: Any,
    keys: Mapping[str, Any],
) -> list[Metric]:
    wanted = {
        key: _tuple(value)
        for key, value in {"control": None, "versus": None, "dose": None, **keys}.items()
        if value is not ANY
    }
    models, subjects = wanted.pop("model", None), wanted.pop("subject", None)
    return [
        row
        for name in (list(index) if metric is ANY else _tuple(metric))
        for (model, subject), rows in index.get(name, {}).items()
        if (models is None or model in models) and (subjects is None or subject in subjects)
        for row in rows
        if all(getattr(row, key) in values for key, values in wanted.items())
    ]


def _index(metrics: Iterable[Metric]) -> _Index:
    index: _Index = {}
    for m in metrics:
        if m.value is not None:
            of_metric = index.setdefault(m.analysis, {}).setdefault(m.metric, {})
            of_metric.setdefault((m.model, m.subject), []).append(m)
    return index


def _seeds(metrics: Sequence[Metric], entries: Sequence[ModelEntry]) -> dict[str, list[int | None]]:
    found: dict[str, set[int | None]] = defaultdict(set)
    for m in metrics:
        if m.control is None and m.versus is None:
            found[m.model].add(m.train_seed)
    for e in entries:
        found[e.name].add(e.train_seed)
    return {
        name: sorted(seeds, key=lambda seed: (seed is None, seed or 0))
        for name, seeds in found.items()
    }


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _unlike(found: Any, default: Any) -> str | None:
    """What was expected in place of a setting; None where it is of the default's kind."""
    if isinstance(default, tuple):
        return None if isinstance(found, list | tuple) else "a list"
    if isinstance(default, float):
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return None if number and abs(found) <= sys.float_info.max else "a number"
    return None


def _search(tree: Any, path: tuple[str, ...]) -> Any:
    """The value at ``path`` in nested mappings, or below any mapping that contains it."""
    if not isinstance(tree, Mapping):
        return None
    node: Any = tree
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    if node is not None:
        return node
    for child in tree.values():
        found = _search(child, path)
        if found is not None:
            return found
    return None
