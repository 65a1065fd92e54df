"""What training minimises. Pictures are (N, 3, H, W) float, 0 to 1; every loss is a mean, free of size.

Content and style: Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks" (2016);
both relative to their target's own magnitude, so that weights hold for any feature network. Stability: Gupta
et al., "Characterizing and Improving Stability in Neural Style Transfer" (2017), with known shifts in the
place of estimated motion.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor

LEAST_NORM = 1e-8


def gram(features: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, C): which features go together, wherever they are. Always float32."""
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared distance of (N, C, H, W) features, relative to the target's power."""
    features, target = features.float(), target.float()
    return (features - target).square().mean() / target.square().mean().clamp_min(LEAST_NORM)


def style_loss(features: Tensor, target_gram: Tensor) -> Tensor:
    """Squared distance of Gram matrices, (N, C, H, W) features against (1, C, C), relative to its own."""
    distance = (gram(features) - target_gram).square().sum(dim=(1, 2)).mean()
    return distance / target_gram.square().sum().clamp_min(LEAST_NORM)


def variation_loss(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels (total variation)."""
    pictures = pictures.float()
    down = (pictures[:, :, 1:] - pictures[:, :, :-1]).abs().mean()
    return down + (pictures[:, :, :, 1:] - pictures[:, :, :, :-1]).abs().mean()


def stability_loss(first: Tensor, second: Tensor, shift: tuple[int, int]) -> Tensor:
    """How far two outputs differ where they show the same. ``second`` was made from the same scene, its
    window moved by ``shift`` (down, right; 0 or more) pixels."""
    down, right = shift
    height, width = first.shape[2] - down, first.shape[3] - right
    return F.mse_loss(
        first[:, :, down:, right:].float(),
        second[:, :, :height, :width].float(),
    )
