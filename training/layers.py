"""Building blocks of picture networks that serve fast."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor, nn

NORM_EPS = 1e-3
"""Added to variances: a hundred times the usual, so that the noise of a nearly black frame stays small."""


class NormConv(nn.Sequential):
    """Convolution of odd size, zero padding, then instance normalisation (Ulyanov et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
            nn.InstanceNorm2d(outputs, eps=NORM_EPS, affine=True),
        )


class Residual(nn.Module):
    """x + f(x) with two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = NormConv(channels, channels, 3)
        self.second = NormConv(channels, channels, 3)

    def forward(self, picture: Tensor) -> Tensor:
        """Same shape."""
        return picture + self.second(F.relu(self.first(picture)))


class DoublingConv(nn.Module):
    """Nearest-neighbour doubling, then a 5×5 convolution with zero padding; computed before the doubling.

    Each of the four pixels that one becomes sees at most 3×3 different ones, so that the whole is a 3×3
    convolution with four times the channels and a pixel shuffle: the same numbers (no checkerboard, unlike a
    free pixel shuffle), a tenth of the work.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.large = nn.Conv2d(inputs, outputs, 5, padding=2)
        spread = torch.zeros(2, 3, 5)  # pixel of the pair, tap before doubling, tap after
        for pixel in range(2):
            for tap in range(5):
                spread[pixel, (pixel + tap - 2) // 2 + 1, tap] = 1
        self.register_buffer("_spread", spread, persistent=False)

    def small(self) -> tuple[Tensor, Tensor]:
        """Weight (4 * outputs, inputs, 3, 3) and bias of the convolution before the doubling."""
        weight = torch.einsum("pik,qjl,ockl->opqcij", self._spread, self._spread, self.large.weight)
        return weight.flatten(0, 2), self.large.bias.repeat_interleave(4)

    def forward(self, picture: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, 2H, 2W)."""
        return F.pixel_shuffle(F.conv2d(picture, *self.small(), padding=1), 2)

    def deployed(self) -> nn.Module:
        """The same as plain layers."""
        outputs, inputs = self.large.weight.shape[:2]
        layer = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        with torch.no_grad():
            for parameter, value in zip((layer.weight, layer.bias), self.small(), strict=True):
                parameter.copy_(value)
        return nn.Sequential(layer, nn.PixelShuffle(2))
