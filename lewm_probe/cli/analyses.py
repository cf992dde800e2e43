"""``probe``, ``voe``, ``straightness``, ``rollout``, ``geometry``: one question of checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lewm_probe.auditing.request import EvaluationRequest, prepare, report_failures
from lewm_probe.auditing.run import ask
from lewm_probe.cli import options
from lewm_probe.cli.console import Console, interruptible

HELP = {
    "probe": "Which physical quantities can be read from the latents, against its controls.",
    "voe": "Does the model notice what cannot be? Surprise at teleports, colours, wrong actions.",
    "straightness": "How straight latent paths are, encoded and imagined, over training.",
    "rollout": "How far imagination stays with what happens, block by block.",
    "geometry": "How latents fill their space: rank, variance, normality; collapse shows here.",
}


def command(name: str) -> Callable[..., None]:
    """The command of one analysis; all take the same options."""

    def run(
        checkpoints: options.Checkpoints = None,
        model: options.Model = None,
        action_stats: options.ActionStats = None,
        dataset: options.Dataset = None,
        family: options.Family = None,
        resize: options.Resize = None,
        world: options.World = None,
        suite: options.Suite = None,
        trajectories: options.Trajectories = None,
        out: options.Out = None,
        seed: options.Seed = None,
        device: options.Device = "auto",
        cache: options.Cache = options.DEFAULT_CACHE,
        curve: options.Curve = True,
        json: options.Json = False,
        quiet: options.Quiet = False,
        debug: options.Debug = False,
    ) -> None:
        from lewm_probe.cli.summary import summarize
        from lewm_probe.results.provenance import command_line

        console = Console(json=json, quiet=quiet)
        request = EvaluationRequest(
            checkpoints or (),
            cache,
            models=model or (),
            options=options.loading(action_stats, dataset, family, resize),
            world=world,
            suite=suite,
            trajectories=trajectories,
            seed=seed,
            device=device,
            curve=curve,
        )
        with interruptible(
            f"No result was written; latents computed so far are kept in {cache} and are used when "
            "the same command is run again."
        ):
            evaluation = prepare(request, console.note)
            folder = out or Path("runs") / evaluation.suite.world / name
            with console.progress() as bars:
                (result,) = ask(
                    [name], evaluation, command_line(), lambda _: folder, bars, console.note
                )
        console.finish(summarize(result), result.plain(), folder)
        report_failures(evaluation.failures, folder)

    return run
