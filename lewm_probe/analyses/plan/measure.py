"""Control in the real simulator: how often does planning with a model reach the goal?

Every checkpoint, and every floor beside it, tries the same start–goal pairs. Metrics: for each
success rule (``subject``: ``released`` and, where the world has it, ``strict``) and moment
(``window``: fulfilled at ``any`` step, as published, or at the ``end``), ``success_rate`` with
Wilson's interval over all pairs, and ``success_seed_sd``, the SD of the rates of evaluation seeds;
``steps_used`` until a rule was first fulfilled, of those that did; ``start_distance`` and
``final_distance`` to the goal; ``plan_seconds``, the median of a plan, and its 95th percentile;
with a ``dose``, the same for other
budgets, in blocks imagined a plan (samples × iterations × horizon);
``cost_distance_spearman``, whether the cost grows with the true distance (``features``:
``imagined`` and ``encoded``); ``solved_at_start``, the share of drawn pairs that were left out.
``success_rate_over_floor`` is the rate minus that of the best floor, with ``versus`` that floor,
and ``p_noticed`` (released rule) and ``p_beyond`` (strict) are one-sided McNemar tests of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from lewm_probe.analyses.engine.asked.checkpoint import Checkpoint
from lewm_probe.analyses.engine.context import Context
from lewm_probe.analyses.engine.differences import Measured
from lewm_probe.analyses.engine.recorder import ResultRecorder
from lewm_probe.analyses.engine.remembered.measurement_cache import Samples
from lewm_probe.analyses.plan.controlled import Search, Team
from lewm_probe.analyses.plan.drawing import all_pairs, starts_of
from lewm_probe.analyses.plan.films import films
from lewm_probe.analyses.plan.monotone import monotone
from lewm_probe.analyses.plan.report.names import CAME, IMAGINED, film_name
from lewm_probe.analyses.plan.settings import PlanSettings
from lewm_probe.comparison.difference import Key, Sample
from lewm_probe.comparison.stored import key_of
from lewm_probe.core.progress import Task
from lewm_probe.planning.agents import Planner
from lewm_probe.planning.control import Agent, Outcome, control
from lewm_probe.planning.costs import Imagined
from lewm_probe.planning.pairs import Pairs, unit_of
from lewm_probe.stats import bootstrap
from lewm_probe.stats.ranks import wilson
from lewm_probe.stats.shares import matched_difference, matched_p
from lewm_probe.worlds.base import are_choices

WINDOWS = ("any", "end")
"""When a rule has to be fulfilled."""

TESTED = {"released": "p_noticed", "strict": "p_beyond"}
"""Success rule → the test that it has, at any step: two a checkpoint."""

CEILING = "recorded_actions"
"""No floor: it knows what led to the goal."""


def measure_all(
    checkpoints: Sequence[Checkpoint], context: Context, recorder: ResultRecorder
) -> Measured:
    """Let every checkpoint try the pairs, or remember that it did.

    Raises:
        UsageError: a world without simulator or goals, or a solver that is not there or refuses its
            settings.
        UserError: a file of pairs that does not fit.
    """
    settings: PlanSettings = context.settings
    search = Search.of(settings, discrete=are_choices(context.world.action_space))
    pairs = all_pairs(context.world, context.suite, settings)
    known = context.measurements(recorder, [one.hash for one in pairs])
    tried = Tried(pairs, search)
    blocks = settings.budget // context.world.frame_skip
    agents = 1 + len(settings.budgets) + len(settings.floors)
    total = agents * len(tried) * blocks
    measured = []
    with context.progress.task("plan", len(checkpoints) * total) as bar:
        for checkpoint in checkpoints:
            if known.known(checkpoint):
                bar.advance(total)
            compute = partial(_measure, checkpoint, context, tried, bar)
            measured.append((checkpoint, known.of(checkpoint, compute)))
    return measured


class Tried:
    """The pairs of all evaluation seeds in a row, and who searches.

    Attributes:
        seeds: evaluation seed of each pair, (N,).
        ids: of each.
    """

    def __init__(self, pairs: list[Pairs], search: Search) -> None:
        self.evaluations, self.search = pairs, search
        self.pairs = [one for each in pairs for one in each.pairs]
        self.seeds = starts_of(pairs)
        self.ids = [one.id for one in self.pairs]

    def __len__(self) -> int:
        return len(self.pairs)

    def left_out(self) -> dict[str, tuple[int, int]]:
        """Success rule → pairs solved at the start, of how many drawn."""
        drawn = sum(one.drawn for one in self.evaluations)
        rules = self.evaluations[0].solved
        return {r: (sum(one.solved.get(r, 0) for one in self.evaluations), drawn) for r in rules}


def _measure(
    checkpoint: Checkpoint, context: Context, tried: Tried, bar: Task, recorder: ResultRecorder
) -> Samples:
    settings: PlanSettings = context.settings
    world, method = context.world, tried.search.name
    team = Team(checkpoint, context, tried.pairs, tried.search)
    confidence = context.suite.statistics.confidence
    write = _Writer(recorder, checkpoint, tried, confidence, unit_of(world))
    own = team.own()
    outcomes = control(world, tried.pairs, own, settings.budget, bar)
    write.outcomes(outcomes, method=method)
    write.speed(own, method)
    write.start(outcomes)
    assert isinstance(own.judge, Imagined)
    clean = context.trajectories(checkpoint, "clean")
    shown = films(
        checkpoint, own.judge, tried.pairs, outcomes, clean, context.cache, settings.execute
    )
    write.films(shown)
    for asked in settings.budgets:
        samples, iterations = map(int, asked.split("x"))
        smaller = team.planner(checkpoint.model, tried.search.smaller(samples, iterations))
        found = control(world, tried.pairs, smaller, settings.budget, bar)
        write.outcomes(found, method=method, dose=float(samples * iterations * settings.horizon))
    floors: dict[str, list[Outcome]] = {}
    for name in settings.floors:
        agent = team.floor(name)
        if agent is None:
            recorder.cannot_reinitialise(checkpoint, f"the floor {name}")
            bar.advance(len(tried) * (settings.budget // world.frame_skip))
            continue
        floors[name] = _floor(name, agent, context, tried, bar)
        planned = isinstance(agent, Planner) or name == "other_goal"
        write.outcomes(floors[name], control=name, method=method if planned else None)
    write.over_floor(outcomes, {n: o for n, o in floors.items() if n != CEILING}, method)
    if settings.monotone:
        ordered = monotone(
            own.judge,
            tried.pairs,
            own.space,
            plans=settings.monotone,
            blocks=settings.horizon,
            seed=context.suite.seed,
            batch=settings.batch,
        )
        write.monotone(ordered._asdict())
    if settings.oracle_pairs:
        _oracles(team, context, tried, write)
    return write.samples(outcomes, method)


def _floor(name: str, agent: Agent, context: Context, tried: Tried, bar: Task) -> list[Outcome]:
    """What a floor reaches; one that no model has a part in tries only once."""
    settings: PlanSettings = context.settings

    def attempt() -> list[Outcome]:
        return control(context.world, tried.pairs, agent, settings.budget, bar)

    if isinstance(agent, Planner) or name == "other_goal":
        return attempt()
    return context.once(("plan floor", name), attempt)


def _oracles(team: Team, context: Context, tried: Tried, write: _Writer) -> None:
    """The same planner with the simulator as its model, on the first pairs, at a small setting."""
    settings: PlanSettings = context.settings
    some = tried.pairs[: settings.oracle_pairs]
    small = tried.search.smaller(settings.oracle_samples, settings.oracle_iterations)
    agents = team.oracles(small)
    with context.progress.task("oracles", len(agents)) as bar:
        for name, agent in agents.items():
            found = control(context.world, some, agent, settings.budget)
            control_name = "same_setting" if name is None else name
            write.outcomes(found, control=control_name, method=tried.search.name)
            bar.advance()


class _Writer:
    """Writes down what became of one checkpoint's attempts."""

    def __init__(
        self,
        recorder: ResultRecorder,
        checkpoint: Checkpoint,
        tried: Tried,
        confidence: float,
        unit: str | None,
    ) -> None:
        self.recorder, self.checkpoint, self.tried = recorder, checkpoint, tried
        self.confidence, self.unit = confidence, unit

    def outcomes(self, outcomes: Sequence[Outcome], **keys: Any) -> None:
        """Rates, distances and steps of one agent; its ``control`` and ``method`` are keys."""
        ids, seeds = self.tried.ids[: len(outcomes)], self.tried.seeds[: len(outcomes)]
        for rule in outcomes[0].reached:
            for window in WINDOWS:
                won = _won(outcomes, rule, window)
                at = {"subject": rule, "window": window, **keys}
                rate = wilson(int(won.sum()), len(won), self.confidence)
                self.metric("success_rate", rate, **at)
                rates = [float(won[seeds == s].mean()) for s in np.unique(seeds)]
                if len(rates) > 1:
                    self.metric("success_seed_sd", float(np.std(rates, ddof=1)), **at)
                self.rows("success", won.astype(float), ids, **at)
            steps = [one.steps(rule) for one in outcomes]
            used = np.array([np.nan if s is None else s for s in steps], float)
            self.metric(
                "steps_used",
                bootstrap.mean(used, self.confidence),
                subject=rule,
                unit="steps",
                **keys,
            )
            self.rows("steps_used", used, ids, subject=rule, **keys)
        ends = np.array([one.distances[-1] for one in outcomes])
        mean = bootstrap.mean(ends, self.confidence)
        self.metric("final_distance", mean, unit=self.unit, **keys)
        paths = np.stack([one.distances for one in outcomes])  # (N, K + 1)
        for block, far in enumerate(paths.T):
            frames = np.full(len(ids), block)
            self.rows("distance", far, ids, frames=frames, **keys)

    def start(self, outcomes: Sequence[Outcome]) -> None:
        """What pairs are like, whoever tries them."""
        first = np.array([one.distances[0] for one in outcomes])
        mean = bootstrap.mean(first, self.confidence)
        self.metric("start_distance", mean, unit=self.unit)
        self.rows("start_distance", first, self.tried.ids)
        self.rows("pair_seed", self.tried.seeds.astype(float), self.tried.ids)
        for rule, (solved, drawn) in self.tried.left_out().items():
            found = wilson(solved, drawn, self.confidence)
            self.metric("solved_at_start", found, subject=rule)

    def films(self, shown: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Pictures of what came, and of what had been imagined."""
        entry = self.checkpoint.entry
        who = (self.recorder.suite.world, entry.name, entry.train_seed, entry.step)
        for kind, pair in shown.items():
            for rows, strip in zip((CAME, IMAGINED), pair, strict=True):
                self.recorder.images[film_name(kind, rows, *who)] = strip

    def speed(self, planner: Planner, method: str) -> None:
        """Seconds a plan, each with its share of the batch that it was made in."""
        replans, n = len(planner.seconds) // len(self.tried), len(self.tried)
        self.rows(
            "plan_seconds",
            np.array(planner.seconds),
            list(self.tried.ids) * replans,
            frames=np.repeat(np.arange(replans), n),
            method=method,
        )
        median, high = np.quantile(planner.seconds, [0.5, 0.95])
        for name, value in (("plan_seconds", median), ("plan_seconds_p95", high)):
            self.metric(name, float(value), method=method, unit="s")

    def monotone(self, found: Mapping[str, np.ndarray]) -> None:
        """Correlation of cost and distance, mean over pairs."""
        for features, values in found.items():
            mean = bootstrap.mean(values, self.confidence)
            self.metric("cost_distance_spearman", mean, features=features)
            self.rows("cost_distance_spearman", values, self.tried.ids, features=features)

    def over_floor(
        self, outcomes: Sequence[Outcome], floors: Mapping[str, Sequence[Outcome]], method: str
    ) -> None:
        """The rate minus that of the best floor, and the test that it is above it."""
        if not floors:
            return
        for rule in outcomes[0].reached:
            for window in WINDOWS:
                own = _won(outcomes, rule, window)
                rates = {name: _won(other, rule, window) for name, other in floors.items()}
                best = max(rates, key=lambda name: (rates[name].mean(), name))
                at = {"subject": rule, "window": window, "method": method, "versus": best}
                difference = matched_difference(own, rates[best], self.confidence)
                self.metric("success_rate_over_floor", difference, **at)
                if window == "any" and (tested := TESTED.get(rule)) is not None:
                    # Against every floor, as the best one is chosen by the data: the largest p.
                    p = max(matched_p(own, other) for other in rates.values())
                    self.metric(tested, p, **at)

    def samples(self, outcomes: Sequence[Outcome], method: str) -> dict[Key, Sample]:
        """What models are compared by, on the same pairs."""
        found = {}
        for rule in outcomes[0].reached:
            for window in WINDOWS:
                key = key_of(
                    analysis="plan",
                    metric="success_rate",
                    subject=rule,
                    window=window,
                    method=method,
                )
                won = _won(outcomes, rule, window).astype(float)
                found[key] = Sample.of(self.tried.ids, won, statistic="mean")
        return found

    def metric(self, name: str, value: Any, **keys: Any) -> None:
        self.recorder.metric(self.checkpoint, name, value, **keys)

    def rows(self, name: str, values: np.ndarray, ids: Sequence[str], **keys: Any) -> None:
        self.recorder.rows(self.checkpoint, name, values, ids, **keys)


def _won(outcomes: Sequence[Outcome], rule: str, window: str) -> np.ndarray:
    return np.array([one.success(rule, window) for one in outcomes])
