"""Small networks to export, right and wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.recipe import BATCH, Exportable, FreeSize


class Blur(nn.Module):
    """3×3 means; works at every size."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        return torch.sigmoid(self.mean(frame))


class Ramp(Blur):
    """Adds a ramp of the traced width: linspace makes a plain number of it."""

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape, once."""
        return super().forward(frame) + torch.linspace(0, 1, frame.shape[3])


class Noisy(Blur):
    """Gives NaN where a pixel is above 0.5."""

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        return super().forward(frame) + torch.sqrt(0.5 - frame)


class Branching(Blur):
    """What it does depends on the numbers: no graph can say so."""

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        return super().forward(frame) if frame.mean() > 0.5 else frame


class Remembering(nn.Module):
    """A state of half the size goes in and comes out."""

    def forward(self, frame: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 2h, 2w) and (N, 3, h, w) → the same."""
        fresh = (nn.functional.avg_pool2d(frame, 2) + h) / 2
        return frame - nn.functional.interpolate(fresh, scale_factor=2.0, mode="nearest"), fresh


def picture_network(module: nn.Module) -> Exportable:
    """``module`` as a model that takes one picture of any size."""
    free = {0: FreeSize(BATCH, most=16), 2: FreeSize("h", least=4), 3: FreeSize("w", least=4)}
    return Exportable(
        module=module.eval(),
        inputs={"frame": torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))},
        free={"frame": free},
        outputs={"result": (0, 2, 3)},
        manifest={"task": "image-to-image", "input": {"range": "0..1"}},
    )


def remembering_network() -> Exportable:
    """A picture of even size, and a state of half of it."""
    height, width = FreeSize("h2", 2, 2), FreeSize("w2", 2, 2)
    return Exportable(
        module=Remembering().eval(),
        inputs={"frame": torch.rand(2, 3, 8, 12), "h": torch.rand(2, 3, 4, 6)},
        free={
            "frame": {0: FreeSize(BATCH, most=16), 2: height, 3: width},
            "h": {0: FreeSize(BATCH, most=16), 2: FreeSize("h2"), 3: FreeSize("w2")},
        },
        outputs={"result": (0, 2, 3), "h_next": (0, 2, 3)},
        manifest={"task": "image-to-image"},
    )
