"""How large the model of a recipe is, without making it."""

from __future__ import annotations

from lewm_probe.training.recipe import Recipe


def parameters(recipe: Recipe) -> int:
    """Parameters of the world model of a recipe, counted on torch's meta device."""
    import torch

    from lewm_probe.data.sampling.action_statistics import ActionStatistics
    from lewm_probe.models.family import FAMILIES, Origin

    width = recipe.model.env_action_width
    unscaled = ActionStatistics(mean=(0.0,) * width, std=(1.0,) * width)
    origin = Origin(family=recipe.family, world=recipe.world)
    with torch.device("meta"):
        model = FAMILIES.get(recipe.family).build(recipe.model, unscaled, origin)
    return sum(p.numel() for p in model.parameters())
