"""A result as figures, tables and verdicts read it: one world, filtered by keys."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lewm_probe.core.errors import UserError, short
from lewm_probe.reports import labels
from lewm_probe.reports.means import Mean, final, means, preferred
from lewm_probe.reports.palette import Look, looks_of
from lewm_probe.results.analyses import known_cards
from lewm_probe.results.cards import Card, Cards, joined
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Metric, ModelEntry, Provenance

ANY: Any = object()
"""As a key of ``WorldView.pick``: every value."""


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

        Where results of several calls were put together, that of the analysis whose section it is
        comes first: the others' suites have the section too, with what they were not asked.

        Raises:
            UserError: results may be a stranger's, and hold something of another kind than
                ``default``, where that is a number or a tuple.
        """
        for record in sorted(
            self.provenance, key=lambda one: one.settings.get("analysis") != path[0]
        ):
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


def world_of(record: Provenance) -> str | None:
    """The world that an analysis was of, as its suite states it."""
    stated = _search(record.settings, ("suite", "world"))
    return stated if isinstance(stated, str) else None


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
