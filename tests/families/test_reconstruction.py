from __future__ import annotations

import torch

from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.families.lewm import LEWM, LeWMObjectiveConfig
from lewm_probe.models.config import EncoderConfig, ModelConfig, PredictorConfig
from lewm_probe.models.family import Origin


def test_the_third_term_is_the_error_of_the_picture() -> None:
    config = ModelConfig(
        image_size=24,
        latent_width=4,
        projector_hidden=8,
        encoder=EncoderConfig(name="cnn", channels=(4, 4), width=8),
        predictor=PredictorConfig(layers=1, heads=1, head_width=4, mlp_width=8),
    )
    statistics = ActionStatistics(mean=(0.0, 0.0), std=(1.0, 1.0))
    model = LEWM.build(config, statistics, Origin(family="lewm", seed=1))
    plain, drawing = (
        LEWM.trainee(model, LeWMObjectiveConfig(reconstruction_weight=weight)).eval()
        for weight in (0.0, 2.0)
    )
    torch.nn.init.normal_(drawing.decoder.pixels.weight)  # it begins at zero
    pixels = torch.randint(0, 256, (5, 4, 24, 24, 3), dtype=torch.uint8)
    batch = {"pixels": pixels, "action": torch.randn(5, 4, 10)}
    terms, _ = plain(batch, torch.Generator().manual_seed(0))
    more, latents = drawing(batch, torch.Generator().manual_seed(0))
    assert set(more) == {*terms, "reconstruction"}
    pictures = drawing.decoder(latents.reshape(20, 1, 4)).reshape(5, 4, 3, 24, 24)
    error = (pictures - pixels.movedim(-1, 2) / 255).square().mean()
    torch.testing.assert_close(more["reconstruction"], error)
    torch.testing.assert_close(more["loss"], terms["loss"] + 2 * error)
    more["reconstruction"].backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.projector.parameters())
    assert not any(name.startswith("decoder") for name in model.state_dict())
