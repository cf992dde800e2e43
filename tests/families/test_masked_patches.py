from __future__ import annotations

import pytest
import torch

from lewm_probe.core.errors import UsageError
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.masked_patches import (
    MASKED_PATCHES,
    MaskedPatchesConfig,
    MaskedPatchesModel,
    MaskedPatchesObjectiveConfig,
    patches_of,
)
from lewm_probe.models.check.run import check_world_model
from lewm_probe.models.family import Origin
from lewm_probe.models.nn.dinov2 import Dinov2Shape

SHAPE = Dinov2Shape(width=12, layers=2, heads=2, mlp_width=24, patch_size=8, image_size=32)


@pytest.fixture
def model() -> MaskedPatchesModel:
    config = MaskedPatchesConfig(image_size=32, shape=SHAPE)
    statistics = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))
    return MASKED_PATCHES.build(config, statistics, Origin(family="masked_patches", seed=1))


def test_it_is_a_world_model_that_predicts_no_change(model: MaskedPatchesModel) -> None:
    report = check_world_model(model)
    assert not report.failed, str(report)
    latents = torch.randn(2, 3, 16, 12)
    assert torch.equal(model.predict(latents, torch.zeros(2, 3, 10)), latents)


def test_hidden_patches_are_hidden(model: MaskedPatchesModel) -> None:
    """Whatever their pixels are, no token knows; and each has its own place."""
    masked = torch.zeros(1, 16, dtype=torch.bool)
    masked[0, [2, 7]] = True
    images = torch.randn(1, 3, 32, 32)
    other = images.clone()
    other[:, :, 0:8, 16:24] += 3  # patch 2 of 4 × 4
    with torch.no_grad():
        seen, changed = (model.backbone.patches(x, masked) for x in (images, other))
        open_ = model.backbone.patches(other)
    torch.testing.assert_close(seen, changed)
    assert not torch.allclose(open_, changed)
    assert not torch.allclose(seen[0, 2], seen[0, 7])


def test_the_term_is_the_error_over_hidden_patches(model: MaskedPatchesModel) -> None:
    objective = MaskedPatchesObjectiveConfig(name="masked_patches", mask_ratio=0.25)
    trainee = MASKED_PATCHES.trainee(model, objective).eval()
    pixels = torch.randint(0, 256, (3, 2, 32, 32, 3), dtype=torch.uint8)
    batch = {"pixels": pixels, "action": torch.zeros(3, 2, 10)}
    terms, latents = trainee(batch, torch.Generator().manual_seed(4))
    order = torch.rand(6, 16, generator=torch.Generator().manual_seed(4)).argsort(1)
    images = ((pixels.float() / 255 - 0.5) / 0.5).flatten(0, 1).movedim(-1, 1)
    errors = []
    for image, ranks in zip(images, order, strict=True):
        masked = ranks < 4  # a quarter of 16, at random
        guess = trainee.head(model.backbone.patches(image[None], masked[None]))[0]
        for patch in masked.nonzero().flatten().tolist():
            row, column = divmod(patch, 4)
            block = image[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            errors.append((guess[patch] - block.flatten()).abs().mean())
    assert len(errors) == 24
    torch.testing.assert_close(terms["loss"], torch.stack(errors).mean(), rtol=1e-4, atol=1e-5)
    assert latents.shape == (3, 2, 12)
    terms["loss"].backward()
    assert all(p.grad is not None for p in model.backbone.parameters())
    assert bool(model.backbone.embeddings.mask_token.grad.any())


def test_patches_are_cut_row_by_row() -> None:
    images = torch.arange(2 * 3 * 16.0).view(2, 3, 4, 4)
    cut = patches_of(images, 2)
    assert cut.shape == (2, 4, 12)
    torch.testing.assert_close(cut[1, 3], images[1, :, 2:, 2:].flatten())


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(UsageError) as caught:
        MaskedPatchesConfig(image_size=30, shape=SHAPE)
    assert str(caught.value) == (
        "An image of 30 px cannot be cut into patches of 8 px. Set model.image_size to a multiple "
        "of it."
    )
    config = MaskedPatchesConfig(image_size=32, shape=SHAPE)
    assert MASKED_PATCHES.check_claims(config, 40) == ""
    assert MASKED_PATCHES.check_claims(config, 19) == (
        "has 2 layers, but the file has 19 tensors, too few for them"
    )
