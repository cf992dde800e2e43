"""Each long command is sent each signal while it is writing, then called again to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.torture.commands import COMMANDS, Command, contents, prepare
from tests.torture.torment import both, differences, finish, start, torment


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torture")
    prepare(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Command], Mapping[str, object]]:
    """What a command writes that nobody disturbs."""
    known: dict[tuple[str, ...], Mapping[str, object]] = {}

    def make(command: Command) -> Mapping[str, object]:
        if command.words not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            process = start(command.words, prepared, folder)
            _, said = process.communicate()
            assert process.returncode == 0, said
            known[command.words] = contents(folder)
        return known[command.words]

    return make


MINUTES = (("audit", "SIGINT"), ("audit", "SIGKILL"))
"""Those that take a minute each, and stop where SIGTERM does."""

TRIED = [
    pytest.param(
        command,
        name,
        id=f"{command.name}-{name}",
        marks=pytest.mark.slow if (command.name, name) in MINUTES else (),
    )
    for command in COMMANDS
    for name in ("SIGINT", "SIGTERM", "SIGKILL")
    if command.timed
]


@pytest.mark.parametrize(("command", "name"), TRIED)
def test_what_was_stopped_goes_on_to_the_same_end(
    command: Command,
    name: str,
    prepared: Path,
    undisturbed: Callable[[Command], Mapping[str, object]],
    tmp_path: Path,
) -> None:
    wanted = undisturbed(command)
    outcome = torment(command, name, lambda f, _: command.under_way(f), prepared, tmp_path)
    assert outcome.faults(name) == [], outcome
    if outcome.code == 0:  # it was faster
        assert differences(contents(tmp_path), wanted) == []
    if outcome.code == 0 and command.again == ("--resume",):
        return
    if command.name == "convert" and differences(contents(tmp_path), wanted) == []:
        return  # it was whole just before the end, and converting replaces nothing
    assert differences(finish(command, prepared, tmp_path), wanted) == []


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, id=c.name) for c in COMMANDS if c.name in ("train", "collect", "export")],
)
def test_two_at_once_come_to_the_same_end(
    command: Command,
    prepared: Path,
    undisturbed: Callable[[Command], Mapping[str, object]],
    tmp_path: Path,
) -> None:
    assert both(command, prepared, tmp_path) == []
    assert differences(contents(tmp_path), undisturbed(command)) == []
