from __future__ import annotations

import re
from pathlib import Path

import pytest

import lewm_probe.families
from lewm_probe.core.errors import UsageError
from lewm_probe.models.family import FAMILIES, ModelFamily
from lewm_probe.training.recipe import override, parse_recipe, read_recipe

README = Path(lewm_probe.families.__file__).with_name("README.md").read_text(encoding="utf-8")


def test_the_readme_shows_it_whole(plugin: Path) -> None:
    code = (plugin / "family.py").read_text(encoding="utf-8")
    assert re.search(r"```python\n(.*?)```", README, re.DOTALL)[1] == code  # type: ignore[index]
    line = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]  # type: ignore[index]
    assert line in (plugin.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert isinstance(FAMILIES.get("toy_patches"), ModelFamily)


def test_its_recipe_has_its_own_sections(plugin: Path) -> None:
    recipe = read_recipe(plugin / "recipe.yaml")
    assert (recipe.family, recipe.model.image_size) == ("toy_patches", 32)
    assert parse_recipe(recipe.model_dump(mode="json"), "again") == recipe
    with pytest.raises(UsageError) as error:
        override(recipe, ["model.history=3"])
    assert str(error.value) == (
        "The recipe with its overrides has an unknown key 'model.history'. Known keys there: "
        "env_action_width, frame_skip, image_size."
    )


def test_an_unknown_family_names_the_nearest(plugin: Path) -> None:
    recipe = read_recipe(plugin / "recipe.yaml")
    with pytest.raises(UsageError) as error:
        override(recipe, ["objective.name=toy_patch"])
    known = ", ".join(f"'{name}'" for name in FAMILIES.names())
    assert str(error.value) == (
        "The recipe with its overrides: 'objective.name' is 'toy_patch'. Did you mean "
        f"'toy_patches'? Choose one of {known}."
    )
