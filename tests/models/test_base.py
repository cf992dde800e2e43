from __future__ import annotations

import pytest
import torch

import lewm_probe.models
from lewm_probe.core.errors import UserError
from lewm_probe.models import ModelSpec, WorldModel


def spec(**changes: object) -> ModelSpec:
    return ModelSpec("own", 1, 5, 16, "continuous", 10, 4, **changes)  # type: ignore[arg-type]


class Least(WorldModel):
    def __init__(self, **changes: object) -> None:
        self.spec = spec(**changes)

    def encode(self, observation):
        return observation.float().flatten(2)[..., :4]

    def predict(self, latents, actions):
        self.check_actions(actions)
        return latents + actions[..., :4]


def test_an_unfinished_class_is_refused_in_words() -> None:
    class Half(WorldModel):
        def encode(self, observation):
            return observation

    with pytest.raises(UserError) as error:
        Half()
    assert str(error.value) == (
        f"The model class {Half.__module__}.{Half.__qualname__} lacks predict: no model can do "
        "without. See 'Your own model' in lewm_probe/models/README.md for examples."
    )


def test_the_package_gives_the_interface_when_asked() -> None:
    assert set(lewm_probe.models.__all__) <= {*dir(lewm_probe.models), *lewm_probe.models._PLACES}
    with pytest.raises(AttributeError) as error:
        lewm_probe.models.nothing  # noqa: B018
    assert str(error.value) == "module 'lewm_probe.models' has no attribute 'nothing'"


def test_the_fingerprint_is_of_the_content_by_default() -> None:
    assert Least().fingerprint == Least().fingerprint
    assert Least(step=1).fingerprint != Least().fingerprint
    assert Least(recurrent=True).fingerprint != Least().fingerprint


def test_a_model_may_say_its_fingerprint_itself() -> None:
    class Fixed(Least):
        fingerprint = "of the class"  # type: ignore[assignment]

    one = Least()
    one.fingerprint = "given"
    assert (one.fingerprint, Fixed().fingerprint) == ("given", "of the class")


def test_the_fingerprint_covers_a_spec_of_the_class() -> None:
    class OfClass(Least):
        spec = spec()

        def __init__(self) -> None:
            pass

    before = OfClass().fingerprint
    OfClass.spec = spec(world="push-t")
    assert OfClass().fingerprint != before


def test_actions_of_another_width() -> None:
    with pytest.raises(UserError) as error:
        Least().predict(torch.zeros(1, 2, 4), torch.zeros(1, 2, 9))
    assert str(error.value) == (
        "Action blocks of width 9 were given to a model that expects 10 (5 environment steps). Use "
        "data of the world and frame-skip it was trained on, or another model."
    )


def test_tokens_are_averaged_for_views_and_summed_for_goals() -> None:
    model, latents = Least(tokens=3), torch.randn(2, 5, 3, 4)
    torch.testing.assert_close(model.features(latents)["z"], latents.mean(2))
    cost = model.goal_cost(latents, latents[:, -1:])
    torch.testing.assert_close(cost, (latents - latents[:, -1:]).square().sum((2, 3)))
    assert model.goal_cost(latents[:, None], latents[:, None, -1:]).shape == (2, 1, 5)


def test_imagining_slides_over_tokens_too() -> None:
    model, latents = Least(tokens=3), torch.randn(2, 1, 3, 4)
    model.predict = lambda z, a: z + a.sum(-1)[..., None, None]  # type: ignore[method-assign]
    plans = torch.randn(2, 4, 6, 10)
    found = model.rollout(latents, torch.zeros(2, 0, 10), plans)
    assert found.shape == (2, 4, 6, 3, 4)
    moved = plans.sum(-1).cumsum(-1)
    torch.testing.assert_close(found, latents[:, None] + moved[..., None, None])
