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


class TwoMemories(nn.Module):
    """Two states of one shape that fade at different rates: exchanged, they give another picture."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, frame: Tensor, quick: Tensor, slow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) each → the same."""
        seen = torch.tanh(self.look(frame))
        quick_next = 0.5 * quick + 0.5 * seen
        slow_next = 0.9 * slow + 0.1 * seen
        return torch.sigmoid(seen + quick_next - 2 * slow_next), quick_next, slow_next


class Doubling(nn.Module):
    """As generators of GANs: transposed convolutions, batch normalisation, tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 3, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, frame: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 3, 2H, 2W), -1 to 1."""
        result: Tensor = self.layers(frame)
        return result


class Clip3d(nn.Module):
    """As the decoder of a video VAE: 3-D convolutions over time as well."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Conv3d(3, 6, 3, padding=1)
        self.out = nn.Conv3d(6, 3, 3, padding=1)

    def forward(self, clip: Tensor) -> Tensor:
        """(N, 3, T, H, W), the same."""
        return torch.sigmoid(self.out(torch.relu(self.inside(clip))))


class Loud(Blur):
    """Goes beyond fp16's range on the way, and comes back."""

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        return super().forward(frame) * 1e6 / 1e6


class Swapped(nn.Module):
    """``inner`` fed with blue first."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        result: Tensor = self.inner(frame[:, [2, 1, 0]])
        return result


class Scaled(Swapped):
    """``inner`` fed with 0..255 in place of 0..1."""

    def forward(self, frame: Tensor) -> Tensor:
        """Same shape."""
        result: Tensor = self.inner(frame * 255)
        return result


def seeded(make: type[nn.Module]) -> nn.Module:
    """A network with the same weights each time."""
    torch.manual_seed(3)
    return make()


def two_memories_network() -> Exportable:
    """A picture and two states of its size."""
    free = {0: FreeSize(BATCH, most=16), 2: FreeSize("h", least=4), 3: FreeSize("w", least=4)}
    names = ("frame", "quick", "slow")
    return Exportable(
        module=seeded(TwoMemories).eval(),
        inputs={name: torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(4)) for name in names},
        free=dict.fromkeys(names, free),
        outputs=dict.fromkeys(("result", "quick_next", "slow_next"), (0, 2, 3)),
        manifest={"task": "image-to-image"},
    )


def clip_network() -> Exportable:
    """Batch, time and size are free."""
    free = {
        0: FreeSize(BATCH, most=16),
        2: FreeSize("t"),
        3: FreeSize("h", least=4),
        4: FreeSize("w", least=4),
    }
    return Exportable(
        module=seeded(Clip3d).eval(),
        inputs={"clip": torch.rand(2, 3, 5, 12, 16, generator=torch.Generator().manual_seed(5))},
        free={"clip": free},
        outputs={"result": (0, 2, 3, 4)},
        manifest={"task": "image-to-image", "window": {"frames": 5}},
    )
