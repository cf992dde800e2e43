"""One family of tests: Holm's correction over everything that a result holds.

A verdict rests on ``p_noticed`` or ``p_beyond``. Which tests stand beside it depends on what a
report shows, and so does its correction: it is made when an analysis ends and again whenever
results are merged, over all worlds, models and analyses at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from lewm_probe.results.schema import Metric, step_order
from lewm_probe.stats.paired import holm

TESTS = ("p_noticed", "p_beyond")
"""Raw p-values that verdicts rest on; each name is a family of its own."""

ENDING = "_holm"
"""What names of corrected p-values end with."""


def corrected(metrics: Iterable[Metric]) -> list[Metric]:
    """The same metrics with ``p_noticed_holm`` and ``p_beyond_holm`` of one family each.

    Corrected values that were there before are dropped, whatever family they were of. A family is
    the tests of checkpoints at their last step, as verdicts are; tests of single doses are in the
    one test of their sweep already. A corrected value stands after its raw one, with equal keys.
    """
    raw = [m for m in metrics if not m.metric.endswith(ENDING)]
    last: dict[tuple[str, str, int | None], float] = {}
    for m in raw:
        who = (m.world, m.model, m.train_seed)
        last[who] = max(last.get(who, float("-inf")), step_order(m.step))
    adjusted: dict[int, float | None] = {}
    for test in TESTS:
        family = [
            place
            for place, m in enumerate(raw)
            if m.metric == test
            and m.dose is None
            and step_order(m.step) == last[m.world, m.model, m.train_seed]
        ]
        adjusted |= dict(zip(family, holm([raw[i].value for i in family]), strict=True))
    found = []
    for place, m in enumerate(raw):
        found.append(m)
        if place in adjusted:
            changed = {"metric": m.metric + ENDING, "value": adjusted[place]}
            found.append(Metric.model_validate(m.model_dump() | changed))
    return found
