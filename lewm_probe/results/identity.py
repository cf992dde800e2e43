"""What one method is, and what one checkpoint is: asked by whatever pools rows or checks names.

A *method* is a name of one family and one architecture; its training seeds are averaged. A *run* is
a method at one training seed; its steps are a curve, and the last one stands for it. A *checkpoint*
is a run at one step: one set of weights, known by its fingerprint. Reports pool rows by these names
alone, so names that stand for two things are refused before anything is averaged.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from lewm_probe.results.schema import Metric, ModelEntry, step_order

RunKey = tuple[str, int | None]
"""Name and training seed: what a report counts as one training seed of a method."""

NOT_ARCHITECTURE = frozenset({"data_fingerprint", "action_statistics"})
"""Keys of a stored configuration that say where data came from, not what the network is."""


T = TypeVar("T")


def run_of(record: Metric | ModelEntry) -> RunKey:
    """The run that a number or a checkpoint is of."""
    name = record.name if isinstance(record, ModelEntry) else record.model
    return name, record.train_seed


def latest(records: Iterable[tuple[RunKey, int | None, T]]) -> dict[RunKey, T]:
    """Of runs, steps and what is known of them: what stands for each run, in order of appearance.

    That is what is known at the last step; of equal steps, what was given last.
    """
    found: dict[RunKey, tuple[int | None, T]] = {}
    for run, step, record in records:
        held = found.get(run)
        if held is None or step_order(step) >= step_order(held[0]):
            found[run] = step, record
    return {run: record for run, (_, record) in found.items()}


def look(name: str) -> str:
    """A name as eyes see it: two names of one look could not be told apart in print.

    >>> look("le  wm ") == look("le wm"), look("p$q") == look("pq")
    (True, False)
    """
    return " ".join(unicodedata.normalize("NFKC", name).split())


def conflict(entries: Sequence[ModelEntry], metrics: Iterable[Metric] = ()) -> str | None:
    """Which name stands for two things, and for which, as a clause; None where each has its own.

    Args:
        entries: the checkpoints of one result.
        metrics: its numbers, for names of which no checkpoint is stored.
    """
    return next(_conflicts(entries, metrics), None)


def _conflicts(entries: Sequence[ModelEntry], metrics: Iterable[Metric]) -> Iterator[str]:
    families: dict[str, str] = {}
    pairs = dict.fromkeys((m.model, m.family) for m in metrics)
    for name, family in (*((e.name, e.family) for e in entries), *pairs):
        first = families.setdefault(name, family)
        if family != first:
            yield f"'{name}' is of the family {first} and of the family {family}"
    names = list(families)
    for i, name in enumerate(names):
        for before in names[:i]:
            if look(name) == look(before):
                yield f"the names {before!r} and {name!r} look the same"
    for i, entry in enumerate(entries):
        for other in entries[:i]:
            if entry.name == other.name and (why := _differ(other, entry)):
                yield why


def _differ(first: ModelEntry, second: ModelEntry) -> str | None:
    """Why two checkpoints of one name are not of one method, or of one run."""
    if first.fingerprint == second.fingerprint:
        if first.train_seed != second.train_seed:
            return (
                f"{first.label} and {second.label} are the same weights, which would count as two "
                "training seeds"
            )
        return None
    one_run = run_of(first) == run_of(second)
    if one_run and first.step == second.step and first.world == second.world:
        return f"{first.label} is two different sets of weights ({_prints(first, second)})"
    if first.world != second.world:
        return None  # another world has other actions and images, and a part of the report its own
    if key := _other_architecture(first, second):
        return f"{first.label} and {second.label} are of two architectures: their {key} differ"
    data = [entry.config.get("data_fingerprint") for entry in (first, second)]
    if one_run and None not in data and data[0] != data[1]:
        return f"{first.label} and {second.label} are of two runs: they were trained on other data"
    return None


def _other_architecture(first: ModelEntry, second: ModelEntry) -> str | None:
    """The first key of what both say of their networks that is not the same."""
    if None not in (first.parameters, second.parameters) and first.parameters != second.parameters:
        return f"numbers of parameters ({first.parameters:,} and {second.parameters:,})"
    known = [key for key in first.config if key in second.config and key not in NOT_ARCHITECTURE]
    for key in known:
        if not _alike(first.config[key], second.config[key]):
            return f"configurations ('{key}')"
    return None


def _alike(first: Any, second: Any) -> bool:
    """Equal in the keys that both have: later versions know more of them."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return all(_alike(first[key], second[key]) for key in first if key in second)
    return bool(first == second)


def _prints(first: ModelEntry, second: ModelEntry) -> str:
    places = [entry.source or f"fingerprint {entry.fingerprint[:12]}" for entry in (first, second)]
    if places[0] == places[1]:
        places = [f"fingerprint {entry.fingerprint[:12]}" for entry in (first, second)]
    return " and ".join(places)
