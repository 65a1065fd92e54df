"""restyle: one style, painted onto any frame by a small feed-forward network.

Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution" (2016), with
instance normalisation and three changes for video on a CPU. The frame's brightness goes around the network,
so that a short training paints on what is there. The last up-sampling is computed at half size
(``DoublingConv``). A stability loss (``training/losses.py``) works against flicker.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the field's name)
from torch import Tensor, nn

from training.checkpoint import load_weights
from training.data import Crops, Picture, Source, load_pictures, read_picture, scale_shorter_side, trim
from training.errors import TrainingError
from training.features import OnnxFeatures
from training.layers import DoublingConv, NormConv, Residual
from training.losses import content_loss, gram, stability_loss, style_loss, variation_loss
from training.recipe import BATCH, Config, Exportable, FreeSize

MULTIPLE = 4
MARGIN_PX = 12  # mirrored around the frame, so that the zeros beyond it are not seen at its edges
SERVED_MARGIN_PX = (
    28  # more, since lines along an edge stand still in a video; in a short training it costs time
)
LEAST_PX = 32
LUMA = (0.299, 0.587, 0.114)  # BT.601
CONTRAST = 4.0  # before the sigmoid, whose slope is a quarter: brightness starts as it is
MOST_PX = 8192
MOST_SHIFT_PX = 7
PREVIEW_COUNT = 4
STYLE_LAYERS = "conv1_relu_conv1,fire2/concat,fire3/concat,fire5/concat,fire7/concat"
CONTENT_LAYER = "fire3/concat"


class StyleNetwork(nn.Module):
    """Two strided convolutions, residual blocks at a quarter of the size, two doublings.

    (N, 3, H, W) RGB 0 to 1 → the same shape and range; H and W multiples of 4, at least 32.
    """

    def __init__(self, narrow: int, wide: int, blocks: int) -> None:
        super().__init__()
        self.margin_px = MARGIN_PX
        self.to_half = NormConv(3, narrow, 5, stride=2)
        self.to_quarter = NormConv(narrow, wide, 3, stride=2)
        self.blocks = nn.Sequential(*(Residual(wide) for _ in range(blocks)))
        self.from_quarter = NormConv(wide, narrow, 3)
        self.from_half: nn.Module = DoublingConv(narrow, 3)
        self.around = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.zeros_(self.around.weight)
        with torch.no_grad():
            self.around.weight += CONTRAST * torch.tensor(LUMA).view(1, 3, 1, 1)

    def forward(self, frame: Tensor) -> Tensor:
        """One frame or many."""
        margin = self.margin_px
        picture = F.pad(frame, (margin,) * 4, mode="reflect")
        picture = F.relu(self.to_quarter(F.relu(self.to_half(picture))))
        picture = F.interpolate(self.blocks(picture), scale_factor=2.0, mode="nearest")
        painted = self.from_half(F.relu(self.from_quarter(picture)))
        painted = painted[:, :, margin:-margin, margin:-margin]
        return torch.sigmoid(painted + self.around(frame - 0.5))


@dataclass(frozen=True, slots=True)
class Targets:
    """What the output is compared with: Gram matrices (1, C, C) of the style, by layer."""

    grams: Mapping[str, Tensor]
    content_layer: str


class RestyleLearner:
    """One training of a ``StyleNetwork``."""

    def __init__(self, config: Config, device: torch.device) -> None:
        if int(config["crop"]) % MULTIPLE or int(config["crop"]) < LEAST_PX:
            raise TrainingError(
                f"--crop {config['crop']}: expected a multiple of {MULTIPLE} from {LEAST_PX} up"
            )
        torch.manual_seed(int(config["seed"]))
        self._config, self._device = config, device
        self.network = build_network(config).to(device)
        self.modules = {"network": self.network}
        optimizer = torch.optim.Adam(self.network.parameters(), lr=float(config["rate"]))
        self.optimizers = {"network": optimizer}
        layers = str(config["style_layers"]).split(",")
        content_layer = str(config["content_layer"])
        taps = sorted({*layers, content_layer})
        self._features = OnnxFeatures(Path(str(config["features"])), taps).to(device)
        style = read_picture(Path(str(config["style"])))
        style = trim(style, int(config["style_trim_px"]))
        style = scale_shorter_side(style, int(config["style_px"]))
        with torch.no_grad():
            found = self._features(to_tensor(style, device))
        self._targets = Targets({layer: gram(found[layer]) for layer in layers}, content_layer)
        source = Source(Path(str(config["data"])), frames_per_clip=int(config["frames_per_clip"]))
        self._crops = Crops(load_pictures(source), int(config["crop"]) + MOST_SHIFT_PX)

    def step(self, step: int) -> dict[str, float]:
        """As ``Learner``."""
        random = np.random.default_rng((int(self._config["seed"]), step))
        self._set_rate(step)
        wide = self._crops.draw(int(self._config["batch"]), random).to(self._device)
        shift = (int(random.integers(MOST_SHIFT_PX + 1)), int(random.integers(MOST_SHIFT_PX + 1)))
        noise = random.normal(0, float(self._config["noise"]), wide.shape).astype(np.float32)
        size = int(self._config["crop"])
        first = wide[:, :, :size, :size]
        half = wide[: (len(wide) + 1) // 2]  # the second look costs as much as the first: half of them do
        second = (half + torch.from_numpy(noise[: len(half)]).to(self._device)).clamp(0, 1)
        second = second[:, :, shift[0] : shift[0] + size, shift[1] : shift[1] + size]
        low_precision = str(self._config["precision"]) == "bfloat16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=low_precision):
            losses = self._losses(first, second, shift)
        optimizer = self.optimizers["network"]
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        optimizer.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _set_rate(self, step: int) -> None:
        """It falls linearly over the last half."""
        share = step / int(self._config["steps"])
        for group in self.optimizers["network"].param_groups:
            group["lr"] = float(self._config["rate"]) * min(1.0, 2 * (1 - share) + 0.02)

    def _losses(self, first: Tensor, second: Tensor, shift: tuple[int, int]) -> dict[str, Tensor]:
        styled, again = self.network(torch.cat([first, second])).split([len(first), len(second)])
        found = self._features(styled)
        with torch.no_grad():
            wanted = self._features(first)[self._targets.content_layer]
        style = torch.stack([style_loss(found[name], g) for name, g in self._targets.grams.items()]).mean()
        losses = {
            "content": content_loss(found[self._targets.content_layer], wanted),
            "style": style,
            "variation": variation_loss(styled),
            "stability": stability_loss(styled[: len(again)], again, shift),
        }
        weighted = [float(self._config[f"{name}_weight"]) * loss for name, loss in losses.items()]
        return {"loss": torch.stack(weighted).sum(), **losses}

    @torch.no_grad()
    def preview(self) -> Tensor:
        """Crops above, the same restyled below."""
        random = np.random.default_rng((int(self._config["seed"]), 1 << 40))
        crops = self._crops.draw(PREVIEW_COUNT, random)[..., :-MOST_SHIFT_PX, :-MOST_SHIFT_PX]
        styled = self.network(crops.to(self._device)).cpu()
        return torch.cat([torch.cat(list(crops), dim=2), torch.cat(list(styled), dim=2)], dim=1)


def build_network(config: Config) -> StyleNetwork:
    """The network that a config describes."""
    return StyleNetwork(int(config["narrow"]), int(config["wide"]), int(config["blocks"]))


def to_tensor(rgb: Picture, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 → (1, 3, H, W) float32, 0 to 1."""
    return torch.from_numpy(rgb).to(device).permute(2, 0, 1)[None].float() / 255


