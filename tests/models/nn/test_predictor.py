from __future__ import annotations

import torch

from lewm_probe.models.config import ModelConfig, PredictorConfig
from lewm_probe.models.nn.predictor import Predictor


def _predictor(history: int = 4, **sizes: int) -> Predictor:
    torch.manual_seed(0)
    settings = {"layers": 2, "heads": 3, "head_width": 5, "mlp_width": 11} | sizes
    config = ModelConfig(
        history=history, latent_width=8, predictor=PredictorConfig.model_validate(settings)
    )
    return Predictor(config)


def _open_gates(predictor: Predictor) -> Predictor:
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return predictor.eval()


def test_untrained_blocks_are_the_identity_and_ignore_actions() -> None:
    predictor = _predictor().eval()
    z, a = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    expected = torch.nn.functional.layer_norm(z + predictor.pos_embedding, (8,))
    torch.testing.assert_close(predictor(z, a), expected)


def test_position_t_sees_nothing_later() -> None:
    predictor = _open_gates(_predictor())
    z, a = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    before = predictor(z, a)
    for t in range(4):
        later_z, later_a = z.clone(), a.clone()
        later_z[:, t + 1 :] += torch.randn(8)
        later_a[:, t + 1 :] += torch.randn(8)
        after = predictor(later_z, later_a)
        torch.testing.assert_close(after[:, : t + 1], before[:, : t + 1])
        now = a.clone()
        now[:, t] += 1.0
        assert bool((predictor(z, now)[:, t] - before[:, t]).abs().max() > 1e-3)


def test_a_shorter_context_is_a_prefix() -> None:
    predictor = _open_gates(_predictor())
    z, a = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    torch.testing.assert_close(predictor(z[:, :2], a[:, :2]), predictor(z, a)[:, :2])


def test_modulation_order() -> None:
    """shift, scale, gate for attention, then for the MLP: opened one at a time."""
    predictor = _predictor(history=1, layers=1).eval()
    block = predictor.transformer.layers[0]
    x, c = torch.randn(2, 1, 8), torch.randn(2, 1, 8)
    bias = block.adaLN_modulation[1].bias.data.view(6, 8)
    normed = torch.nn.functional.layer_norm(x, (8,), eps=1e-6)
    bias[2] = 2.0
    torch.testing.assert_close(block(x, c), x + 2 * block.attn(normed))
    bias[0], bias[1] = 0.5, -0.25
    torch.testing.assert_close(block(x, c), x + 2 * block.attn(normed * 0.75 + 0.5))
    bias.zero_()
    bias[3], bias[4], bias[5] = 0.5, -0.25, 3.0
    torch.testing.assert_close(block(x, c), x + 3 * block.mlp(normed * 0.75 + 0.5))


def test_projections_exist_only_where_widths_differ() -> None:
    def projections(predictor: Predictor) -> dict[str, tuple[int, ...]]:
        return {
            name.removeprefix("transformer."): tuple(tensor.shape)
            for name, tensor in predictor.state_dict().items()
            if "_proj.weight" in name
        }

    assert projections(_predictor()) == {}
    wide = _predictor(width=12)
    assert projections(wide) == {"input_proj.weight": (12, 8), "cond_proj.weight": (12, 8)}
    assert wide(torch.randn(2, 3, 8), torch.randn(2, 3, 8)).shape == (2, 3, 12)
    back = _predictor(width=12, output_width=8)
    assert projections(back)["output_proj.weight"] == (8, 12)
    assert back(torch.randn(2, 3, 8), torch.randn(2, 3, 8)).shape == (2, 3, 8)


def test_dropout_only_in_training() -> None:
    predictor = _open_gates(_predictor())
    z, a = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
    assert torch.equal(predictor(z, a), predictor(z, a))
    predictor.train()
    assert not torch.equal(predictor(z, a), predictor(z, a))
