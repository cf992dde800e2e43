"""Where recipes (what to train), sweeps and suites (what to ask) are found, and by which names.

In a checkout they stand at the top of the repository, in ``training/`` and ``analyses/``; in an
installed wheel the same files lie inside the package. A name is a path below that folder without
its ending: recipe ``two-room/lewm-cpu``, suite ``two-room``. Sweeps stand in ``training/sweeps/``.

What a person types may be a path too (``find_recipe``, ``find_suite``). What stands in a file may
not: a stranger's checkpoint could have any file of this disk opened (``suite_of``).
"""

from __future__ import annotations

from pathlib import Path

from lewm_probe.core.errors import UsageError, short, unknown_name
from lewm_probe.core.files import FILE, NOTHING, kind_of

_PACKAGE = Path(__file__).parent.parent


SWEEPS = "sweeps"
"""The folder among recipes that holds sweeps; no world is called so."""


def recipe_names() -> list[str]:
    """Names of all recipes, sorted."""
    return [name for name in _names(_recipes()) if not name.startswith(f"{SWEEPS}/")]


def sweep_names() -> list[str]:
    """Names of all sweeps, sorted."""
    return _names(_recipes() / SWEEPS)


def suite_names() -> list[str]:
    """Names of all suites, sorted."""
    return _names(_suites())


def find_recipe(typed: str | Path) -> Path:
    """The file of a recipe that somebody typed: a path, a known name, or a path in the repository.

    ``training/two-room/lewm.yaml`` means the shipped recipe where no such file is at hand, so that
    commands in the documentation work from an installed wheel too.

    Raises:
        UsageError: neither a file nor a known name.
    """
    return _find("recipe", typed, _recipes(), "training/", recipe_names())


def find_sweep(typed: str | Path) -> Path:
    """The file of a sweep that somebody typed: as for recipes.

    Raises:
        UsageError: neither a file nor a known name.
    """
    return _find("sweep", typed, _recipes() / SWEEPS, f"training/{SWEEPS}/", sweep_names())


def find_suite(typed: str | Path) -> Path:
    """The file of a suite that somebody typed: as for recipes; its name is a world's.

    Raises:
        UsageError: neither a file nor a known name.
    """
    return _find("suite", typed, _suites(), "analyses/", suite_names())


def suite_of(world: str, says: str) -> Path:
    """The file of the suite of a world that a file names: only looked up, never opened as a path.

    Args:
        world: its name, as it stands in a checkpoint or a result.
        says: who names it, for the message.

    Raises:
        UsageError: there is no suite of that name.
    """
    known = suite_names()
    if world in known:
        return _suites() / f"{world}.yaml"
    raise UsageError(
        f"{says} the world '{short(world)}', of which there is no suite here (known: "
        f"{', '.join(known)}). Install the package that brings this world along and give a suite "
        "with --suite FILE, or name a known one with --world."
    )


def _recipes() -> Path:
    return _shipped_or_top_level("_recipes", "training")


def _suites() -> Path:
    return _shipped_or_top_level("_suites", "analyses")


def _shipped_or_top_level(shipped: str, top_level: str) -> Path:
    inside = _PACKAGE / shipped
    return inside if inside.is_dir() else _PACKAGE.parent / top_level


def _names(root: Path) -> list[str]:
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def _find(kind: str, typed: str | Path, root: Path, top_level: str, known: list[str]) -> Path:
    if kind_of(Path(typed)) == FILE:
        return Path(typed)
    bare = str(typed).removesuffix(".yaml").removeprefix(top_level)
    if bare in known:
        return root / f"{bare}.yaml"
    if (there := kind_of(Path(typed))) != NOTHING:
        raise UsageError(
            f"{typed} is {there}, but a {kind} was expected there: a YAML file, or a name from "
            "`lewm-probe recipes ls`."
        )
    raise unknown_name(kind, str(typed), known)
