"""What is installed: as a checkout (editable) and as a wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from lewm_probe import __version__
from lewm_probe.core.resources import recipe_names, suite_names, sweep_names

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = WheelBuilder(str(REPOSITORY))
    folder = tmp_path_factory.mktemp("wheel")
    return Path(next(builder.build(directory=str(folder), versions=["standard"])))


def test_the_wheels_root_is_the_package_and_its_metadata(wheel: Path) -> None:
    assert wheel.name == f"lewm_probe-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "lewm_probe",
        f"lewm_probe-{__version__}.dist-info",
    }
    assert not [name for name in names if name.endswith((".pyc", ".h5"))]
    code = {name for name in names if name.endswith(".py")}
    assert code == {
        path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("lewm_probe/**/*.py")
    }


def test_the_wheel_carries_recipes_suites_and_package_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {f"lewm_probe/_recipes/{name}.yaml" for name in recipe_names()}
    wanted |= {f"lewm_probe/_recipes/sweeps/{name}.yaml" for name in sweep_names()}
    wanted |= {f"lewm_probe/_suites/{name}.yaml" for name in suite_names()}
    wanted |= {
        path.relative_to(REPOSITORY).as_posix()
        for path in REPOSITORY.glob("lewm_probe/**/*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
    }
    assert wanted - names == set()


def test_an_installed_wheel_finds_its_recipes_and_suites(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = (
        "import lewm_probe, lewm_probe.core.resources as r;"
        "print(lewm_probe.__file__); print(*r.recipe_names()); print(*r.suite_names());"
        "print(r.find_recipe('training/two-room/lewm.yaml')); print(*r.sweep_names())"
    )
    reported = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout.splitlines()
    assert reported == [
        str(site / "lewm_probe" / "__init__.py"),
        " ".join(recipe_names()),
        " ".join(suite_names()),
        str(site / "lewm_probe" / "_recipes" / "two-room" / "lewm.yaml"),
        " ".join(sweep_names()),
    ]


def test_an_editable_install_points_here_and_copies_nothing(tmp_path: Path) -> None:
    builder = WheelBuilder(str(REPOSITORY))
    editable = Path(next(builder.build(directory=str(tmp_path), versions=["editable"])))
    with zipfile.ZipFile(editable) as archive:
        names = archive.namelist()
        (pointer,) = [name for name in names if name.endswith(".pth")]
        assert archive.read(pointer).decode() == str(REPOSITORY)
    assert {name.split("/")[0] for name in names} == {
        pointer,
        f"lewm_probe-{__version__}.dist-info",
    }


def test_the_script_is_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        scripts = archive.read(f"lewm_probe-{__version__}.dist-info/entry_points.txt").decode()
    assert "lewm-probe = lewm_probe.cli.main:main" in scripts


def requirement_names(lines: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9_.-]+", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


def test_constraints_pin_every_dependency_exactly() -> None:
    text = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    loose = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][\w.]*", line)]
    assert loose == []
    assert "torch==2.13.0" in lines
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        asked += extra
    assert requirement_names(asked) - requirement_names(lines) == {"lewm-probe"}


def test_every_import_of_the_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [one for name, extra in extras.items() if name != "dev" for one in extra]
    declared = requirement_names([*project["dependencies"], *asked])
    called = {
        "PIL": "pillow",
        "cv2": "opencv-python",
        "lance": "pylance",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
        "yaml": "pyyaml",
    }
    imported = set()
    for path in REPOSITORY.glob("lewm_probe/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            imported |= {name.split(".")[0] for name in names}
    imported -= {*sys.stdlib_module_names, "lewm_probe"}
    imported = {called.get(name, name.replace("_", "-")) for name in imported}
    assert imported - declared == set()


def test_no_paths_of_a_machine_or_hosts_of_a_registry() -> None:
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run", "README.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        found = re.findall(r"(?:/home/|/root/|/Users/|/work/|/tmp/|index-url|find-links)\S*", text)
        assert (name, found) == (name, [])
