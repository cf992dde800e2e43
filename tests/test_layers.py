"""The house stands on floors: a room imports only rooms below it, and nothing goes in circles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lewm_probe"

FLOORS = (
    "core",
    "stats",
    "results",
    "comparison",
    "worlds",
    "data",
    "models",
    "training",
    "families",
    "planning",
    "reports",
    "analyses",
    "auditing",
    "search",
    "cli",
)
"""Rooms from the ground up; each imports only itself and those before it."""

MOST_FILES = 12
"""Modules of a room or sub-room, beside its ``__init__``; ``cli`` has one a command."""

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, wherever it does so."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in MODULES:
                name = name.rpartition(".")[0]
            if name.startswith("lewm_probe."):
                yield name


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_a_floor() -> None:
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    assert rooms <= set(FLOORS)


def test_no_room_imports_one_above_it() -> None:
    up = {
        (room(module), room(other))
        for module, path in MODULES.items()
        if "." in module and room(module) in FLOORS
        for other in imported(path)
        if room(other) in FLOORS and FLOORS.index(room(other)) > FLOORS.index(room(module))
    }
    assert up == set()


def test_nothing_imports_the_front_door() -> None:
    """``lewm_probe`` itself offers names of upper floors."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "lewm_probe"), module


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        module: {other for other in imported(path) if other != module}
        for module, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_no_room_is_crowded() -> None:
    for folder in (PACKAGE, *(p.parent for p in PACKAGE.rglob("__init__.py"))):
        files = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert len(files) <= (14 if folder.name == "cli" else MOST_FILES), folder


PARTS = [module for module in MODULES if ".report." in module]
"""What an analysis shows of itself."""


@pytest.mark.parametrize(
    "names", [["lewm_probe.reports.page.write", *PARTS], ["lewm_probe.cli.app"]]
)
def test_reports_and_the_command_line_are_light(names: list[str]) -> None:
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
