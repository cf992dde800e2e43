from __future__ import annotations

from pathlib import Path

import pytest

from lewm_probe.analyses.engine.asked.suite import Suite
from lewm_probe.core import resources
from lewm_probe.core.config import load_yaml
from lewm_probe.core.errors import UsageError, short
from lewm_probe.core.resources import find_recipe, find_suite, recipe_names, suite_names, suite_of
from lewm_probe.training.recipe import load_recipe

REPOSITORY = Path(__file__).parents[2]


def test_names_are_paths_below_their_folder() -> None:
    assert {"two-room/lewm", "two-room/pldm", "two-room/lewm-cpu", "two-room/pldm-cpu"} <= set(
        recipe_names()
    )
    assert "two-room" in suite_names()
    assert recipe_names() == sorted(recipe_names())


def test_in_a_checkout_they_stand_at_the_top() -> None:
    assert find_recipe("two-room/lewm-cpu") == REPOSITORY / "training/two-room/lewm-cpu.yaml"
    assert find_suite("two-room") == REPOSITORY / "analyses/two-room.yaml"


def test_paths_of_the_repository_work_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("training/two-room/lewm.yaml") == find_recipe("two-room/lewm")
    assert find_suite("analyses/two-room.yaml") == find_suite("two-room")


def test_a_file_of_ones_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "training" / "two-room" / "lewm.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("name: mine\n")
    monkeypatch.chdir(tmp_path)
    assert find_recipe("training/two-room/lewm.yaml").resolve() == own.resolve()
    assert find_recipe(own) == own


def test_in_a_wheel_they_lie_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "lewm_probe" / "_recipes" / "two-room" / "shipped.yaml"
    suite = tmp_path / "lewm_probe" / "_suites" / "push-t.yaml"
    for path in (recipe, suite):
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "lewm_probe")
    assert (recipe_names(), suite_names()) == (["two-room/shipped"], ["push-t"])
    assert (find_recipe("two-room/shipped"), find_suite("push-t")) == (recipe, suite)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        find_recipe("two-room/lwm")
    assert str(caught.value) == (
        "Unknown recipe 'two-room/lwm'. Did you mean 'two-room/lewm'? "
        f"Known: {', '.join(recipe_names())}."
    )
    with pytest.raises(UsageError) as caught:
        find_suite("analyses/zzz.yaml")
    assert str(caught.value) == (
        f"Unknown suite 'analyses/zzz.yaml'. Known: {', '.join(suite_names())}."
    )


@pytest.mark.parametrize(
    "named", ["own", "own.yaml", "{folder}/own.yaml", "../two-room", "analyses/two-room.yaml", ""]
)
def test_what_a_file_names_is_looked_up_and_never_opened(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own", "own.yaml"):
        Path(name).write_text("world: two-room\n")
    world = named.format(folder=tmp_path)
    with pytest.raises(UsageError) as caught:
        suite_of(world, "The checkpoints name")
    assert str(caught.value) == (
        f"The checkpoints name the world '{short(world)}', of which there is no suite here (known: "
        f"{', '.join(suite_names())}). Install the package that brings this world along and give a "
        "suite with --suite FILE, or name a known one with --world."
    )


def test_a_world_goes_by_its_name_whatever_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two-room").write_text("world: push-t\n")
    assert suite_of("two-room", "--world names") == REPOSITORY / "analyses/two-room.yaml"
    with pytest.raises(UsageError, match=f"names the world '{'x' * 80} …', of which"):
        suite_of("x" * 10**6, "--world names")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.world == name.split("/")[0]


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_is_valid(name: str) -> None:
    assert load_yaml(find_suite(name), Suite, "suite").world == name
