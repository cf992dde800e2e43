"""How often planning with a model reaches its goal."""

from lewm_probe.results.analyses import Analysis, Option
from lewm_probe.results.cards import Card

PLAN = Analysis(
    "plan",
    "How often planning with the model reaches its goal in the real simulator, against floors.",
    Card("Planning", 60),
    settings="lewm_probe.analyses.plan.settings:PlanSettings",
    measure_all="lewm_probe.analyses.plan.measure:measure_all",
    report="lewm_probe.analyses.plan.report.part:REPORT",
    needs=frozenset({"simulator", "goals", "clean"}),
    options={
        "--solver": Option("solver", str, "Who searches: cem, icem, mppi, gradient, shooting …"),
        "--samples": Option("samples", int, "Plans an iteration (default: the solver's)."),
        "--iterations": Option("iterations", int, "Iterations of a plan (default: the solver's)."),
        "--elites": Option("elites", int, "Best samples kept (default: the solver's)."),
        "--horizon": Option("horizon", int, "Blocks that a plan reaches ahead."),
        "--pairs": Option(
            "pairs_file", str, "File of start-goal pairs; written where there is none."
        ),
        "--episodes": Option("pairs", int, "Start-goal pairs of each evaluation seed."),
        "--history": Option("history", int, "Frames that a plan begins from; 1 as published."),
        "--budget": Option(
            "budgets", list[str], "Also plan with this budget, SAMPLESxITERATIONS; repeatable."
        ),
        "--oracle-pairs": Option(
            "oracle_pairs", int, "Pairs tried with true dynamics and true state too (0: none)."
        ),
    },
    samples="lewm_probe.analyses.plan.report.samples:samples",
    compared="lewm_probe.analyses.plan.report.samples:COMPARED",
    by_default=False,
    metrics=frozenset(
        [
            "success_rate",
            "success_seed_sd",
            "final_distance",
            "start_distance",
            "steps_used",
            "plan_seconds",
            "plan_seconds_p95",
            "cost_distance_spearman",
            "solved_at_start",
            "p_noticed",
            "p_noticed_holm",
            "p_beyond",
            "p_beyond_holm",
            "success_rate_over_floor",
        ]
    ),
    keys={"window": frozenset({"any", "end"})},
)