class RestyleRecipe:
    """Arguments, training and serving form of restyle."""

    help = "paint any frame in the manner of one picture"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """As ``Recipe``."""
        add = parser.add_argument
        add("--data", required=True, help="folder of pictures and clips to learn on")
        add("--style", required=True, help="the picture whose manner is learnt")
        add("--features", required=True, help="SqueezeNet 1.1 in Caffe's form as an ONNX file")
        add("--style-px", type=int, default=360, help="shorter side of the style: smaller, finer strokes")
        add("--style-trim-px", type=int, default=0, help="frame to cut off the style, on each side")
        add("--crop", type=int, default=192, help="side of a training crop in pixels")
        add("--batch", type=int, default=2, help="crops in one step")
        add("--frames-per-clip", type=int, default=12, help="frames taken from each clip")
        add("--rate", type=float, default=2e-3, help="learning rate of Adam")
        add("--noise", type=float, default=0.03, help="standard deviation of the stability loss's noise")
        add("--content-weight", type=float, default=1.0, help="weight of the content loss")
        add("--style-weight", type=float, default=10.0, help="weight of the style loss")
        add("--variation-weight", type=float, default=0.2, help="weight of total variation")
        add("--stability-weight", type=float, default=50.0, help="weight of the stability loss")
        add("--style-layers", default=STYLE_LAYERS, help="layers of the features compared for style")
        add("--content-layer", default=CONTENT_LAYER, help="layer of the features compared for content")
        add("--narrow", type=int, default=16, help="channels at half size")
        add("--wide", type=int, default=32, help="channels at a quarter of the size")
        add("--blocks", type=int, default=3, help="residual blocks")

    def learner(self, config: Config, device: torch.device) -> RestyleLearner:
        """As ``Recipe``."""
        return RestyleLearner(config, device)

    def exportable(self, config: Config, weights: Mapping[str, Mapping[str, Tensor]]) -> Exportable:
        """As ``Recipe``; input "frame", output "styled", both NCHW."""
        network = build_network(config)
        load_weights(network, weights["network"])
        style = Path(str(config["style"])).stem.replace("_", " ")
        assert isinstance(network.from_half, DoublingConv)
        network.from_half = network.from_half.deployed()
        network.margin_px = SERVED_MARGIN_PX
        network.eval()
        height = FreeSize("h4", MULTIPLE, LEAST_PX, MOST_PX)
        width = FreeSize("w4", MULTIPLE, LEAST_PX, MOST_PX)
        return Exportable(
            module=network,
            inputs={"frame": torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))},
            free={"frame": {0: FreeSize(BATCH, most=64), 2: height, 3: width}},
            outputs={"styled": (0, 2, 3)},
            manifest={
                "task": "image-to-image",
                "description": f"Paints every frame in the manner of one picture, {style}.",
                "source": "training/models/restyle.py",
                "input": {
                    "name": "frame",
                    "range": "0..1",
                    "color": "rgb",
                    "layout": "NCHW",
                    "multiple": MULTIPLE,
                    "min_size": LEAST_PX,
                    "max_size": MOST_PX,
                },
                "output": {"name": "styled", "range": "0..1", "color": "rgb", "layout": "NCHW"},
            },
        )


RECIPE = RestyleRecipe()
