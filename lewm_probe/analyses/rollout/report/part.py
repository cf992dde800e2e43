"""What is shown of rollouts."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lewm_probe.analyses.rollout.report.figure import rollout_plot
from lewm_probe.analyses.rollout.report.tables import rollout_table
from lewm_probe.reports.page.brought import Headline, Measure, stored
from lewm_probe.reports.page.parts import ByModel, ReportPart, Section, Summary, drawn, shown
from lewm_probe.reports.page.summary import value
from lewm_probe.reports.results_view import ANY, WorldView


def sections(view: WorldView) -> list[Section]:
    """Rollouts."""
    return [_rollouts(view)]


def _rollouts(view: WorldView) -> Section:
    return Section(
        "rollouts",
        "Rollouts",
        "Latents imagined from a context and the true actions, against the encoded future.",
        drawn(view, rollout_plot),
        shown(view, rollout_table(view), folded=("rollout",)),
    )


def summary(models: ByModel, view: WorldView) -> Summary:
    """What the command shows at its end."""
    own = {
        label: [m for m in metrics if m.metric == "mse" and m.subject is None]
        for label, metrics in models.items()
    }
    horizons = sorted({m.horizon for ms in own.values() for m in ms if m.horizon is not None})
    # Where there is no room for all: the nearest, the farthest, and those halfway between them.
    order = _spread(horizons)
    rows: list[list[object]] = []
    groups: list[str] = []
    for label, metrics in own.items():
        for control, name in ((None, "imagined"), ("copy_last", "copy last")):
            rows.append([name, *(value(metrics, horizon=k, control=control) for k in horizons)])
            groups.append(label)
    columns = ["error, blocks ahead:", *map(str, horizons)]
    wide = [str(k) for k in horizons if k not in order[:MOST_HORIZONS]]
    return Summary(columns, rows, groups, wide)


MOST_HORIZONS = 5
"""Of them in the table at the end of a command; the others by ``--wide``."""


def _spread(horizons: list[int]) -> list[int]:
    """The nearest first, then the farthest, then those between, the widest gap first.

    >>> _spread([1, 2, 3, 5, 10])
    [1, 10, 3, 5, 2]
    """
    left, found = list(horizons), list[int]()
    while left:
        # Steps of a horizon matter in proportion: 1 to 2 is as far as 5 to 10.
        k = max(left, key=lambda k: min((abs(math.log(k / f)) for f in found), default=1 / k))
        found.append(k)
        left.remove(k)
    return found


def headlines(view: WorldView) -> Iterator[Headline]:
    """Numbers by which a checkpoint is known."""
    rollouts = view.pick("rollout", "mse_over_copy_last", subject=None)
    rollouts = sorted((r for r in rollouts if r.horizon is not None), key=lambda r: r.horizon or 0)
    for row in dict.fromkeys([*rollouts[:1], *rollouts[-1:]]):
        ahead = f"{row.horizon} block{'s' if row.horizon != 1 else ''} ahead"
        yield Headline(f"Error over copy-last, {ahead}", row)


def measures(view: WorldView) -> list[Measure]:
    """By which methods are compared."""
    found = []
    horizon = _common_horizon(view)
    if horizon is not None:
        found.append(
            Measure(
                "rollout",
                f"Rollout, k = {horizon}: error over copy-last",
                "imagines more accurately",
                False,
                lambda model: view.pick(
                    "rollout", "mse_over_copy_last", model=model, horizon=horizon, subject=None
                ),
                lambda first, second: view.pick(
                    "rollout",
                    stored("mse_over_copy_last"),
                    model=first,
                    versus=second,
                    horizon=horizon,
                    subject=None,
                ),
            )
        )
    return found


def _common_horizon(view: WorldView) -> int | None:
    """The longest horizon that every model's rollout reached."""
    rows = view.pick("rollout", "mse_over_copy_last", subject=None, horizon=ANY)
    reached = [{r.horizon for r in rows if r.model == m and r.horizon} for m in view.models]
    common = set.intersection(*(h for h in reached if h)) if any(reached) else set()
    return max(common, default=None)


REPORT = ReportPart(sections, place=40, summary=summary, headlines=headlines, measures=measures)
