from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import typer

import lewm_probe
from lewm_probe.cli.app import app
from lewm_probe.core.resources import recipe_names, suite_names

from .conftest import Run

HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "h5py",
    "gymnasium",
    "yaml",
    "pydantic",
)
COMMANDS = (
    "demo",
    "data",
    "study",
    "tune",
    "sweep",
    "train",
    "inspect",
    "export",
    "probe",
    "voe",
    "straightness",
    "rollout",
    "geometry",
    "map",
    "decode",
    "plan",
    "audit",
    "report",
    "correlate",
    "recipes",
)


def best_seconds(*words: str, times: int = 8, **environment: str) -> tuple[float, str]:
    """The least processor time of a few calls (machines are shared), and what the last one said."""
    command = [sys.executable, "-m", "lewm_probe.cli.main", *words]
    best, said = float("inf"), ""
    for _ in range(times):
        before = os.times()
        reported = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
        )
        after = os.times()
        spent = after.children_user + after.children_system
        best = min(best, spent - before.children_user - before.children_system)
        said = reported.stdout
        if best < 0.5:
            break
    return best, said


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, lewm_probe.cli.app; print([m for m in {HEAVY} if m in sys.modules])"
    reported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert reported.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--help"], ["voe", "--help"]])
def test_help_answers_in_half_a_second(words: list[str]) -> None:
    seconds, said = best_seconds(*words)
    assert "Usage: lewm-probe" in said
    assert seconds < 0.5


def test_completion_answers_in_half_a_second() -> None:
    seconds, said = best_seconds(
        _LEWM_PROBE_COMPLETE="complete_bash",
        COMP_WORDS="lewm-probe train two-room/le",
        COMP_CWORD="2",
    )
    assert said.split() == [n for n in recipe_names() if n.startswith("two-room/le")]
    assert seconds < 0.5


def test_every_command_is_there_and_has_help(run: Run) -> None:
    answer = run("--help")
    assert answer.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in answer.stdout
        more = run(command, "--help")
        assert more.exit_code == 0
        assert f"Usage: lewm-probe {command}" in more.stdout


def commands(app: typer.Typer = app) -> Iterator[Callable[..., object]]:
    for command in app.registered_commands:
        assert command.callback is not None
        yield command.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance)


def test_a_paragraph_of_help_is_one_line_that_the_terminal_breaks() -> None:
    for command in commands():
        for paragraph in inspect.cleandoc(command.__doc__ or "").split("\n\n"):
            assert "\n" not in paragraph.strip(), command.__name__


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("data", "recipes")])
def test_every_command_has_the_common_options(run: Run, command: str) -> None:
    reported = run(command, "--help").stdout
    wanted = {"--json", "--quiet", "--debug", "--out", "--seed", "--device"}
    if command == "inspect":  # reads a file: nothing written, computed or random
        wanted -= {"--out", "--seed", "--device"}
    if command == "correlate":  # computes on stored numbers
        wanted -= {"--device"}
    if command in ("export", "report"):  # writes what is stored in another form
        wanted -= {"--seed", "--device"}
    assert {option for option in wanted if option not in reported} == set()


def test_without_a_command_the_help_is_the_answer(run: Run) -> None:
    assert run().exit_code == 0
    assert run().stdout == run("--help").stdout


def test_version(run: Run) -> None:
    answer = run("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"lewm-probe {lewm_probe.__version__}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prob"], "No such command 'prob'. Did you mean 'probe'? See `lewm-probe --help`."),
        (
            ["voe", "a", "--sed", "1"],
            "No such option: --sed (Possible options: --seed, --suite) "
            "See `lewm-probe voe --help`.",
        ),
        (
            ["voe"],
            "No checkpoint was given. Name at least one, for example `lewm-probe voe "
            "lewm=runs/lewm pldm=runs/pldm`.",
        ),
        (
            ["voe", "a", "--device", "tpu"],
            "Invalid value for '--device': 'tpu' is not one of 'auto', 'cpu', 'cuda', 'mps'. "
            "See `lewm-probe voe --help`.",
        ),
        (
            ["train", "two-room/lewm-gpu"],
            "Unknown recipe 'two-room/lewm-gpu'. Did you mean 'two-room/lewm-cpu'? "
            f"Known: {', '.join(recipe_names())}.",
        ),
    ],
)
def test_bad_usage_is_one_paragraph_and_exit_code_2(
    run: Run, words: list[str], message: str
) -> None:
    answer = run(*words)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr == f"Error: {message}\n"


def test_a_group_without_a_command_answers_with_its_help(run: Run) -> None:
    answer = run("recipes")
    assert answer.exit_code == 2
    assert "Usage: lewm-probe recipes" in answer.output
    assert "Error" not in answer.output


def test_the_module_runs_as_a_process_with_the_exit_code() -> None:
    command = [sys.executable, "-m", "lewm_probe.cli.main", "recipes", "cp", "two-rom"]
    reported = subprocess.run(command, capture_output=True, text=True)
    assert (reported.returncode, reported.stdout) == (2, "")
    assert reported.stderr == (
        "Error: Unknown recipe or suite 'two-rom'. Did you mean 'two-room'? "
        f"Known: {', '.join(sorted([*recipe_names(), *suite_names()]))}.\n"
    )
