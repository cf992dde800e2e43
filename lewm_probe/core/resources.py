"""Where recipes (what to train) and suites (what to ask) are found, and by which names.

In a checkout they stand at the top of the repository, in ``training/`` and ``analyses/``; in an
installed wheel the same files lie inside the package. A name is a path below that folder without
its ending: recipe ``two-room/lewm-cpu``, suite ``two-room``.
"""

from __future__ import annotations

from pathlib import Path

from lewm_probe.core.errors import unknown_name

_PACKAGE = Path(__file__).parent.parent


def recipe_names() -> list[str]:
    """Names of all recipes, sorted."""
    return _names(_recipes())


def suite_names() -> list[str]:
    """Names of all suites, sorted."""
    return _names(_suites())


def find_recipe(name: str | Path) -> Path:
    """The file of a recipe: a path, a known name, or its path in the repository.

    ``training/two-room/lewm.yaml`` means the shipped recipe where no such file is at hand, so that
    commands in the documentation work from an installed wheel too.

    Raises:
        UsageError: neither a file nor a known name.
    """
    return _find("recipe", name, _recipes(), "training/")


def find_suite(name: str | Path) -> Path:
    """The file of a suite: a path, a known name (a world's), or its path in the repository.

    Raises:
        UsageError: neither a file nor a known name.
    """
    return _find("suite", name, _suites(), "analyses/")


def _recipes() -> Path:
    return _shipped_or_top_level("_recipes", "training")


def _suites() -> Path:
    return _shipped_or_top_level("_suites", "analyses")


def _shipped_or_top_level(shipped: str, top_level: str) -> Path:
    inside = _PACKAGE / shipped
    return inside if inside.is_dir() else _PACKAGE.parent / top_level


def _names(root: Path) -> list[str]:
    return sorted(p.relative_to(root).with_suffix("").as_posix() for p in root.rglob("*.yaml"))


def _find(kind: str, name: str | Path, root: Path, top_level: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    bare = str(name).removesuffix(".yaml").removeprefix(top_level)
    known = _names(root)
    if bare in known:
        return root / f"{bare}.yaml"
    raise unknown_name(kind, str(name), known)
