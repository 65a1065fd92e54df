"""What is minimised: zero where it must be, blind to what it must not see, and folded layers that agree."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training.layers import DoublingConv
from training.losses import content_loss, gram, stability_loss, style_loss, variation_loss


@pytest.fixture
def features() -> torch.Tensor:
    """(2, 5, 12, 16), random."""
    return torch.randn(2, 5, 12, 16, generator=torch.Generator().manual_seed(4))


def test_style_knows_what_goes_together_and_not_where(features: torch.Tensor) -> None:
    target = gram(features[:1])
    moved = features[:1].flip(3).roll(5, 2)
    assert style_loss(moved, target).item() == pytest.approx(0, abs=1e-9)
    assert style_loss(features[1:], target).item() > 0.01


def test_content_knows_where(features: torch.Tensor) -> None:
    assert content_loss(features, features).item() == 0
    assert content_loss(features.roll(1, 2), features).item() > 0.5


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_scale_of_the_features_does_not_matter(features: torch.Tensor, factor: float) -> None:
    other = features.flip(2) + 0.5
    for loss in (content_loss, lambda got, want: style_loss(got, gram(want[:1]))):
        assert loss(factor * other, factor * features).item() == pytest.approx(
            loss(other, features).item(), rel=1e-3
        )


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (2, 5)])
def test_what_moves_with_the_picture_is_stable(features: torch.Tensor, shift: tuple[int, int]) -> None:
    down, right = shift
    first, second = features[:, :, :8, :8], features[:, :, down : down + 8, right : right + 8]
    assert stability_loss(first, second, shift).item() == 0
    assert stability_loss(first, second, (1 + down, right)).item() > 0.1


def test_variation_is_zero_for_a_flat_picture_alone(features: torch.Tensor) -> None:
    assert variation_loss(torch.full((1, 3, 8, 8), 0.4)).item() == 0
    assert variation_loss(features).item() > 0.1


def test_doubling_before_or_after_the_convolution_is_the_same(features: torch.Tensor) -> None:
    layer = DoublingConv(5, 3)
    wanted = layer.large(functional.interpolate(features, scale_factor=2.0, mode="nearest"))
    for small in (layer, layer.deployed()):
        torch.testing.assert_close(small(features), wanted, rtol=1e-4, atol=1e-5)
