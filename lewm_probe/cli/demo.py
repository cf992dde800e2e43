"""``demo``: train both models small, audit them, and say where the report is."""

from __future__ import annotations

from pathlib import Path

from lewm_probe.cli import options
from lewm_probe.cli.terminal.console import Console
from lewm_probe.cli.terminal.errors import interruptible


def demo(
    out: options.Out = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Collect TwoRoom, train LeWM and PLDM small, audit both, write the report.

    At most ten minutes on two cores without a GPU. Stop it whenever you like: called again, it goes
    on where it stopped and repeats nothing.
    """
    from lewm_probe.auditing import demo as stages
    from lewm_probe.auditing import whole
    from lewm_probe.auditing.request import EvaluationRequest
    from lewm_probe.cli.terminal.summary import summarize
    from lewm_probe.results.provenance import command_line

    console = Console(json=json, quiet=quiet)
    folder = out or Path("runs/demo")
    with (
        interruptible(
            f"What was finished is kept in {folder}. Run the same command again to go on."
        ),
        stages.alone(folder),
    ):
        plan = stages.plan(folder, seed)
        with console.progress() as bars:
            console.note(f"1/3 data        {plan.data}")
            stages.collect_data(plan, bars)
            console.note(f"2/3 training    {', '.join(str(plan.run(n)) for n in plan.recipes)}")
            stages.train_models(plan, device, bars)
        console.note(f"3/3 audit       {plan.audit}")
        request = EvaluationRequest(
            plan.checkpoints,
            plan.latents,
            trajectories=stages.TRAJECTORIES,
            device=device,
        )
        with console.progress() as bars:
            done = whole.audit(
                request,
                plan.audit,
                command_line(),
                title="Demo",
                redraw=False,
                progress=bars,
                say=console.note,
            )
    console.finish(summarize(done.result), done.result.plain(), done.page)
